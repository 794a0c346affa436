"""Activation functions by the names that the lecture and the field use."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError, nearest

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
}

FORMULAS: dict[str, str] = {
    "Identity": "g(a) = a",
    "Sigmoid": "g(a) = 1 / (1 + exp(-a))",
    "Tanh": "g(a) = (exp(2a) - 1) / (exp(2a) + 1)",
    "ReLU": "g(a) = max(0, a)",
    "LeakyReLU": "g(a) = max(0, a) + 0.01 min(0, a)",
    "ELU": "g(a) = max(0, a) + min(0, exp(a) - 1)",
    "GELU": "g(a) = a Φ(a)",
    "Softplus": "g(a) = log(1 + exp(a))",
    "SiLU": "g(a) = a / (1 + exp(-a))",
    "Softmax": "g(a)_k = exp(a_k) / Σ_j exp(a_j)",
}
"""By the name of the layer's class. Softmax belongs to the output: the losses apply it."""

DERIVATIVES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "identity": ("g' = 1", torch.ones_like),
    "sigmoid": ("g' = h (1 - h)", lambda a: a.sigmoid() * (1 - a.sigmoid())),
    "tanh": ("g' = 1 - h²", lambda a: 1 - a.tanh().square()),
    "relu": ("g' = 1 where a > 0, else 0", lambda a: (a > 0).to(a.dtype)),
    "leaky_relu": (
        "g' = 1 where a > 0, else 0.01",
        lambda a: torch.where(a > 0, 1.0, 0.01).to(a.dtype),
    ),
    "elu": ("g' = 1 where a > 0, else exp(a)", lambda a: a.clamp(max=0).exp()),
    "gelu": (
        "g' = Φ(a) + a φ(a)",
        lambda a: (
            0.5 * (1 + torch.erf(a / math.sqrt(2)))
            + a * torch.exp(-a.square() / 2) / math.sqrt(2 * math.pi)
        ),
    ),
    "softplus": ("g' = σ(a)", torch.sigmoid),
    "silu": (
        "g' = σ(a) (1 + a (1 - σ(a)))",
        lambda a: a.sigmoid() * (1 + a * (1 - a.sigmoid())),
    ),
}
"""The derivative of each activation h = g(a): its formula, and the function of a."""


def build_activation(name: str) -> nn.Module:
    """A new activation layer.

    Raises:
        SettingError: The name is unknown.
    """
    if name not in ACTIVATIONS:
        raise SettingError(f"activation '{name}' is unknown: {nearest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]()
