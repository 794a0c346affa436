"""Weights and images by formula: the same numbers in any program, without a generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PRIME = 65521


def scattered(shape: tuple[int, ...], salt: int) -> Tensor:
    """Numbers in [-1, 1) that look random: quadratic residues, exact in any program.

    Smooth formulas such as sin(i) would fill matrices of rank 2, which hide most mistakes.
    """
    position = torch.arange(math.prod(shape)) + salt
    place, block = position % _PRIME, position // _PRIME
    residue = (place * place + 257 * place * block + 40503 * block) % _PRIME
    return (2.0 * residue / _PRIME - 1.0).reshape(shape)


def filled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Values for a state dict by torchvision's names, in its shapes.

    Weights have the variance 2 / n_in; scales and variances lie around 1, the rest around 0.
    """
    values = {}
    for name, tensor in state.items():
        value = scattered(tuple(tensor.shape), sum(name.encode()))
        if name.endswith("num_batches_tracked"):
            value = torch.zeros(())
        elif tensor.dim() > 1:
            value *= (6.0 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_var") or is_scale(name, state):
            value = 1.0 + value / 2
        else:
            value = value / 10
        values[name] = value.to(tensor.dtype)
    return values


def is_scale(name: str, state: dict[str, Tensor]) -> bool:
    """Whether a vector is the scale of a batch normalization."""
    return name.endswith(".weight") and name.replace(".weight", ".running_var") in state


def image(side: int) -> Tensor:
    """One image of 3 channels.

    Shape: (1, 3, side, side).
    """
    return scattered((1, 3, side, side), 0).float()
