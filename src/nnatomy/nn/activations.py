"""Activation functions by the names that the lecture and the field use."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from nnatomy.errors import SettingError, nearest

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}

FORMULAS: dict[str, str] = {
    "Identity": "g(a) = a",
    "Sigmoid": "g(a) = 1 / (1 + exp(-a))",
    "Tanh": "g(a) = (exp(2a) - 1) / (exp(2a) + 1)",
    "ReLU": "g(a) = max(0, a)",
    "LeakyReLU": "g(a) = max(0, a) + 0.01 min(0, a)",
    "ELU": "g(a) = max(0, a) + min(0, exp(a) - 1)",
    "GELU": "g(a) = a Φ(a)",
}


def build_activation(name: str) -> nn.Module:
    """A new activation layer.

    Raises:
        SettingError: The name is unknown.
    """
    if name not in ACTIVATIONS:
        raise SettingError(f"activation '{name}' is unknown: {nearest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]()
