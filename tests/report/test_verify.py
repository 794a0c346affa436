from __future__ import annotations

import copy

import pytest

from nnatomy.errors import IntegrityError
from nnatomy.report.build import build_document
from nnatomy.report.html import render_html
from nnatomy.report.verify import verify_report


@pytest.fixture
def files(tmp_path):
    """Writes report and predictions of a run, and verifies them."""

    def check(facts, frame, edit=lambda page: page):
        page, table = tmp_path / "report.html", tmp_path / "test_predictions.csv"
        page.write_text(edit(render_html(build_document(facts), facts)), encoding="utf-8")
        frame.to_csv(table, index=False)
        return verify_report(page, table)

    return check


@pytest.mark.parametrize("name", ["digits", "houses", "many"])
def test_an_honest_report_is_verified(name, request, files):
    facts, frame = request.getfixturevalue(name)
    assert files(facts, frame) == []


def test_rounded_predictions_are_close_enough(digits, houses, files):
    assert files(digits[0], digits[1].round(6)) == []
    assert files(houses[0], houses[1].round(4)) == []


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "log_loss"])
def test_a_better_number_than_the_true_one_is_found(digits, files, metric):
    facts = copy.deepcopy(digits[0])
    facts["result"]["metrics"][metric]["value"] += 0.003
    (mismatch,) = files(facts, digits[1])
    assert mismatch.startswith(metric)


@pytest.mark.parametrize("metric", ["r2", "mae", "rmse"])
def test_a_better_error_than_the_true_one_is_found(houses, files, metric):
    facts = copy.deepcopy(houses[0])
    facts["result"]["metrics"][metric]["value"] *= 0.99
    (mismatch,) = files(facts, houses[1])
    assert mismatch.startswith(metric)


def test_an_interval_too_narrow_is_found(digits, files):
    facts = copy.deepcopy(digits[0])
    facts["result"]["metrics"]["accuracy"]["low"] += 0.01
    assert [m.split(":")[0] for m in files(facts, digits[1])] == ["accuracy, low"]


def test_a_changed_confusion_matrix_is_found(digits, files):
    facts = copy.deepcopy(digits[0])
    facts["result"]["evaluation"]["confusion"][0][0] += 1
    (mismatch,) = files(facts, digits[1])
    assert mismatch.startswith("confusion matrix")


def test_a_missing_record_is_found(digits, files):
    mismatches = files(digits[0], digits[1].iloc[:-1])
    assert any(m.startswith("test records") for m in mismatches)
    assert any(m.startswith("n of accuracy") for m in mismatches)


def test_predictions_that_are_not_the_most_probable_class_are_found(digits, files):
    frame = digits[1].copy()
    wrong = frame.index[frame["truth"] != frame["prediction"]]
    frame.loc[wrong, "prediction"] = frame.loc[wrong, "truth"]
    mismatches = files(digits[0], frame)
    assert any(f"{len(wrong)} predictions are not" in m for m in mismatches)
    assert any(m.startswith("accuracy:") for m in mismatches)


def test_a_foreign_class_is_found(digits, files):
    frame = digits[1].copy()
    frame.loc[0, "truth"] = "eleven"
    assert any("'eleven'" in m for m in files(digits[0], frame))


def test_an_edited_page_is_found(digits, files):
    (mismatch,) = files(
        *digits, edit=lambda page: page.replace("lenet reaches", "lenet masters", 1)
    )
    assert "visible page" in mismatch


def test_a_report_that_left_out_its_examples_is_verified(digits, files):
    facts = copy.deepcopy(digits[0])
    for entry in facts["result"]["examples"]["random"]:
        entry["image"] = "data:image/png;base64," + "A" * 200_000
    assert files(facts, digits[1]) == []


def test_a_page_without_facts_and_a_table_without_columns_are_refused(digits, files):
    with pytest.raises(IntegrityError, match="no facts"):
        files(*digits, edit=lambda _: "<p>hello</p>")
    with pytest.raises(IntegrityError, match="'truth'"):
        files(digits[0], digits[1].drop(columns="truth"))
