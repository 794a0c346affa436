"""Checks of units and layers speak just beyond their limits and not within."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diagnose.cases import LAYERS, E, assert_limit, limits, spoiled
from nnatomy.diagnose.checks.units import ALIKE, DEAD, SATURATED, dead_relus, symmetric_start

TANH = (LAYERS[0], replace(LAYERS[1], fed_by="tanh"), LAYERS[2])


def rows(**values: Any) -> dict[str, Any]:
    return {"rows": values}


@limits(
    ("dead_relus", rows(fed_dead=[0, DEAD, 0]), rows(fed_dead=[1, DEAD - E, 0])),
    (
        "saturated_units",
        {**rows(fed_saturated=[0, SATURATED, 0]), "layers": TANH},
        {**rows(fed_saturated=[1, SATURATED - E, 1]), "layers": TANH},
    ),
    (
        "symmetric_start",
        {"first": {"spread": [1, ALIKE, 1]}},
        {"first": {"spread": [1, 1.01 * ALIKE, 0]}},
    ),
    ("frozen_parameters", {"structure": {"frozen": ["in.bias"]}}, {}),
    (
        "frozen_parameters",
        rows(gradient=[0, 1, 1], update=[0, 1, 1]),
        rows(gradient=[1e-30, 1, 1], update=[0, 1, 1]),
    ),
    (
        "frozen_parameters",
        rows(gradient=[0, 0, 1], update=[0, 0, 1]),
        rows(gradient=[0, 0, 0], update=[0, 0, 0]),
    ),
)
def test_limits(check: str, beyond: Any, within: Any) -> None:
    assert_limit(check, beyond, within)


def test_dead_at_first_only_is_not_dead() -> None:
    assert dead_relus(spoiled(first={"fed_dead": [0, 1, 1]})) is None
    finding = dead_relus(spoiled(rows={"fed_dead": [0, 0.6, 0.95]}))
    assert finding is not None
    assert finding.severity == "critical"
    assert "95% of the units that feed 'out'" in finding.symptom


def test_alike_later_is_not_alike_at_the_start() -> None:
    assert symmetric_start(spoiled(rows={"spread": [0, 0, 0]}, first={"spread": [1, 1, 1]})) is None
