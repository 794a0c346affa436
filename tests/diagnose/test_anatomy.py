"""What a network is made of."""

from __future__ import annotations

import pytest
from torch import nn

from nnatomy.diagnose.anatomy import (
    ACTIVATIONS,
    describe_layers,
    describe_structure,
    weighted_modules,
)
from nnatomy.diagnose.case import Layer
from nnatomy.nn.residual import Residual


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 5),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(16, 6),
        nn.Tanh(),
        nn.Linear(6, 2),
    )


def test_layers_by_hand() -> None:
    assert describe_layers(small()) == [
        Layer("0", "Conv2d", "input", 4, 300, False, 75),
        Layer("5", "Linear", "relu", 6, 96, False, 16, 0.25),
        Layer("7", "Linear", "tanh", 2, 12, False, 6),
    ]
    assert list(weighted_modules(small())) == ["0", "5", "7"]


def test_layers_in_the_order_in_which_they_were_heard() -> None:
    network = small()
    assert [y.name for y in describe_layers(network, ["7", "0"])] == ["7", "0"]
    assert describe_layers(network, ["7", "0"])[0].fed_by == "input"
    assert [y.name for y in describe_layers(network, ["gone", "5"])] == ["5"]


@pytest.mark.parametrize("kind", [k for k in ACTIVATIONS if k not in (nn.Softmax, nn.LogSoftmax)])
def test_activations_by_class(kind: type[nn.Module]) -> None:
    network = nn.Sequential(nn.Linear(2, 2), kind(), nn.Linear(2, 2), nn.Linear(2, 2))
    assert [y.fed_by for y in describe_layers(network)] == ["input", ACTIVATIONS[kind], ""]


@pytest.mark.parametrize(
    ("module", "fed_by", "units"),
    [
        (nn.GRU(3, 5), "tanh", 5),
        (nn.LSTM(3, 5), "tanh", 5),
        (nn.RNN(3, 5), "tanh", 5),
        (nn.RNN(3, 5, nonlinearity="relu"), "relu", 5),
        (nn.GRUCell(3, 5), "", 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_recurrent_layers(module: nn.Module, fed_by: str, units: int) -> None:
    first, second = describe_layers(nn.ModuleList([module, nn.Linear(5, 1)]))
    assert (first.recurrent, first.units, second.fed_by) == (True, units, fed_by)
    assert first.parameters == sum(p.numel() for p in module.parameters() if p.dim() > 1)


def test_what_comes_after_a_shortcut_is_a_sum() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), Residual(nn.Sequential(nn.Linear(4, 4))))
    network = nn.Sequential(
        nn.Linear(3, 4),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.25))),
        Residual(inner),
        nn.Linear(4, 4),
        nn.Tanh(),
        nn.Linear(4, 2),
    )
    assert [(y.name, y.fed_by, y.dropout) for y in describe_layers(network)] == [
        ("0", "input", 0.0),
        ("3.branch.0", "sigmoid", 0.5),
        ("4.branch.0", "sum", 0.0),
        ("4.branch.2.branch.0", "tanh", 0.0),
        ("5", "sum", 0.0),
        ("7", "tanh", 0.0),
    ]


def test_a_shared_layer_is_one() -> None:
    shared = nn.Linear(2, 2)
    assert [y.name for y in describe_layers(nn.Sequential(shared, nn.ReLU(), shared))] == ["0"]


def test_structure() -> None:
    network = small()
    network[5].bias.requires_grad_(False)
    assert describe_structure(network) == {
        "dropout": [0.25],
        "batch_norms": 1,
        "last": "Linear",
        "standardized": False,
        "frozen": ["5.bias"],
        "parameters": sum(p.numel() for p in network.parameters()) - 6,
    }
    assert describe_structure(nn.Sequential(nn.Linear(1, 1), nn.Softmax(1)))["last"] == "softmax"
    assert describe_structure(nn.Linear(2, 1))["last"] == "Linear"
    assert describe_structure(nn.Sequential(nn.Dropout(0.0)))["dropout"] == []
