"""The record of a healthy run, made by hand, and what spoils it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nnatomy.diagnose.case import Case, Layer
from nnatomy.diagnose.checks.catalog import CHECKS

E = 1e-6
"""How far beyond its limit a value lies, or within."""
LAYERS = (
    Layer("in", "Linear", "input", 16, 96, False, 6),
    Layer("mid", "Linear", "relu", 16, 256, False, 16),
    Layer("out", "Linear", "relu", 3, 48, False, 16),
)
STRUCTURE = {"dropout": [], "batch_norms": 0, "last": "Linear", "frozen": [], "parameters": 400}
SETTINGS = {
    "optimizer": "adam",
    "lr": 0.01,
    "batch_size": 32,
    "epochs": 20,
    "steps": 400,
    "shuffle": True,
    "l1": 0.0,
    "l2": 0.0,
}
FACTS = {
    "task": "classification",
    "objective": "cross_entropy",
    "records": 640,
    "inputs": 4,
    "chance_score": 0.4,
    "input_rms": 1.0,
    "scale_ratio": 1.0,
    "offset": 0.1,
    "classes": 3,
    "majority": 0.4,
    "chance_loss": 1.0,
    "train_score": 0.95,
    "valid_score": 0.94,
    "balanced": 0.95,
    "predicted_share": 0.4,
    "confidence_auc": 0.9,
    "errors": 20,
    "neighbor_score": 0.9,
    "reference_score": 0.93,
    "single_score": 0.7,
    "single_column": 2,
    "second_score": 0.69,
    "sorted": 0.0,
}
ROW = {
    "gradient": [1.0, 1.0, 1.0],
    "weight": [4.0, 4.0, 2.0],
    "update": [0.04, 0.04, 0.02],
    "spread": [1.0, 1.0, 1.0],
    "cosine": 0.1,
    "fed_std": [1.0, 1.0, 1.0],
    "fed_dead": [0.0, 0.05, 0.05],
    "fed_saturated": [0.0, 0.0, 0.0],
    "batch": 32,
    "out_low": -3.0,
    "out_high": 3.0,
    "out_sum": 2.0,
    "out_zeros": 0.0,
    "out_std": 1.0,
    "target_share": 0.4,
}


def spoiled(
    *,
    facts: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    structure: Mapping[str, Any] | None = None,
    rows: Mapping[str, Any] | None = None,
    first: Mapping[str, Any] | None = None,
    end: float = 0.08,
    layers: Sequence[Layer] = LAYERS,
    failure: str = "",
) -> Case:
    """The healthy case with some values changed.

    Args:
        facts: Changed.
        settings: Changed.
        structure: Changed.
        rows: Changed in every row.
        first: Changed in the first row only.
        end: Loss of the last epochs.
        layers: Of the network.
        failure: Why it broke off.
    """
    made: list[dict[str, Any]] = [
        {"step": 1 + 80 * k, "loss": 1.0 - 0.15 * k, **ROW, **(rows or {})} for k in range(6)
    ]
    made[0] |= first or {}
    losses = [1.0, 0.8, 0.6, 0.4, 0.3, *[end] * 5]
    history = [{"epoch": k + 1, "loss": y, "valid_loss": y + 0.05} for k, y in enumerate(losses)]
    return Case(
        layers,
        {**STRUCTURE, **(structure or {})},
        {**SETTINGS, **(settings or {})},
        {**FACTS, **(facts or {})},
        made,
        history,
        failure,
    )


def assert_limit(check: str, beyond: Mapping[str, Any], within: Mapping[str, Any]) -> None:
    """The check speaks just beyond its limit and is silent just within."""
    finding = CHECKS[check].find(spoiled(**beyond))
    assert finding is not None, "nothing found beyond the limit"
    assert finding.check == check
    assert finding.lecture == CHECKS[check].lecture
    assert finding.evidence
    assert finding.symptom
    assert finding.remedy
    assert CHECKS[check].find(spoiled(**within)) is None, "found within the limit"


def limits(*table: tuple[str, Mapping[str, Any], Mapping[str, Any]]) -> pytest.MarkDecorator:
    """Parametrize a test by (check, beyond, within)."""
    names = [f"{check}-{number}" for number, (check, _, _) in enumerate(table)]
    return pytest.mark.parametrize(("check", "beyond", "within"), table, ids=names)
