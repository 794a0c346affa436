"""Checks of what a network can fit speak just beyond their limits and not within."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from diagnose.cases import LAYERS, E, assert_limit, limits, spoiled
from nnatomy.diagnose.checks.capacity import (
    GAPS,
    KNOWN_BY_HEART,
    MOSTLY_KNOWN,
    SHORT,
    WIDE,
    too_little_capacity,
)


def heart(task: str, gap: float, known: float = 0.999) -> dict[str, Any]:
    return {"facts": {"task": task, "train_score": 0.9, "valid_score": 0.9 - gap}, "end": 1 - known}


def by_heart(task: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    gap, known, mostly = GAPS[task], KNOWN_BY_HEART[task], MOSTLY_KNOWN[task]
    return [
        ("overfitting", heart(task, gap + E), heart(task, gap - E)),
        ("overfitting", heart(task, 1.5 * gap, known + E), heart(task, 1.5 * gap, known - E)),
        (
            "overfitting",
            heart(task, WIDE * gap + E, mostly + E),
            heart(task, WIDE * gap - E, mostly),
        ),
        ("overfitting", heart(task, WIDE * gap + E, mostly + E), heart(task, 1.0, mostly - E)),
    ]


def short(by: float, units: int = 4, **structure: Any) -> dict[str, Any]:
    layers = (LAYERS[0], replace(LAYERS[1], units=units), LAYERS[2])
    facts = {"train_score": 0.8, "reference_score": 0.8 + by}
    return {"facts": facts, "layers": layers, "structure": structure, "end": 0.5}


def held(
    *, dropout: float = 0.0, end: float = 0.5, by: float = -0.5, **penalties: float
) -> dict[str, Any]:
    facts = {"train_score": 0.8, "reference_score": 0.8 + by}
    structure = {"dropout": [0.1, dropout]}
    return {"facts": facts, "structure": structure, "settings": penalties, "end": end}


def collapsed(share: float = 0.96, recall: float = 0.4, classes: int = 3) -> dict[str, Any]:
    return {"facts": {"predicted_share": share, "balanced": recall, "classes": classes}}


@limits(
    *by_heart("classification"),
    *by_heart("regression"),
    ("too_little_capacity", short(SHORT + E), short(SHORT - E)),
    ("too_little_capacity", short(0.2), short(0.2, units=5)),
    ("over_regularized", held(dropout=0.6), held(dropout=0.6 - E)),
    ("over_regularized", held(l2=0.64), held(l2=0.64 - E)),
    ("over_regularized", held(l1=0.64), held(l1=0.64 - E)),
    ("over_regularized", held(weight_decay=0.02), held(weight_decay=0.02 - E)),
    ("over_regularized", held(dropout=0.6, end=0.3 + E), held(dropout=0.6, end=0.3 - E)),
    (
        "over_regularized",
        held(dropout=0.6, end=0.1, by=0.03 + E),
        held(dropout=0.6, end=0.1, by=0.03 - E),
    ),
    ("majority_collapse", collapsed(0.9 + E), collapsed(0.9 - E)),
    ("majority_collapse", collapsed(), collapsed(recall=1 / 3 + 0.15 + E)),
    ("majority_collapse", collapsed(1.0, recall=0.5, classes=2), collapsed(1.0, 1.0, classes=1)),
)
def test_limits(check: str, beyond: Any, within: Any) -> None:
    assert_limit(check, beyond, within)


def test_what_is_held_back_is_not_too_small() -> None:
    assert too_little_capacity(spoiled(**short(0.2))) is not None
    assert too_little_capacity(spoiled(**short(0.2, dropout=[0.6]))) is None
    assert too_little_capacity(spoiled(**{**short(0.2), "layers": LAYERS[:1]})) is None


@pytest.mark.parametrize("epochs", [4, 5])
def test_a_few_epochs_do_not_overfit(epochs: int) -> None:
    from nnatomy.diagnose.checks.capacity import overfitting

    case = spoiled(**heart("classification", 0.5))
    found = overfitting(replace(case, history=case.history[-epochs:]))
    assert (found is not None) == (epochs == 5)
