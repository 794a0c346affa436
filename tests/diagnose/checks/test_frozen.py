"""The check of frozen parameters, on records of runs and of loops."""

from __future__ import annotations

from typing import Any

import pytest

from diagnose.cases import spoiled
from nnatomy.diagnose.checks.frozen import REASONS, frozen_parameters
from nnatomy.diagnose.diagnosis import findings_of

WEAK = {"gradient": [0.0, 1.0, 1.0], "update": [0.1, 0.1, 0.1]}


def loop(**untrained: str) -> Any:
    names = {name.replace("_", "."): reason for name, reason in untrained.items()}
    return spoiled(structure={"untrained": names, "frozen": [*names]})


def test_of_a_run_what_weight_decay_alone_moves_is_found() -> None:
    finding = frozen_parameters(spoiled(rows=WEAK))
    assert finding is not None
    assert finding.severity == "warning"
    assert "in get no gradient" in finding.symptom
    uncalled = frozen_parameters(spoiled(rows={**WEAK, "fed_mean": [None, 0.0, 0.0]}))
    assert uncalled is not None
    assert "in belong to layers that are never called" in uncalled.symptom
    called = frozen_parameters(spoiled(rows={**WEAK, "fed_mean": [0.0, 0.0, 0.0]}))
    assert called is not None
    assert "in get no gradient" in called.symptom


def test_of_a_run_frozen_parameters_are_a_warning() -> None:
    finding = frozen_parameters(spoiled(structure={"frozen": ["in.weight"]}, rows=WEAK))
    assert finding is not None
    assert finding.severity == "warning"
    assert len(finding.evidence) == 1, "the layer is named once"
    assert frozen_parameters(spoiled(structure={"frozen": None}, rows=WEAK)) is None


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_of_a_loop_is_said_with_its_remedy(reason: str) -> None:
    finding = frozen_parameters(loop(mid_weight=reason))
    assert finding is not None
    assert finding.severity == ("note" if reason == "requires_grad" else "warning")
    assert REASONS[reason][0] in finding.symptom
    assert finding.remedy == REASONS[reason][1]
    both = frozen_parameters(loop(mid_weight=reason, in_bias="requires_grad"))
    assert both is not None
    assert both.severity == finding.severity


def test_a_loop_in_which_all_is_trained() -> None:
    assert frozen_parameters(loop()) is None
    assert frozen_parameters(spoiled(structure={"untrained": {}}, rows=WEAK)) is None


def test_a_note_comes_last_and_explains_nothing() -> None:
    case = loop(in_weight="requires_grad")
    case.facts["predicted_share"], case.facts["balanced"] = 1.0, 0.34
    findings = findings_of(case)
    assert [f.check for f in findings] == ["majority_collapse", "frozen_parameters"]
    assert [f.cause for f in findings] == ["majority_collapse", "frozen_parameters"]
    case.structure["untrained"]["in.weight"] = "optimizer"
    findings = findings_of(case)
    assert [f.check for f in findings] == ["frozen_parameters", "majority_collapse"]
    assert findings[1].cause == "frozen_parameters"


def test_what_a_run_was_told_to_freeze_is_no_illness() -> None:
    frozen = {"structure": {"frozen": ["in.weight"]}, "rows": WEAK}
    assert frozen_parameters(spoiled(**frozen, settings={"freeze": ["in"]})) is None
    other = frozen_parameters(spoiled(**frozen, settings={"freeze": ["mid"]}))
    assert other is not None
    assert "in.weight" in other.symptom
