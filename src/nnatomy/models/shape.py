"""Sizes of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod


def values_in(input_shape: int | Sequence[int]) -> int:
    """How many values one input holds: (3, 8, 8) -> 192, 5 -> 5."""
    return input_shape if isinstance(input_shape, int) else prod(input_shape)
