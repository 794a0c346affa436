"""Checks of learning rate and batch size speak just beyond their limits and not within."""

from __future__ import annotations

from typing import Any

import pytest

from diagnose.cases import E, assert_limit, limits, spoiled
from nnatomy.diagnose.checks.steps import (
    ADAPTIVE,
    ENOUGH_UPDATES,
    FEW_UPDATES,
    FIRST_UPDATE,
    HALF,
    LARGE_UPDATE,
    SMALL_UPDATE,
    learning_rate_too_high,
)
from nnatomy.training.optimizers import OPTIMIZERS


def first(ratio: float, optimizer: str = "adam") -> dict[str, Any]:
    """The largest update of the first step, as a share of the weights: that of the middle layer."""
    updates = {"update": [0.01, 4 * ratio, 0.01]}
    return {"first": updates, "settings": {"optimizer": optimizer}}


def every(ratio: float, **changes: Any) -> dict[str, Any]:
    return {"rows": {"update": [0.0, 4 * ratio, 0.0]}, **changes}


def slow(ratio: float = SMALL_UPDATE - E, steps: int = ENOUGH_UPDATES + 1, end: float = 0.5) -> Any:
    return every(ratio, settings={"steps": steps}, end=end)


def large(batch: int = 160, steps: int = FEW_UPDATES, end: float = 0.5) -> dict[str, Any]:
    return {"settings": {"batch_size": batch, "steps": steps}, "end": end}


def small(batch: int = 2, end: float = 0.03, records: int = 640, **structure: Any) -> Any:
    settings, facts = {"batch_size": batch}, {"records": records}
    return {"settings": settings, "end": end, "facts": facts, "structure": structure}


@limits(
    (
        "learning_rate_too_high",
        first(FIRST_UPDATE["adaptive"] + E),
        first(FIRST_UPDATE["adaptive"] - E),
    ),
    (
        "learning_rate_too_high",
        first(FIRST_UPDATE["plain"] + E, "sgd"),
        first(FIRST_UPDATE["plain"] - E, "sgd"),
    ),
    (
        "learning_rate_too_high",
        every(LARGE_UPDATE + E, settings={"optimizer": "sgd"}),
        every(LARGE_UPDATE - E, settings={"optimizer": "sgd"}),
    ),
    ("learning_rate_too_high", {"end": 1.5 + E}, {"end": 1.5 - E}),
    ("learning_rate_too_low", slow(), slow(SMALL_UPDATE + E)),
    ("learning_rate_too_low", slow(), slow(0.0)),
    ("learning_rate_too_low", slow(), slow(steps=ENOUGH_UPDATES)),
    ("learning_rate_too_low", slow(end=0.1 + E), slow(end=0.1 - E)),
    ("batch_too_large", large(), large(batch=159)),
    ("batch_too_large", large(), large(steps=FEW_UPDATES + 1)),
    ("batch_too_large", large(end=0.1 + E), large(end=0.1 - E)),
    ("batch_too_small", small(), small(batch=3)),
    ("batch_too_small", small(end=0.03 + E), small(end=0.03 - E)),
    ("batch_too_small", small(records=17), small(records=16)),
    ("batch_too_small", small(), small(batch_norms=1)),
    ("batch_norm_tiny_batch", small(3, batch_norms=1), small(4, batch_norms=1)),
    ("batch_norm_tiny_batch", small(3, batch_norms=1), small(3)),
)
def test_limits(check: str, beyond: Any, within: Any) -> None:
    assert_limit(check, beyond, within)


def test_a_loss_that_was_high_from_the_start_did_not_rise() -> None:
    assert learning_rate_too_high(spoiled(end=2.0)) is not None
    assert learning_rate_too_high(spoiled(end=2.0, first={"loss": 2.5})) is None


@pytest.mark.parametrize(
    ("case", "severity"),
    [
        (every(0.5), "warning"),
        (every(0.5, end=HALF - E), "warning"),
        (every(0.5, end=HALF + E), "critical"),
        (every(0.5, facts={"chance_loss": None}), "warning"),
        (every(0.5, facts={"chance_loss": None}, end=1.0 + E), "critical"),
        (every(0.5, facts={"chance_loss": None}, end=1.0), "warning"),
        (every(0.5, end=0.9, first={"loss": 1e9}, facts={"chance_loss": 1e9}), "warning"),
        (every(0.5, failure="it began in layer 'mid'"), "critical"),
        ({"end": 1.6}, "critical"),
    ],
)
def test_it_is_critical_where_the_loss_shows_it(case: dict[str, Any], severity: str) -> None:
    finding = learning_rate_too_high(spoiled(**case))
    assert finding is not None
    assert finding.severity == severity


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_update_rule_is_adaptive_or_plain(optimizer: str) -> None:
    adaptive = optimizer in {"adagrad", "adadelta", "rmsprop", "adam"}
    assert (optimizer in ADAPTIVE) == adaptive
