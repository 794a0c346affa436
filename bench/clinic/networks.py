"""The networks of the clinic: dense, convolutional and recurrent, with every part to go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.nn.activations import build_activation
from nnatomy.nn.initialization import initialize
from nnatomy.nn.residual import Residual

DEFAULTS: dict[str, Any] = {
    "hidden": (32,),
    "activation": "relu",
    "dropout": 0.0,
    "batch_norm": False,
    "init": "he_normal",
    "gain": 1.0,
    "bias": 0.0,
    "output": None,
    "frozen": (),
    "unconnected": False,
    "residual": False,
    "cell": "gru",
}


class LastState(nn.Module):
    """A recurrent layer and the linear layer that reads its last state."""

    def __init__(self, inputs: int, width: int, outputs: int, cell: str) -> None:
        super().__init__()
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.encoder = kind(inputs, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, sequences: Tensor) -> Tensor:
        states, _ = self.encoder(sequences)
        outputs: Tensor = self.head(states[:, -1])
        return outputs


class WithSpare(nn.Module):
    """A network with a layer that nothing passes through."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.spare = network, nn.Linear(16, 16)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs


def build(shape: tuple[int, ...], outputs: int, architecture: Mapping[str, Any]) -> nn.Module:
    """The network for inputs of a shape: (d,) dense, (C, H, W) convolutional, (T, d) recurrent."""
    a = {**DEFAULTS, **architecture}
    if len(shape) == 2:
        network: nn.Module = LastState(shape[1], a["hidden"][0], outputs, a["cell"])
    else:
        layers = _convolutional(shape, outputs, a) if len(shape) == 3 else _dense(shape, outputs, a)
        network = nn.Sequential(*layers)
        initialize(network, a["init"])
    _worsen(network, a)
    if a["output"]:
        network = nn.Sequential(network, _output(a["output"]))
    return WithSpare(network) if a["unconnected"] else network


def _output(name: str) -> nn.Module:
    return nn.Softmax(1) if name == "softmax" else build_activation(name)


def _dense(shape: tuple[int, ...], outputs: int, a: Mapping[str, Any]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    width = shape[0]
    for units in a["hidden"]:
        parts: list[nn.Module] = [nn.Linear(width, units)]
        if a["batch_norm"]:
            parts.append(nn.BatchNorm1d(units))
        parts.append(build_activation(a["activation"]))
        if a["dropout"]:
            parts.append(nn.Dropout(a["dropout"]))
        layers += _around(parts, a["residual"] and width == units)
        width = units
    return [*layers, nn.Linear(width, outputs)]


def _around(parts: list[nn.Module], shortcut: bool) -> list[nn.Module]:
    return [Residual(nn.Sequential(*parts))] if shortcut else parts


def _convolutional(shape: tuple[int, ...], outputs: int, a: Mapping[str, Any]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels, side = shape[0], shape[1]
    for number, filters in enumerate(a["hidden"]):
        parts: list[nn.Module] = [nn.Conv2d(channels, filters, 3, padding=1)]
        if a["batch_norm"]:
            parts.append(nn.BatchNorm2d(filters))
        parts.append(build_activation(a["activation"]))
        layers += _around(parts, a["residual"] and channels == filters)
        if number < 2:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        channels = filters
    layers.append(nn.Flatten())
    if a["dropout"]:
        layers.append(nn.Dropout(a["dropout"]))
    return [*layers, nn.Linear(channels * side * side, outputs)]


@torch.no_grad()
def _worsen(network: nn.Module, a: Mapping[str, Any]) -> None:
    """Scale the weights, shift hidden biases, freeze layers, leave parts unconnected."""
    weighted = [
        m for m in network.modules() if any(p.dim() > 1 for p in m.parameters(recurse=False))
    ]
    for module in weighted[:-1]:
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() > 1:
                parameter.mul_(a["gain"])
            elif a["bias"] and name == "bias":
                parameter.fill_(a["bias"])
    for position in a["frozen"]:
        for parameter in weighted[position].parameters(recurse=False):
            parameter.requires_grad_(False)
