"""Which parameters a training loop of the user's own reaches, and why it does not reach others."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Literal

import torch
from torch import Tensor, nn

Reason = Literal["requires_grad", "optimizer", "rate", "uncalled", "cut", "zero"]
"""Why a parameter is not trained: its requires_grad is False; the optimizer does not know it; the
learning rate of its group is 0; its module is not called; nothing connects it to the loss; its
gradient is 0 at every step."""

_PRINT = 1 << 14
"""Values of a parameter by which it is seen whether somebody moves it."""


class Reach:
    """Notes at each update which parameters have a gradient.

    Only those that never had one are looked at again, so that it costs nothing in a healthy loop.

    Args:
        network: Any module.
        optimizer: What updates it, where it is known.

    Attributes:
        pulled: Names of the parameters that had a gradient other than 0.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        self.network, self.optimizer = network, optimizer
        self.pulled: set[str] = set()
        self._own = dict(network.named_parameters())
        self._waiting = dict(self._own)
        self._with_zeros: set[str] = set()
        self._rates: dict[int, float] = {}
        self._looked = self._readable = False
        known = self._groups()
        strange = [n for n, p in self._own.items() if not p.requires_grad or id(p) not in known]
        self._before = self._copies(strange if optimizer is not None else [])

    def _copies(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Of parameters that something else may move."""
        return {name: _print(self._own[name]) for name in names}

    def _groups(self) -> dict[int, int]:
        """The number of the group that each parameter belongs to, by the parameter's identity."""
        groups = self.optimizer.param_groups if self.optimizer is not None else ()
        return {id(p): number for number, group in enumerate(groups) for p in group["params"]}

    def look(self, *, readable: bool = False) -> None:
        """Note gradients and learning rates, before an update or after it.

        Args:
            readable: Whether the gradients are those that the optimizer is about to use: nobody
                can have cleared them, so that one which is not there was never made.
        """
        self._readable = self._readable or readable
        for name, p in list(self._waiting.items()):
            if p.grad is not None and _any(p.grad):
                self.pulled.add(name)
                del self._waiting[name]
            elif p.grad is not None:
                self._with_zeros.add(name)
        for number, group in enumerate(self.optimizer.param_groups if self.optimizer else ()):
            if not self._rates.get(number):
                rate = group.get("lr")
                self._rates[number] = 1.0 if rate is None else float(rate)
        if self.optimizer is None and self.pulled and not self._looked:
            self._looked = True  # gradients can be read; what moves without one is another's
            self._before = self._copies(self._waiting)

    def untrained(self, called: Set[str]) -> dict[str, Reason] | None:
        """The parameters that are not trained, by name, each with the reason.

        Args:
            called: Names of the modules that were called; none where nobody listened.

        Returns:
            None where nothing can be said: no gradient was there whenever somebody looked, as they
            had been cleared already. What was trained for a while counts as trained.
        """
        known, moved = self._groups(), self._moved()
        readable = bool(self.pulled) or self._readable
        found: dict[str, Reason] = {}
        for name, p in self.network.named_parameters():
            if name in moved or p is not self._own.get(name):  # another since the beginning
                continue
            if not p.requires_grad:
                if name not in self.pulled:
                    found[name] = "requires_grad"
            elif self.optimizer is not None and id(p) not in known:
                found[name] = "optimizer"
            elif self._rates.get(known.get(id(p), -1)) == 0:
                found[name] = "rate"
            elif readable and name not in self.pulled and not self._shifts(name):
                found[name] = self._unpulled(name, called)
        return found if found or readable else None

    def _moved(self) -> set[str]:
        """Those without a gradient that somebody else has changed all the same."""
        now = self._copies(self._before)
        return {n for n, b in self._before.items() if not torch.equal(b.to(now[n]), now[n])}

    def _shifts(self, name: str) -> bool:
        """Whether a zero gradient is that of a shift which cancels out behind a trained matrix."""
        own, _, _ = name.rpartition(".")
        if self._own[name].dim() >= 2:
            return False  # a matrix shifts nothing: what it is multiplied with is 0
        beside = any(other.rpartition(".")[0] == own for other in self.pulled)
        return name in self._with_zeros and beside

    def _unpulled(self, name: str, called: Set[str]) -> Reason:
        if name in self._with_zeros:
            return "zero"
        own = name.rpartition(".")[0]
        around = own.rpartition(".")[0]  # an attention uses the weights of its parts itself
        module = self.network.get_submodule(own)
        silent = type(module).forward is not nn.Module.forward and not {own, around} & called
        return "uncalled" if called and silent else "cut"


def _any(gradient: Tensor) -> bool:
    """Whether any of it is not 0; NaN is not."""
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool(values.any())


def _print(parameter: Tensor) -> Tensor:
    """A copy of it; of a large one a part, evenly spaced."""
    values = parameter.detach().flatten()
    return values[:: 1 + len(values) // _PRINT].clone()
