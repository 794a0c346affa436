"""The weights of the best epoch, kept beside those of the last."""

from __future__ import annotations

from torch import Tensor, nn


class BestWeights:
    """Remembers the weights and buffers of a network's best epoch.

    Args:
        network: Watched, and changed by `use`.

    Attributes:
        best: State of the best epoch; empty before the first.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.best: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}

    def keep(self) -> None:
        """Remember the present state as the best."""
        state = self._network.state_dict()
        if not self.best:
            self.best = {name: value.clone() for name, value in state.items()}
        for name, value in state.items():
            self.best[name].copy_(value)

    def use(self) -> None:
        """Put the best state in place, if there is one.

        The last one is kept: it is what the optimizer's state and the counters belong to.
        """
        if self.best and not self._last:
            self._last = {k: v.clone() for k, v in self._network.state_dict().items()}
            self._network.load_state_dict(self.best)

    def last(self) -> dict[str, Tensor]:
        """The state after the last step, whether or not the best one is in place."""
        return self._last or self._network.state_dict()
