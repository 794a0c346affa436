"""The facts of networks against counts made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.summary import count_multiplications, count_parameters, summarize


def test_mlp_by_hand() -> None:
    rows = summarize(MLP((64,), 10), (64,))
    assert [(r.name, r.layer, r.output, r.parameters, r.multiplications) for r in rows] == [
        ("features.0", "Linear(64 → 100)", (100,), 64 * 100 + 100, 6400),
        ("features.1", "ReLU", (100,), 0, 0),
        ("head", "Linear(100 → 10)", (10,), 100 * 10 + 10, 1000),
    ]
    assert count_parameters(MLP((64,), 10)) == 7510


def test_residual_sums_are_listed_after_what_they_go_around() -> None:
    network = MLP((4,), 2, hidden=(3, 3), residual=True)
    rows = summarize(network, (4,))
    assert [(r.name, r.layer, r.parameters, r.multiplications) for r in rows] == [
        ("features.0", "Linear(4 → 3)", 15, 12),
        ("features.1", "ReLU", 0, 0),
        ("features.2.branch.0", "Linear(3 → 3)", 12, 9),
        ("features.2.branch.1", "ReLU", 0, 0),
        ("features.2", "Residual", 0, 0),
        ("head", "Linear(3 → 2)", 8, 6),
    ]
    assert all(row.formula for row in rows)


def test_lenet_by_hand() -> None:
    rows = summarize(LeNet((1, 28, 28), 10), (1, 28, 28))
    facts = {r.name: (r.layer, r.output, r.parameters, r.multiplications) for r in rows}
    assert facts == {
        "features.0.0": ("Conv2d(1 → 32, 3×3)", (32, 28, 28), 288, 288 * 784),
        "features.0.1": ("BatchNorm2d(32)", (32, 28, 28), 64, 32 * 784),
        "features.0.2": ("ReLU", (32, 28, 28), 0, 0),
        "features.0.3": ("MaxPool2d", (32, 14, 14), 0, 0),
        "features.1.0": ("Conv2d(32 → 64, 3×3)", (64, 14, 14), 18432, 18432 * 196),
        "features.1.1": ("BatchNorm2d(64)", (64, 14, 14), 128, 64 * 196),
        "features.1.2": ("ReLU", (64, 14, 14), 0, 0),
        "features.1.3": ("MaxPool2d", (64, 7, 7), 0, 0),
        "pool": ("AdaptiveAvgPool2d", (64, 4, 4), 0, 0),
        "head.0": ("Flatten", (1024,), 0, 0),
        "head.1": ("Dropout", (1024,), 0, 0),
        "head.2": ("Linear(1024 → 128)", (128,), 131200, 131072),
        "head.3": ("ReLU", (128,), 0, 0),
        "head.4": ("Dropout", (128,), 0, 0),
        "head.5": ("Linear(128 → 10)", (10,), 1290, 1280),
    }


def test_stride_and_groups() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, (3, 1), stride=2, groups=2))
    (row,) = summarize(network, (4, 9, 9))
    assert row.layer == "Conv2d(4 → 8, 3×1, stride 2)"
    assert row.output == (8, 4, 5)
    # Each of 8 filters sees 4/2 channels through a 3×1 window.
    assert row.parameters == 8 * 2 * 3 + 8
    assert row.multiplications == 8 * 4 * 5 * 2 * 3


class Repeated(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(self.layer(inputs))


def test_a_layer_called_twice_works_twice_and_weighs_once() -> None:
    rows = summarize(Repeated(), (4,))
    assert [(row.parameters, row.multiplications) for row in rows] == [(20, 16), (0, 16)]
    assert count_multiplications(Repeated(), (4,)) == 32


def test_frozen_parameters_are_not_counted() -> None:
    network = MLP((4,), 2, hidden=(3,))
    network.head.requires_grad_(False)
    assert count_parameters(network) == 4 * 3 + 3


def test_a_network_that_fails_is_left_as_it_was() -> None:
    network = MLP((4,), 2, hidden=(3,))
    with pytest.raises(RuntimeError):
        summarize(network, (5,))
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())


def test_summary_in_double_precision() -> None:
    network = MLP((4,), 2).double()
    assert summarize(network, (4,))[-1].output == (2,)
    assert network.head.weight.dtype == torch.float64


def test_a_network_of_words_gets_whole_numbers() -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2))
    rows = summarize(network, (2,))
    assert [(row.output, row.parameters) for row in rows] == [((2, 4), 36), ((8,), 0), ((2,), 18)]
