"""Outputs for many records: all of them, in order, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.models.lenet import LeNet
from nnatomy.training import inference
from nnatomy.training.inference import evaluate, outputs_of, place, suits_channels_last
from nnatomy.types import Batch


def network() -> nn.Module:
    torch.manual_seed(0)
    net = LeNet((1, 8, 8), 3, channels=(4,), hidden=6)
    net(torch.randn(20, 1, 8, 8))  # running averages away from their start
    return net


def images(count: int) -> TensorSamples:
    torch.manual_seed(1)
    return TensorSamples(torch.randn(count, 1, 8, 8), torch.arange(count) % 3)


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_batch_size_does_not_matter(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, net = images(53), network()
    expected = net.eval()(samples.inputs)
    monkeypatch.setattr(inference, "_LEAST", 1)
    monkeypatch.setattr(inference, "_MOST", size)
    outputs, targets = outputs_of(net.train(), samples)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-6)
    assert torch.equal(targets, samples.targets)
    assert not outputs.requires_grad


@pytest.mark.parametrize("size", [7, 1000])
def test_weights_come_along(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, net = images(53), network()
    monkeypatch.setattr(inference, "_LEAST", 1)
    monkeypatch.setattr(inference, "_MOST", size)
    assert evaluate(net, samples)[2] is None
    samples.weights = torch.rand(53)
    outputs, targets, weights = evaluate(net, samples)
    assert weights is not None
    assert torch.equal(weights, samples.weights)
    assert torch.equal(targets, samples.targets)
    assert torch.equal(outputs, outputs_of(net, samples)[0])


def test_modes_are_restored_each_by_itself() -> None:
    net = network().train()
    net.features[0][1].eval()
    modes = [m.training for m in net.modules()]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    outputs_of(net, images(9))
    assert [m.training for m in net.modules()] == modes
    assert sum(modes) == len(modes) - 1
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_modes_are_restored_after_an_error() -> None:
    net = network().train()
    with pytest.raises(RuntimeError):
        outputs_of(net, TensorSamples(torch.randn(3, 2, 8, 8), torch.zeros(3)))
    assert all(m.training for m in net.modules())


def test_a_stop_leaves_the_rest_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_LEAST", 1)
    monkeypatch.setattr(inference, "_MOST", 4)
    calls = iter([False, True])
    outputs, targets = outputs_of(network(), images(20), stop=lambda: next(calls))
    assert len(outputs) == len(targets) == 8


@pytest.mark.parametrize(("shape", "lies_last"), [((2, 3, 5, 5), True), ((2, 3), False)])
def test_images_are_placed_channels_last(shape: tuple[int, ...], lies_last: bool) -> None:
    batch = Batch(torch.randn(shape), torch.zeros(2), torch.ones(2))
    placed = place(batch, torch.device("cpu"), True)
    assert torch.equal(placed.inputs, batch.inputs)
    if lies_last:
        assert placed.inputs.is_contiguous(memory_format=torch.channels_last)
    assert placed.weights is not None
    assert place(batch._replace(weights=None), torch.device("cpu"), True).weights is None


def test_networks_with_strided_single_pixel_filters_keep_their_layout() -> None:
    assert suits_channels_last(network())
    assert not suits_channels_last(nn.Linear(3, 2))
    strided = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 1, stride=2), nn.Flatten())
    assert not suits_channels_last(strided)
    assert suits_channels_last(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 4, 1)))


_TRAINS = """
import torch
from nnatomy.data.samples import TensorSamples
from nnatomy.models import resnet18
from nnatomy.training import Settings, fit

torch.manual_seed(0)
samples = TensorSamples(torch.randn(96, 3, 48, 48), torch.arange(96) % 4)
settings = Settings(epochs=2, batch_size=32, device="cpu")
session = fit(resnet18(4, stem="small", width=8), samples, settings=settings)
assert session.channels_last
print("trained")
"""


def test_narrow_residual_networks_train_channels_last() -> None:
    """In a process of its own: what this keeps from happening is a crash of the process."""
    done = subprocess.run([sys.executable, "-c", _TRAINS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr[-500:]
