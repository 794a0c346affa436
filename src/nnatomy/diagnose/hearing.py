"""What the loss of a loop of the user's own is given, and gives, between two updates."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.diagnose.guessing import value_of
from nnatomy.diagnose.pairs import mismatch

_CLOSE, _NEARLY = 1e-3, 1e-6
"""How far a loss that is told may be from one that was heard, relative and absolute."""
_RARELY = 0.1
"""Share of the steps at which it may be another: the last of an epoch, say."""


class Heard:
    """Hears the loss between two updates, and compares it with what is told.

    Args:
        loss: The loss module or function.

    Attributes:
        pair: Outputs and targets that it was given last; None before the first since the update.
        mismatch: What is wrong with their shapes, if anything ever was.
        own: Whether it was given the network's answers whenever that was asked.
    """

    def __init__(self, loss: object) -> None:
        self.loss = loss
        self.pair: tuple[Tensor, Tensor] | None = None
        self.mismatch, self.own = "", True
        self._value: Tensor | None = None
        self._total: Tensor | float = 0.0
        self._calls = self._passes = self._compared = self._other = 0

    def hear(self, inputs: tuple[Any, ...], named: dict[str, Any], value: Any) -> None:
        """A call of the loss, while the network trains."""
        given = (*inputs, *(named[name] for name in ("input", "target") if name in named))
        tensors = [own.detach() for own in given if isinstance(own, Tensor) and own.dim()]
        if len(tensors) < 2:
            return
        self.pair, self._calls = (tensors[0], tensors[1]), self._calls + 1
        self.mismatch = self.mismatch or mismatch(self.loss, *self.pair)
        if isinstance(value, Tensor) and value.numel() == 1:
            self._value = value.detach()
            self._total = self._total + self._value

    def passed(self) -> None:
        """A pass of the network that learns."""
        self._passes += 1

    def compare(self, told: float, *, due: bool) -> None:
        """Note whether the loss that is told is the one that was heard.

        Of several heard for one update it is the last, or their mean: batches in parts.

        Args:
            told: The loss.
            due: Whether a function may be asked for its value.
        """
        if self.pair is None:
            return
        heard = [] if self._value is None else [self._value, self._total]
        values = [float(own) for own in heard]
        if values:
            values[1] /= self._calls
        elif due:
            asked = value_of(self.loss, *self.pair)
            values = [] if asked is None else [asked]
        if values:
            self._compared += 1
            self._other += not any(
                math.isclose(told, own, rel_tol=_CLOSE, abs_tol=_NEARLY) for own in values
            )

    @property
    def agrees(self) -> bool:
        """Whether what is told is the loss itself, and neither a multiple nor a sum of more."""
        return self._other <= _RARELY * self._compared

    def sizes(self, fed: Tensor | None) -> tuple[int, int]:
        """Records of the last pass, and of all passes for this update; 0 where nothing is known.

        Several losses of one pass, and several passes for one loss, count once.

        Args:
            fed: What the first layer was fed.
        """
        one = 0 if fed is None else len(fed)
        if self.pair is not None:
            count = len(self.pair[1])
            words = fed is not None and count > one > 0 and count % one == 0
            # Sequences may come with the time first; else each record has several targets.
            one = one if words and fed is not None and count not in fed.shape[1:2] else count
        listens = isinstance(self.loss, nn.Module) and self._calls
        passes = min(self._passes, self._calls) if listens else self._passes
        return one, one * max(1, passes)

    def answered(self, output: Any) -> None:
        """Note whether the loss was given what the network answered."""
        if self.pair is not None:
            self.own = self.own and _same(output, self.pair[0])

    def close(self) -> None:
        """An update was made: what was heard before it is over."""
        self.pair, self._value, self._total = None, None, 0.0
        self._calls = self._passes = 0


def _same(one: Any, other: Tensor) -> bool:
    """Whether tensors share their values, or have the same ones."""
    if not isinstance(one, Tensor) or one.is_sparse or one.numel() != other.numel():
        return False
    if one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr():
        return True
    return torch.equal(one.detach().flatten().to(other), other.flatten())
