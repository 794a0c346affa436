"""Answers of a table: what is read, what is rejected, what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnatomy.data.table import prepare_table
from nnatomy.errors import DataError


def table(path: Path, answers: Sequence[str], mark: str = ",") -> Path:
    rows = [f'{math.sin(i):.4f}{mark}"{answer}"' for i, answer in enumerate(answers)]
    path.write_text("\n".join([f"a{mark}y", *rows]), encoding="utf-8")
    return path


def codes(prepared: object) -> list[str]:
    return [finding.code for finding in prepared.report.findings]  # type: ignore[attr-defined]


def test_american_thousands_are_thousands(tmp_path: Path) -> None:
    numbers = [916 + 131 * i for i in range(40)]
    prepared = prepare_table(table(tmp_path / "t.csv", [f"{n:,}" for n in numbers]))
    assert prepared.task.kind == "regression"
    assert prepared.report.target["values"]["mean"] == pytest.approx(np.mean(numbers))
    assert "thousands-commas" in codes(prepared)
    again = prepared.codec.encode(tmp_path / "t.csv")
    assert again.truth == numbers


@pytest.mark.parametrize("task", [None, "regression"])
def test_numbers_of_two_readings_are_refused(tmp_path: Path, task: str | None) -> None:
    path = table(tmp_path / "t.csv", [f"{1011 + 131 * i:,}" for i in range(40)])
    with pytest.raises(DataError, match=r"line 2: target 'y' is '1,011', .* 1011 or 1\.011"):
        prepare_table(path, task=task)


def test_points_in_a_file_of_decimal_commas(tmp_path: Path) -> None:
    lines = [f"{i / 7:.2f};{1 + i}.{100 + i}".replace(".", ",", 1) for i in range(40)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a;y", *lines]))
    with pytest.raises(DataError, match=r"may be 1100 or 1\.100"):
        prepare_table(path)
    frame = ["a;b;y"] + [f"{line};{'pq'[i % 2]}" for i, line in enumerate(lines)]
    path.write_text("\n".join(frame))
    prepared = prepare_table(path)
    found = {f.where: f.code for f in prepared.report.findings if "numbers" in f.code}
    assert found == {"b": "ambiguous-numbers"}


def test_a_slip_among_many_amounts_is_rejected_with_its_line(tmp_path: Path) -> None:
    answers = [f"{i / 7:.3f}" for i in range(200)]
    answers[4] = "12..5"
    for task in (None, "regression"):
        prepared = prepare_table(table(tmp_path / "t.csv", answers), task=task)
        assert prepared.task.kind == "regression"
        assert [(r.line, r.reason) for r in prepared.report.rejected] == [
            (6, "'12..5' in 'y' is no number")
        ]
        assert "odd-answers" in codes(prepared)


def test_a_slip_among_few_amounts_stops_with_its_line(tmp_path: Path) -> None:
    answers = [str(30 + i % 42) for i in range(84)]
    answers[7] = "3o"
    with pytest.raises(DataError, match=r"line 9: target 'y' is '3o', .* in 1 record of 84"):
        prepare_table(table(tmp_path / "t.csv", answers))
    frame = pd.DataFrame({"a": np.sin(np.arange(84)), "y": answers})
    with pytest.raises(DataError, match="row 7: target 'y' is '3o'"):
        prepare_table(frame)
    chosen = prepare_table(tmp_path / "t.csv", task="classification")
    assert len(chosen.task.classes) == 43


def test_prices_with_their_currency_are_amounts(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", [f"${3.5 * i + 1:.2f}" for i in range(40)])
    prepared = prepare_table(path)
    assert prepared.report.target["values"]["max"] == 137.5
    assert "numbers-with-units" in codes(prepared)


def test_labels_that_look_alike_are_one(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["yes", " yes", "no", "caf\u00e9", "cafe\u0301"] * 8)
    prepared = prepare_table(path)
    assert prepared.task.classes == ("caf\u00e9", "no", "yes")
    assert codes(prepared).count("unicode-twins") == 2
    truth = prepared.codec.encode(path).truth
    assert list(truth or ())[:2] == ["yes", "yes"]


def test_labels_in_capitals_stay_apart_and_are_told(tmp_path: Path) -> None:
    prepared = prepare_table(table(tmp_path / "t.csv", ["yes", "Yes", "no", "no"] * 8))
    assert prepared.task.classes == ("Yes", "no", "yes")
    (twins,) = [f for f in prepared.report.findings if f.code == "case-twins"]
    assert "'Yes', 'yes'" in twins.message


def test_answers_that_the_model_does_not_know_are_an_error(tmp_path: Path) -> None:
    codec = prepare_table(table(tmp_path / "t.csv", ["p", "q"] * 20)).codec
    strange = table(tmp_path / "new.csv", ["r", "s"])
    with pytest.raises(DataError, match=r"no answer .* is known to the model: it learned 'p', 'q'"):
        codec.encode(strange)
    assert len(codec.encode(strange, answers=False).samples) == 2
