"""Findings on tables, each on data made to have the fault and on data without it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from nnatomy.data.prepared import Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.data.table import prepare_table

N = 200


def healthy() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(N, 2)), columns=["a", "b"])
    frame["color"] = rng.choice(["red", "green"], N)
    noisy = frame["a"] + rng.normal(size=N)
    frame["y"] = np.where(noisy > 0, "yes", "no")
    return frame


def found(prepared: Prepared) -> dict[str, str]:
    return {f.code: f.where for f in prepared.report.findings}


def test_healthy_data_have_no_findings() -> None:
    assert found(prepare_table(healthy(), target="y")) == {}


def spoiled(frame: pd.DataFrame, fault: str) -> object:
    """Values of one more column that has the fault."""
    rng = np.random.default_rng(6)
    normal, half = rng.normal(size=N), rng.random(N) < 0.5
    values = {
        "constant-column": 1.0,
        "id-column": np.arange(N) + 1000,
        "text-column": [f"words {i % 150}" for i in range(N)],
        "missing-values": np.where(half, np.nan, normal),
        "infinite": np.where(half, np.inf, normal),
        "huge-values": normal * 1e16,
        "duplicate-columns": frame["b"] + 0.0,
        "leaking-column": rng.integers(0, 3, N) + 3 * (frame["y"] == "yes"),
        "shared-groups": rng.integers(0, 40, N),
        "numbers-as-text": rng.choice(["1", "2", "3"], N),
    }
    return values[fault]


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("constant-column", "new"),
        ("id-column", "new"),
        ("text-column", "new"),
        ("missing-values", "new"),
        ("infinite", "new"),
        ("huge-values", "new"),
        ("duplicate-columns", "new"),
        ("leaking-column", "new"),
        ("shared-groups", "patient_id"),
        ("numbers-as-text", "new"),
    ],
)
def test_a_fault_is_found_where_it_is(fault: str, where: str) -> None:
    frame = healthy()
    frame[where] = spoiled(frame, fault)
    findings = found(prepare_table(frame, target="y"))
    assert findings[fault] == where
    assert set(findings) <= {fault, "missing-values" if fault == "infinite" else fault}


def test_a_leak_into_a_regression() -> None:
    frame = healthy()
    frame["y"] = np.random.default_rng(0).normal(size=N)
    assert found(prepare_table(frame, target="y")) == {}
    frame["euros"] = -3.0 * frame["y"] + 7 + 1e-3 * frame["a"]
    assert found(prepare_table(frame, target="y")) == {"leaking-column": "euros"}


def test_twins_across_splits_are_counted() -> None:
    frame = pd.concat([healthy()] * 2, ignore_index=True)
    frame["id"] = np.arange(len(frame))  # not a feature: twins may differ in it
    prepared = prepare_table(frame, target="y")
    train = {tuple(row) for row in prepared.train.inputs.tolist()}  # type: ignore[attr-defined]
    counts = [
        sum(tuple(row) in train for row in samples.inputs.tolist())  # type: ignore[attr-defined]
        for samples in (prepared.valid, prepared.test)
    ]
    [twins] = [f for f in prepared.report.findings if f.code == "duplicates-across-splits"]
    assert f"{counts[0]} validation and {counts[1]} test records" in twins.message
    assert min(counts) > 0


def test_a_named_group_silences_shared_groups() -> None:
    frame = healthy()
    frame["patient_id"] = np.arange(N) // 5 * 3
    prepared = prepare_table(frame, target="y", plan=SplitPlan(group="patient_id"))
    assert found(prepared) == {}
    rows = [int(prepared.show(i)["name"].split()[1]) for i in range(len(prepared.test))]
    inside = set(frame["patient_id"][rows])
    assert inside.isdisjoint(set(frame["patient_id"].drop(rows)))


def test_unbalanced_and_tiny_classes() -> None:
    frame = healthy()
    frame["y"] = ["rare"] + ["few"] * 9 + ["many"] * (N - 10)
    findings = found(prepare_table(frame, target="y"))
    assert findings == {"class-imbalance": "y", "tiny-classes": "y"}


def test_a_class_that_is_only_held_out_is_told() -> None:
    frame = healthy()
    frame["when"] = np.arange(N)
    frame.loc[N - 20 :, "y"] = "newest"
    findings = found(prepare_table(frame, target="y", plan=SplitPlan(time="when")))
    assert findings == {"class-not-in-train": "y"}


def test_one_is_told_in_the_singular() -> None:
    frame = healthy()
    frame.loc[3, "a"] = np.inf
    frame.loc[7, "b"] = 1e16
    messages = " ".join(f.message for f in prepare_table(frame, target="y").report.findings)
    assert "1 infinite cell of 'a'" in messages
    assert "1 value of 'b' beyond" in messages
    assert not re.search(r"\b1 \w+s\b", messages)
