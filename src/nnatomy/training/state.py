"""The complete state of a training run at a step boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class State:
    """Everything needed to go on as if nothing had happened.

    Args:
        tensors: Weights, buffers, optimizer state, best weights, random generator states.
        values: Counters, history and settings, as JSON-able values. Floats are finite or are
            written as the strings "nan", "inf", "-inf".
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without the prefix."""
        named = self.tensors.items()
        return {k.removeprefix(prefix): v for k, v in named if k.startswith(prefix)}
