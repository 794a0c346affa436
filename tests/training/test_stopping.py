"""Stop rules as tables: monitored values in, the epoch and the reason of the end out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.training.settings import Settings
from nnatomy.training.stopping import StopRules


def row(epoch: int, value: float, **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 9.0, "valid_loss": value, "valid_score": None, **more}


def course(settings: Settings, values: list[float]) -> tuple[int, int, str]:
    """(epochs run, best epoch, reason)."""
    rules = StopRules(settings)
    for epoch, value in enumerate(values, 1):
        rules.note(row(epoch, value))
        reason = rules.reason(row(epoch, value), None)
        if reason:
            return epoch, rules.best_epoch, reason.split(":")[0]
    return len(values), rules.best_epoch, ""


@pytest.mark.parametrize(
    ("patience", "tol", "values", "expected"),
    [
        # Ends when more than `patience` epochs in a row were no better.
        (1, 0.0, [5, 4, 6, 6, 0], (4, 2, "early stopping")),
        (2, 0.0, [5, 4, 6, 6, 6, 0], (5, 2, "early stopping")),
        (2, 0.0, [5, 4, 6, 6, 3, 6, 6], (7, 5, "")),
        # Gains below tol do not count as progress, yet the best of them is kept.
        (2, 0.5, [5, 4.9, 4.8, 4.7, 1], (4, 4, "early stopping")),
        (2, 0.05, [5, 4.9, 4.8, 4.7, 1], (5, 5, "")),
        # A gain of exactly tol counts; equality without tol does, too, but is no new best.
        (1, 0.5, [2, 1.5, 1.0, 0.5], (4, 4, "")),
        (1, 0.0, [2, 2, 2, 2], (4, 1, "")),
        (None, 0.0, [1, 2, 3, 4, 5, 6], (6, 1, "")),
    ],
)
def test_patience(
    patience: int | None, tol: float, values: list[float], expected: tuple[int, int, str]
) -> None:
    assert course(Settings(patience=patience, tol=tol), values) == expected


@pytest.mark.parametrize(
    ("monitor", "given", "expected"),
    [
        ("loss", {"valid_loss": 0.4, "valid_score": 0.9}, 0.4),
        ("score", {"valid_loss": 0.4, "valid_score": 0.9}, -0.9),
        ("loss", {"valid_loss": None, "valid_score": None}, 9.0),
        ("score", {"valid_loss": None, "valid_score": None}, 9.0),
    ],
)
def test_what_is_monitored(monitor: Any, given: dict[str, Any], expected: float) -> None:
    rules = StopRules(Settings(monitor=monitor))
    assert rules.monitored({"epoch": 1, "loss": 9.0, **given}) == expected


def test_of_equal_scores_the_lower_loss_is_better() -> None:
    rules = StopRules(Settings(monitor="score"))
    best = [rules.note(row(i, v, valid_score=0.5)) for i, v in enumerate((2.0, 1.5, 1.7), 1)]
    assert best == [True, True, False]
    resumed = StopRules(Settings(monitor="score"))
    resumed.restore(rules.to_values())
    assert not resumed.note(row(4, 1.6, valid_score=0.5))
    assert resumed.note(row(5, 1.4, valid_score=0.5))
    assert not resumed.note(row(6, 0.1, valid_score=0.4))
    assert resumed.best_epoch == 5


def test_a_higher_score_is_better() -> None:
    rules = StopRules(Settings(monitor="score"))
    scores = [0.5, 0.7, 0.6, 0.7, 0.8]
    best = [rules.note(row(i, 1.0, valid_score=s)) for i, s in enumerate(scores, 1)]
    assert best == [True, True, False, False, True]
    assert (rules.best, rules.best_epoch) == (-0.8, 5)


@pytest.mark.parametrize(
    ("settings", "epoch", "error_rate", "change", "reason"),
    [
        (Settings(epochs=3), 2, None, None, ""),
        (Settings(epochs=3), 3, None, None, "epoch limit: 3"),
        (Settings(error_rate=0.1), 1, 0.2, None, ""),
        (Settings(error_rate=0.1), 1, 0.1, None, "error rate reached: 0.1 <= 0.1"),
        (Settings(weight_tol=0.01), 1, None, 0.02, ""),
        (Settings(weight_tol=0.01), 1, None, 0.01, "weights hardly change: 0.01 <= 0.01"),
        (Settings(epochs=1, error_rate=0.1), 1, 0.0, None, "error rate reached: 0 <= 0.1"),
    ],
)
def test_limits(
    settings: Settings, epoch: int, error_rate: float | None, change: float | None, reason: str
) -> None:
    rules = StopRules(settings)
    assert rules.reason(row(epoch, 1.0, error_rate=error_rate), change) == reason


@pytest.mark.parametrize(
    ("valid", "monitor", "what"),
    [(1.0, "loss", "validation loss"), (1.0, "score", "validation score"), (None, "loss", "loss")],
)
def test_early_stopping_says_of_what(valid: float | None, monitor: Any, what: str) -> None:
    rules = StopRules(Settings(patience=1, monitor=monitor), waited=2)
    reason = rules.reason(row(5, 1.0) | {"valid_loss": valid}, None)
    assert reason == f"early stopping: no better {what} in 2 epochs"


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    rules = StopRules(Settings(patience=3, tol=0.0))
    nan = float("nan")
    best = [rules.note(row(i, value)) for i, value in enumerate([nan, 2.0, nan, 1.0, nan], 1)]
    assert best == [False, True, False, True, False]
    assert (rules.best, rules.best_epoch, rules.waited) == (1.0, 4, 1)


@pytest.mark.parametrize("at", range(7))
def test_counters_survive_a_checkpoint(at: int) -> None:
    settings = Settings(patience=2, tol=0.1)
    values = [5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 3.1, 2.0]
    whole = StopRules(settings)
    first = StopRules(settings)
    for epoch, value in enumerate(values[:at], 1):
        first.note(row(epoch, value))
    resumed = StopRules(settings)
    resumed.restore(first.to_values())
    for epoch, value in enumerate(values, 1):
        whole.note(row(epoch, value))
        if epoch > at:
            resumed.note(row(epoch, value))
    assert resumed == whole


@given(
    st.lists(st.integers(0, 6), max_size=12),
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_many_losses_at_once_are_noted_like_one_by_one(
    first: list[int], second: list[int], tol: float
) -> None:
    settings = Settings(tol=tol)
    one_by_one, at_once = StopRules(settings), StopRules(settings)
    for epoch, loss in enumerate([*first, *second], 1):
        one_by_one.note({"epoch": epoch, "loss": loss / 4, "valid_loss": None})
    at_once.note_losses(np.array(first) / 4, 1)
    at_once.note_losses(np.array(second) / 4, len(first) + 1)
    assert at_once.to_values() == one_by_one.to_values()
