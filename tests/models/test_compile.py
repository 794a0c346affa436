"""The convolutional families under torch.compile, in one graph.

The backend is aot_eager: like the default one it traces the forward and the backward pass, and it
needs no C++ compiler.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from families import parts_of
from image_networks import SMALL, images, started

SIDE, RECORDS = 32, 4
pytestmark = [
    pytest.mark.no_cover,  # It would trace the compiler, for as long again as that takes.
    pytest.mark.parametrize("family", SMALL),
]


def pair(family: str) -> tuple[nn.Module, nn.Module]:
    """A network, and its compiled copy, which refuses whatever does not fit into one graph."""
    torch.compiler.reset()
    network = started(SMALL[family])
    return network, torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)


def assert_equal(found: Tensor, expected: Tensor, scale: Tensor, name: str = "") -> None:
    assert (found - expected).abs().max() <= 1e-5 * scale, name


@torch.no_grad()
def test_outputs_in_evaluation(family: str) -> None:
    network, compiled = pair(family)
    expected = network(images(SIDE, RECORDS))
    assert_equal(compiled(images(SIDE, RECORDS)), expected, expected.abs().max())


def learned(network: nn.Module) -> tuple[Tensor, ...]:
    """The parts of the answers in training, after their gradients were taken."""
    torch.manual_seed(0)  # of the silenced units
    parts = parts_of(network.train()(images(SIDE, RECORDS)))
    directions = torch.linspace(-1.0, 1.0, parts[0].numel()).reshape(parts[0].shape)
    sum((part * directions).sum() for part in parts).backward()
    return parts


def test_outputs_and_gradients_in_training(family: str) -> None:
    network, compiled = pair(family)
    expected, found = learned(network), learned(compiled)
    assert len(found) == len(expected) == (3 if family == "googlenet" else 1)
    for theirs, ours in zip(found, expected, strict=True):
        assert_equal(theirs, ours, ours.abs().max())
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    largest = max(gradient.abs().max() for gradient in gradients.values())
    for (name, ours), parameter in zip(gradients.items(), compiled.parameters(), strict=True):
        # Biases that a normalization takes away again have gradients of rounding only.
        scale = torch.maximum(ours.abs().max(), 1e-4 * largest)
        assert_equal(parameter.grad, ours, scale, name)
    for (name, ours), theirs in zip(network.named_buffers(), compiled.buffers(), strict=True):
        assert_equal(theirs, ours, ours.abs().max(), name)
