from __future__ import annotations

import copy

import pytest

from nnatomy.report.caveats import class_counts, find_caveats


def codes(facts):
    return {caveat.code for caveat in find_caveats(facts)}


@pytest.fixture
def facts(digits):
    """A run of which only its single seed and its validation choice are to be doubted."""
    facts = copy.deepcopy(digits[0])
    facts["data_report"] |= {"findings": [], "rejected": []}
    for entry in facts["result"]["baseline"].values():
        for metric in entry.values():
            metric |= {"value": 0.5, "low": 0.45, "high": 0.55}
    return facts


def test_a_sound_run_is_doubted_for_its_one_seed_and_its_choice_only(facts):
    assert codes(facts) == {"one-seed", "chosen-on-validation"}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("small-test-set", lambda f: f["result"]["splits"].update(test=99)),
        ("imbalance", lambda f: f["data_report"]["target"].update(classes={"a": 30, "b": 10})),
        (
            "duplicates-across-splits",
            lambda f: f["data_report"]["findings"].append(
                {"code": "duplicates-across-splits", "message": "3 twins"}
            ),
        ),
        (
            "rejected-records",
            lambda f: f["data_report"]["rejected"].append({"file": "a", "line": 1, "reason": "b"}),
        ),
        ("small-classes", lambda f: f["result"]["evaluation"]["per_class"][0].update(n=9)),
        ("no-baseline", lambda f: f["result"].update(baseline={})),
        ("still-improving", lambda f: f["result"].update(best_epoch=30)),
        ("no-finite-loss", lambda f: f["metrics"][2].update(loss="nan")),
        (
            "overlapping-baseline",
            lambda f: f["result"]["baseline"]["boosting"]["accuracy"].update(
                value=0.93, low=0.9, high=0.96
            ),
        ),
        (
            "behind-baseline",
            lambda f: f["result"]["baseline"]["logistic"]["accuracy"].update(value=0.999),
        ),
    ],
)
def test_each_rule_speaks_when_its_reason_is_there(facts, code, change):
    change(facts)
    assert codes(facts) == {"one-seed", "chosen-on-validation", code}


def test_rules_are_silent_at_their_bounds(facts):
    facts["result"]["splits"]["test"] = 100
    facts["data_report"]["target"]["classes"] = {"a": 29, "b": 10}
    facts["result"]["evaluation"]["per_class"][0]["n"] = 10
    facts["result"]["best_epoch"] = 29
    assert codes(facts) == {"one-seed", "chosen-on-validation"}


def test_an_error_is_better_when_it_is_lower(houses):
    facts = copy.deepcopy(houses[0])
    facts["result"] |= {"primary": "mae"}
    ours = facts["result"]["metrics"]["mae"]["value"]
    facts["result"]["baseline"] = {"ridge": {"mae": {"value": ours * 0.9}}}
    assert "behind-baseline" in codes(facts)
    facts["result"]["baseline"] = {"ridge": {"mae": {"value": ours * 1.1}}}
    assert "behind-baseline" not in codes(facts)


def test_caveats_of_no_facts_at_all():
    assert codes({}) == {"one-seed", "no-baseline"}


def test_class_counts_fall_back_to_the_test_set(facts):
    del facts["data_report"]["target"]
    assert class_counts(facts) == {str(digit): 36 for digit in range(10)}


def test_a_verdict_is_not_taken_back(facts):
    """Where the paired difference decided, overlapping intervals take nothing back."""
    facts["result"]["baseline"]["boosting"]["accuracy"].update(value=0.93, low=0.9, high=0.96)
    assert "overlapping-baseline" in codes(facts)
    facts["result"]["verdict"]["outcome"] = "wins"
    assert "overlapping-baseline" not in codes(facts)
