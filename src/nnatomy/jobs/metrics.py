"""Test figures with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
_RESAMPLES = 1000
_WORK = 20_000_000
"""Records times resamples at most, so that large test sets do not take minutes."""


def figure(value: float, low: float, high: float, count: int, interval: str) -> dict[str, Any]:
    """A figure as it stands in result.json."""
    return {"value": value, "low": low, "high": high, "n": count, "interval": interval}


def wilson(successes: int, count: int) -> tuple[float, float]:
    """95 % score interval of a proportion.

    (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    p, square = successes / count, _Z * _Z / count
    center = p + square / 2
    spread = _Z * math.sqrt(p * (1 - p) / count + square / (4 * count))
    low, high = (center - spread) / (1 + square), (center + spread) / (1 + square)
    return max(0.0, low), min(1.0, high)


def bootstrap(statistic: Callable[[Indices], float], count: int) -> tuple[float, float]:
    """95 % percentile interval of a statistic over records drawn with replacement.

    Args:
        statistic: Of the records named by an index vector.
        count: Number of records.

    Source: Efron 1979, Annals of Statistics 7. The draws have a fixed seed.
    """
    generator = np.random.default_rng(0)
    draws = max(200, min(_RESAMPLES, _WORK // count))
    values = [statistic(generator.integers(0, count, count)) for _ in range(draws)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def confusion_matrix(truth: Indices, predicted: Indices, classes: int) -> Indices:
    """Counts by true class (rows) and predicted class (columns)."""
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def class_scores(confusion: NDArray[Any]) -> dict[str, Array]:
    """Precision, recall and F1 of each class; 0 where nothing was predicted or nothing is there.

    Shape: confusion (..., K, K) -> each (..., K).
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    predicted, actual = confusion.sum(-2), confusion.sum(-1)
    return {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(actual, 1),
        "f1": 2 * hits / np.maximum(predicted + actual, 1),
    }


def _present_mean(scores: Array, confusion: NDArray[Any]) -> Array:
    """Mean over the classes that occur among the records (or the predictions)."""
    present = (confusion.sum(-1) > 0) | (confusion.sum(-2) > 0)
    return np.asarray((scores * present).sum(-1) / np.maximum(present.sum(-1), 1))


def _balanced(confusion: NDArray[Any]) -> Array:
    present = confusion.sum(-1) > 0
    recall = class_scores(confusion)["recall"]
    return np.asarray((recall * present).sum(-1) / np.maximum(present.sum(-1), 1))


def _macro_f1(confusion: NDArray[Any]) -> Array:
    return _present_mean(class_scores(confusion)["f1"], confusion)


def classification_metrics(truth: Indices, probabilities: Array) -> dict[str, dict[str, Any]]:
    """Accuracy, balanced accuracy, macro F1 and log loss with their intervals.

    Balanced accuracy and macro F1 resample the cells of the confusion matrix, which is the same
    as resampling the records. Log loss clips probabilities at 1e-7.

    Shape: truth (N,) class indices, probabilities (N, K).
    """
    count, classes = probabilities.shape
    predicted = probabilities.argmax(1)
    hits = int((predicted == truth).sum())
    matrix = confusion_matrix(truth, predicted, classes)
    draws = max(200, min(_RESAMPLES, _WORK // (classes * classes)))
    cells = np.random.default_rng(0).multinomial(count, matrix.ravel() / count, size=draws)
    matrices = cells.reshape(draws, classes, classes)
    losses = -np.log(np.clip(probabilities[np.arange(count), truth], 1e-7, 1.0))
    metrics = {
        "accuracy": figure(hits / count, *wilson(hits, count), count, "Wilson 95 %"),
    }
    for name, score in (("balanced_accuracy", _balanced), ("macro_f1", _macro_f1)):
        low, high = np.percentile(score(matrices), [2.5, 97.5])
        metrics[name] = figure(
            float(score(matrix)), float(low), float(high), count, "bootstrap 95 %"
        )
    low, high = bootstrap(lambda chosen: float(losses[chosen].mean()), count)
    metrics["log_loss"] = figure(float(losses.mean()), low, high, count, "bootstrap 95 %")
    return metrics


def regression_metrics(truth: Array, predicted: Array) -> dict[str, dict[str, Any]]:
    """R², mean absolute error and root mean squared error with bootstrap intervals.

    Units: R² is a share; the errors have the unit of the target.

    Shape: truth (N,), predicted (N,).
    """
    errors = predicted - truth

    def r_squared(chosen: Indices) -> float:
        total = float(np.square(truth[chosen] - truth[chosen].mean()).sum())
        return 1.0 - float(np.square(errors[chosen]).sum()) / total if total else 0.0

    def absolute(chosen: Indices) -> float:
        return float(np.abs(errors[chosen]).mean())

    def root_square(chosen: Indices) -> float:
        return math.sqrt(float(np.square(errors[chosen]).mean()))

    everything = np.arange(len(truth))
    return {
        name: figure(
            statistic(everything), *bootstrap(statistic, len(truth)), len(truth), "bootstrap 95 %"
        )
        for name, statistic in (("r2", r_squared), ("mae", absolute), ("rmse", root_square))
    }
