"""When to stop: the stop rules of the lecture, and early stopping on validation records."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.training.settings import Settings


@dataclass
class StopRules:
    """Decides after each epoch whether training goes on.

    Args:
        settings: Gives the rules and their limits.
        best: Lowest monitored value so far (scores count negative).
        best_loss: The validation loss with it: of equal scores the one with the lower loss is best.
        best_epoch: The epoch that reached it, counted from 1; 0 before the first.
        waited: Epochs in a row without an improvement by more than `tol`.
    """

    settings: Settings
    best: float = math.inf
    best_epoch: int = 0
    waited: int = 0
    best_loss: float = math.inf

    def note(self, row: dict[str, Any]) -> bool:
        """Take in an epoch's history row; True when it is the best so far."""
        value = self.monitored(row)
        self.waited = 0 if value <= self.best - self.settings.tol else self.waited + 1
        loss = math.inf if row["valid_loss"] is None else float(row["valid_loss"])
        # Asked this way round, a value that is no number is never the best.
        if not (value < self.best or (value == self.best and loss < self.best_loss)):
            return False
        self.best, self.best_loss, self.best_epoch = value, loss, row["epoch"]
        return True

    def note_losses(self, losses: NDArray[np.float64], first_epoch: int) -> None:
        """Take in the training losses of many epochs in a row, as `note` would one by one."""
        if not len(losses):
            return
        before = np.minimum.accumulate(np.concatenate([[self.best], losses[:-1]]))
        (improved,) = np.nonzero(losses <= before - self.settings.tol)
        whole = self.waited + len(losses)
        self.waited = len(losses) - 1 - int(improved[-1]) if len(improved) else whole
        lowest = int(losses.argmin())
        if losses[lowest] < self.best:
            self.best, self.best_epoch = float(losses[lowest]), first_epoch + lowest

    def monitored(self, row: dict[str, Any]) -> float:
        """The value that is to become small: of the validation records when there are any."""
        if row["valid_loss"] is None:
            return float(row["loss"])
        if self.settings.monitor == "score":
            return -float(row["valid_score"])
        return float(row["valid_loss"])

    def reason(self, row: dict[str, Any], weight_change: float | None) -> str:
        """Why training stops after this epoch, or an empty string when it goes on.

        Args:
            row: The epoch's history row.
            weight_change: ‖Δw‖ / ‖w‖ over the epoch, when that rule is on.
        """
        settings = self.settings
        if settings.patience is not None and self.waited > settings.patience:
            what = "validation " + settings.monitor if row["valid_loss"] is not None else "loss"
            return f"early stopping: no better {what} in {self.waited} epochs"
        if weight_change is not None and weight_change <= settings.weight_tol:
            return f"weights hardly change: {weight_change:.2g} <= {settings.weight_tol:g}"
        error = row.get("error_rate")
        if settings.error_rate is not None and error is not None and error <= settings.error_rate:
            return f"error rate reached: {error:.4g} <= {settings.error_rate:g}"
        if row["epoch"] >= settings.epochs:
            return f"epoch limit: {settings.epochs}"
        return ""

    def to_values(self) -> dict[str, Any]:
        """The counters, for a checkpoint."""
        values = asdict(self)
        del values["settings"]
        return values

    def restore(self, values: dict[str, Any]) -> None:
        """Continue from the counters of a checkpoint."""
        self.best = float(values["best"])
        self.best_loss = float(values.get("best_loss", math.inf))
        self.best_epoch, self.waited = values["best_epoch"], values["waited"]
