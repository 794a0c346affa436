"""Figures against scikit-learn, SciPy and a slow obvious bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as witness

from nnatomy.jobs.evaluation import (
    calibration,
    classification_details,
    precision_recall,
    regression_details,
    roc_curve,
)
from nnatomy.jobs.metrics import (
    bootstrap,
    classification_metrics,
    regression_metrics,
    wilson,
)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 7), (359, 360), (50, 100), (12, 12)])
def test_wilson_is_scipys(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def random_answers(count, classes, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    probabilities = rng.dirichlet(np.ones(classes), count)
    probabilities[np.arange(count), truth] += 0.3
    return truth, probabilities / probabilities.sum(1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 200), st.integers(2, 6), st.integers(0, 10_000))
def test_classification_metrics_are_scikit_learns(count, classes, seed):
    truth, probabilities = random_answers(count, classes, seed)
    ours = {
        name: entry["value"] for name, entry in classification_metrics(truth, probabilities).items()
    }
    predicted = probabilities.argmax(1)
    assert ours["accuracy"] == pytest.approx(witness.accuracy_score(truth, predicted))
    assert ours["macro_f1"] == pytest.approx(
        witness.f1_score(truth, predicted, average="macro", zero_division=0)
    )
    recalls = witness.recall_score(
        truth, predicted, average=None, labels=np.unique(truth), zero_division=0
    )
    assert ours["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert ours["log_loss"] == pytest.approx(
        witness.log_loss(truth, probabilities, labels=range(classes)), rel=1e-6
    )


def test_intervals_surround_the_value_and_shrink_with_more_records():
    widths = []
    for count in (50, 800):
        truth, probabilities = random_answers(count, 3, 1)
        for entry in classification_metrics(truth, probabilities).values():
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["n"] == count
        widths.append(
            np.ptp(
                [
                    classification_metrics(truth, probabilities)["accuracy"][k]
                    for k in ("low", "high")
                ]
            )
        )
    assert widths[1] < widths[0] / 3


def test_resampling_cells_of_the_confusion_matrix_is_resampling_records():
    truth, probabilities = random_answers(150, 4, 5)
    predicted = probabilities.argmax(1)
    ours = classification_metrics(truth, probabilities)["macro_f1"]
    rng = np.random.default_rng(1)
    slow = []
    for _ in range(1500):
        chosen = rng.integers(0, 150, 150)
        slow.append(witness.f1_score(truth[chosen], predicted[chosen], average="macro"))
    low, high = np.percentile(slow, [2.5, 97.5])
    assert ours["low"] == pytest.approx(low, abs=0.015)
    assert ours["high"] == pytest.approx(high, abs=0.015)


def test_regression_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=120)
    predicted = truth + rng.normal(scale=0.5, size=120)
    ours = regression_metrics(truth, predicted)
    assert ours["r2"]["value"] == pytest.approx(witness.r2_score(truth, predicted))
    assert ours["mae"]["value"] == pytest.approx(witness.mean_absolute_error(truth, predicted))
    assert ours["rmse"]["value"] == pytest.approx(witness.root_mean_squared_error(truth, predicted))
    assert all(e["low"] <= e["value"] <= e["high"] for e in ours.values())


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap(lambda chosen: float(values[chosen].mean()), 400)
    spread = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - spread, values.mean() + spread), abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 200), st.integers(0, 10_000))
def test_curves_are_scikit_learns(count, seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.4
    positive[:2] = True, False
    scores = np.round(rng.random(count) + 0.3 * positive, 1)  # with ties
    assert roc_curve(positive, scores, "a")["auc"] == pytest.approx(
        witness.roc_auc_score(positive, scores)
    )
    assert precision_recall(positive, scores, "a")["average_precision"] == pytest.approx(
        witness.average_precision_score(positive, scores)
    )


def test_curves_of_a_class_that_is_not_there_are_empty():
    nothing = roc_curve(np.zeros(5, bool), np.arange(5.0), "a")
    assert nothing == {"label": "a", "points": [], "auc": None}
    assert precision_recall(np.zeros(5, bool), np.arange(5.0), "a")["average_precision"] is None


def test_details_add_up():
    truth, probabilities = random_answers(300, 3, 2)
    details = classification_details(truth, probabilities, ("a", "b", "c"))
    assert details["confusion"] == witness.confusion_matrix(truth, probabilities.argmax(1)).tolist()
    assert sum(row["n"] for row in details["per_class"]) == 300
    assert sum(row["n"] for row in calibration(truth, probabilities)) == 300
    for row in details["calibration"]:
        assert row["low"] <= row["confidence"] <= row["high"] + 1e-12


def test_many_records_give_few_points():
    rng = np.random.default_rng(0)
    details = regression_details(rng.normal(size=5000), rng.normal(size=5000))
    assert len(details["points"]) == 2000
    assert sum(details["residuals"]["counts"]) == 5000
