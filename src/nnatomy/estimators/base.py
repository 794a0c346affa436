"""The attributes and habits that the estimators with a network share."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session

_OPEN_ENDED = ("constant", "step")
"""Schedules that do not know where they end; the others are meant to run their full length."""

_SEEDS = 2**30


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """Attributes of a fitted estimator that holds a network.

    Attributes:
        network_: The trained module.
        history_: One row (a dict) an epoch since the weights were drawn.
    """

    network_: nn.Module
    history_: list[dict[str, Any]]

    @property
    def n_iter_(self) -> int:
        """Epochs since the weights were drawn."""
        return len(self.history_)

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of each epoch, without the penalty on the weights."""
        return [row["loss"] for row in self.history_]

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch."""
        return self.loss_curve_[-1]

    @property
    def best_loss_(self) -> float:
        """Lowest training loss of an epoch."""
        return min(self.loss_curve_)

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score on the validation records after each epoch; None without early stopping."""
        scores = [row["valid_score"] for row in self.history_]
        return None if None in scores else scores

    @property
    def best_validation_score_(self) -> float | None:
        """Highest score on the validation records; None without early stopping."""
        return None if self.validation_scores_ is None else max(self.validation_scores_)

    def __getstate__(self) -> dict[str, Any]:
        """The state for copies and files: its network lies on the CPU, which is everywhere."""
        state: dict[str, Any] = dict(super().__getstate__())
        network = state.get("network_")
        if network is not None and any(p.device.type != "cpu" for p in network.parameters()):
            state["network_"] = copy.deepcopy(network).cpu()
        return state


class EpochLines(Observer):
    """Writes a line an epoch to the error stream."""

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """One line: the epoch, its loss, and the validation score where there is one."""
        score = row["valid_score"]
        more = "" if score is None else f", validation {session.objective.score_name} {score:.6f}"
        sys.stderr.write(f"epoch {row['epoch']}: loss {row['loss']:.8f}{more}\n")


def draw_seed(random: np.random.RandomState) -> int:
    """A seed for torch from the generator that `random_state` stands for."""
    return int(random.randint(_SEEDS))


def number(value: Any) -> float:
    """The value of a parameter that is to be a number; NaN, which no range holds, for others."""
    return float(value) if isinstance(value, Real) else math.nan


def is_whole(value: Any) -> bool:
    """Whether the value is a whole number from 1."""
    return number(value) >= 1 and number(value) % 1 == 0


def require_types(estimator: BaseEstimator, texts: Iterable[str], switches: Iterable[str]) -> None:
    """Refuse parameters that are not texts or not True or False.

    Raises:
        SettingError: Names the parameter.
    """
    for name in texts:
        value = getattr(estimator, name)
        require(name, value, isinstance(value, str), "text")
    for name in switches:
        value = getattr(estimator, name)
        require(name, value, isinstance(value, bool | np.bool_), "True or False")


def require(name: str, value: Any, met: bool, wanted: str) -> None:
    """Refuse a parameter that cannot be meant.

    Raises:
        SettingError: `met` is False.
    """
    if not met:
        raise SettingError(f"{name} must be {wanted}, got {value!r}")


def warn_if_unfinished(session: Session, limit: str) -> None:
    """Warn, as scikit-learn does, when the epochs ran out before the stop rule was met.

    Args:
        session: A finished run.
        limit: The estimator's name of the limit.
    """
    settings = session.settings
    open_ended = settings.schedule in _OPEN_ENDED and settings.patience is not None
    if open_ended and session.stopped.startswith("epoch limit"):
        warnings.warn(
            f"{limit}={settings.epochs} epochs ended before training converged: raise {limit} or "
            "the learning rate",
            ConvergenceWarning,
            stacklevel=4,
        )
