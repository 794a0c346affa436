"""Causes come before what they bring about, and a healthy run has no findings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from diagnose.cases import LAYERS, spoiled
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.diagnosis import EXPLAINS, findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.remedies import REMEDIES

ILL: dict[str, dict[str, Any]] = {
    "non_finite": {"failure": "it began in layer 'mid'"},
    "inputs_not_scaled": {"facts": {"input_rms": 100.0}},
    "targets_not_scaled": {
        "facts": {"task": "regression", "objective": "squared", "target_std": 90.0}
    },
    "wrong_output": {"structure": {"mismatch": "shapes differ"}},
    "leakage": {"facts": {"single_score": 1.0}},
    "unshuffled": {"settings": {"shuffle": False}, "facts": {"sorted": 1.0}},
    "symmetric_start": {"rows": {"spread": [0.0, 0.0, 1.0]}},
    "frozen_parameters": {"structure": {"frozen": ["in.weight"]}},
    "batch_norm_tiny_batch": {"settings": {"batch_size": 2}, "structure": {"batch_norms": 1}},
    "over_regularized": {"structure": {"dropout": [0.9]}, "end": 0.6},
    "vanishing_gradients": {"rows": {"gradient": [1e-6, 1.0, 1.0]}},
    "exploding_gradients": {"rows": {"fed_std": [1.0, 50.0, 50.0]}},
    "batch_too_small": {"settings": {"batch_size": 1}},
    "dead_relus": {"rows": {"fed_dead": [0.0, 0.9, 0.9]}},
    "saturated_units": {"rows": {"fed_saturated": [0.0, 0.9, 0.9]}},
    "learning_rate_too_high": {"rows": {"update": [1.0, 1.0, 1.0]}},
    "learning_rate_too_low": {"rows": {"update": [1e-6, 1e-6, 1e-6]}, "end": 0.9},
    "batch_too_large": {"settings": {"batch_size": 320, "steps": 40}, "end": 0.9},
    "label_noise": {"facts": {"confidence_auc": 0.5, "neighbor_score": 0.6}},
    "too_little_capacity": {"facts": {"train_score": 0.5}},
    "overfitting": {"facts": {"valid_score": 0.5}, "end": 0.001},
    "majority_collapse": {"facts": {"predicted_share": 1.0, "balanced": 0.34}},
}


def ill(*checks: str) -> Any:
    """A case that has these illnesses, later ones on top of earlier ones."""
    changes: dict[str, Any] = {}
    for check in checks:
        for name, value in ILL[check].items():
            old = changes.get(name, {})
            changes[name] = {**old, **value} if isinstance(value, Mapping) else value
    case = spoiled(**changes)
    layers = list(case.layers)
    for i, layer in enumerate(layers):
        fed_by = "" if "saturated_units" in checks and i else layer.fed_by
        units = 2 if "too_little_capacity" in checks else layer.units
        layers[i] = type(layer)(**{**vars(layer), "fed_by": fed_by, "units": units})
    return type(case)(**{**vars(case), "layers": tuple(layers)})


def test_a_healthy_run_has_no_findings() -> None:
    assert findings_of(spoiled()) == []


def test_the_tables_speak_of_the_same_checks() -> None:
    assert set(EXPLAINS) == set(CHECKS) == set(REMEDIES) == set(ILL)
    assert set().union(*EXPLAINS.values()) <= set(CHECKS)


@pytest.mark.parametrize("check", ILL)
def test_each_illness_is_found_alone(check: str) -> None:
    first, *others = findings_of(ill(check))
    assert first.check == first.cause == check, [str(f) for f in (first, *others)]
    assert all(f.cause == check for f in others)
    assert str(first) == f"{check}: {first.symptom} {first.remedy}"


@pytest.mark.parametrize("pair", [*combinations(ILL, 2)], ids="-".join)
def test_causes_come_first(pair: tuple[str, str]) -> None:
    findings = findings_of(ill(*pair))
    names = [f.check for f in findings]
    assert len(names) == len(set(names))
    for number, finding in enumerate(findings):
        before = names[:number]
        explaining = [name for name in before if finding.check in EXPLAINS[name]]
        assert finding.cause == (explaining[0] if explaining else finding.check)
    order = [*CHECKS]
    moved = {"non_finite", "dead_relus", "saturated_units"}
    fixed = [name for name in names if name not in moved]
    assert fixed == sorted(fixed, key=order.index)


def finding(check: str, **changes: Any) -> Finding:
    found = CHECKS[check].find(spoiled(**changes))
    assert found is not None
    return found


NARROW = [replace(layer, units=2) for layer in LAYERS]


def test_what_is_gone_is_never_less_than_nothing() -> None:
    worse = ill("learning_rate_too_low", "batch_too_large", "over_regularized")
    worse = replace(worse, history=[{**row, "loss": 30.0} for row in worse.history])
    texts = [str(f) for f in findings_of(worse)]
    assert len(texts) >= 3
    assert not any(re.search(r"-\d+%", text) for text in texts)
    unknown = {"chance_loss": None}
    large = {"batch_size": 320, "steps": 40}
    assert finding("batch_too_large", settings=large, facts=unknown).symptom.endswith("40 updates.")
    one = {"batch_size": 320, "steps": 1}
    symptom = finding("batch_too_large", settings=one, facts=unknown).symptom
    assert symptom.endswith("there was 1 update.")
    held = finding(
        "over_regularized",
        structure={"dropout": [0.9]},
        facts={**unknown, "reference_score": 0.99},
    )
    assert "nan" not in held.symptom
    assert "score 0.95" in held.symptom


def test_too_little_capacity_says_what_it_saw() -> None:
    by_score = finding("too_little_capacity", layers=NARROW, facts={"train_score": 0.5})
    assert "neighbors or trees reach 0.93" in by_score.symptom
    by_loss = finding("too_little_capacity", layers=NARROW, end=0.6)
    assert "40% of the guessing loss is gone" in by_loss.symptom
    assert "neighbors" not in by_loss.symptom
    assert [e.limit for e in by_loss.evidence] == ["< 0.7", "<= 2"]
    heads = {"structure": {"heads": ["in", "mid"]}}
    case = spoiled(layers=NARROW, facts={"train_score": 0.5}, **heads)
    assert CHECKS["too_little_capacity"].find(case) is None


@pytest.mark.parametrize(("batch", "words"), [(320, "16 to 128"), (64, "16 to 32"), (16, "epochs")])
def test_smaller_batches_are_smaller(batch: int, words: str) -> None:
    large = {"batch_size": batch, "steps": 40}
    found = finding("batch_too_large", settings=large, facts={"records": 2 * batch}, end=0.9)
    assert words in found.remedy
    assert (batch == 16) == ("mini" not in found.remedy)


def test_how_far_other_rules_may_step_is_not_known() -> None:
    jump = {"rows": {"update": [8.0, 8.0, 8.0]}}
    assert finding("learning_rate_too_high", **jump, settings={"optimizer": "sgd"})
    case = spoiled(**jump, settings={"optimizer": "lbfgs"})
    assert CHECKS["learning_rate_too_high"].find(case) is None


def test_a_cause_is_named() -> None:
    findings = findings_of(ill("learning_rate_too_high", "majority_collapse"))
    assert [(f.check, f.cause) for f in findings] == [
        ("learning_rate_too_high", "learning_rate_too_high"),
        ("majority_collapse", "learning_rate_too_high"),
    ]
    assert str(findings[1]).startswith("majority_collapse (behind it: learning_rate_too_high): ")


def test_units_that_die_on_the_way_are_killed_by_the_learning_rate() -> None:
    dead = {"fed_dead": [0.0, 0.9, 0.9], "update": [1.0, 1.0, 1.0]}
    early = [f.check for f in findings_of(spoiled(rows=dead))]
    late = findings_of(spoiled(rows=dead, first={"fed_dead": [0.0, 0.4, 0.1]}))
    assert early == ["dead_relus", "learning_rate_too_high"]
    assert [f.check for f in late] == ["learning_rate_too_high", "dead_relus"]
    assert late[1].cause == "learning_rate_too_high"


def test_a_nan_comes_first_only_where_it_was_in_the_records() -> None:
    burst = findings_of(ill("non_finite", "learning_rate_too_high"))
    assert [f.check for f in burst] == ["learning_rate_too_high", "non_finite"]
    assert burst[1].cause == "learning_rate_too_high"
    spoilt = {"facts": {"not_finite": 3}, "rows": {"update": [1.0, 1.0, 1.0]}}
    assert [f.check for f in findings_of(spoiled(**spoilt))] == [
        "non_finite",
        "learning_rate_too_high",
    ]


def test_of_several_causes_the_first_is_named() -> None:
    findings = findings_of(ill("inputs_not_scaled", "learning_rate_too_high", "majority_collapse"))
    assert [(f.check, f.cause) for f in findings] == [
        ("inputs_not_scaled", "inputs_not_scaled"),
        ("learning_rate_too_high", "inputs_not_scaled"),
        ("majority_collapse", "inputs_not_scaled"),
    ]
