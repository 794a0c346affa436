"""The details behind the test figures: what the report draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.jobs.metrics import Array, Indices, class_scores, confusion_matrix
from nnatomy.types import Label

_CURVE_CLASSES = 10
_CURVE_POINTS = 200
_BINS = 10
_SCATTER = 2000


def classification_details(
    truth: Indices, probabilities: Array, classes: Sequence[Label]
) -> dict[str, Any]:
    """Confusion matrix, scores by class, calibration, ROC and precision-recall curves.

    Curves are drawn for at most 10 classes; in a two-class task for the second one only.

    Shape: truth (N,) class indices, probabilities (N, K).
    """
    predicted = probabilities.argmax(1)
    matrix = confusion_matrix(truth, predicted, len(classes))
    scores = class_scores(matrix)
    per_class = [
        {
            "label": label,
            **{name: float(values[k]) for name, values in scores.items()},
            "n": int(matrix[k].sum()),
        }
        for k, label in enumerate(classes)
    ]
    drawn = [1] if len(classes) == 2 else list(range(len(classes)))
    curves = [] if len(drawn) > _CURVE_CLASSES else drawn
    return {
        "confusion": matrix.tolist(),
        "per_class": per_class,
        "calibration": calibration(truth, probabilities),
        "roc": [roc_curve(truth == k, probabilities[:, k], classes[k]) for k in curves],
        "pr": [precision_recall(truth == k, probabilities[:, k], classes[k]) for k in curves],
    }


def calibration(truth: Indices, probabilities: Array) -> list[dict[str, Any]]:
    """How often the prediction is right, by its confidence, in ten equal bins.

    Source: Guo et al. 2017, arXiv 1706.04599, section 2.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    rows = []
    for number in range(_BINS):
        inside = bins == number
        if inside.any():
            rows.append(
                {
                    "low": number / _BINS,
                    "high": (number + 1) / _BINS,
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(right[inside].mean()),
                    "n": int(inside.sum()),
                }
            )
    return rows


def _ranked(positive: NDArray[np.bool_], scores: Array) -> tuple[Indices, Indices]:
    """Hits and false alarms among the records down to each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    return hits, ends + 1 - hits


def roc_curve(positive: NDArray[np.bool_], scores: Array, label: Label) -> dict[str, Any]:
    """False alarm rate and hit rate at every threshold, and the area under the curve.

    The area is the probability that a positive record scores above a negative one, ties half.
    Source: Fawcett 2006, Pattern Recognition Letters 27.
    """
    hits, alarms = _ranked(positive, scores)
    total, others = int(positive.sum()), int((~positive).sum())
    if not total or not others:
        return {"label": label, "points": [], "auc": None}
    y = np.concatenate([[0.0], hits / total])
    x = np.concatenate([[0.0], alarms / others])
    return {"label": label, "points": _thinned(x, y), "auc": float(np.trapezoid(y, x))}


def precision_recall(positive: NDArray[np.bool_], scores: Array, label: Label) -> dict[str, Any]:
    """Recall and precision at every threshold, and the average precision Σ (R_i - R_{i-1}) P_i."""
    hits, alarms = _ranked(positive, scores)
    total = int(positive.sum())
    if not total:
        return {"label": label, "points": [], "average_precision": None}
    recall, precision = hits / total, hits / (hits + alarms)
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return {"label": label, "points": _thinned(recall, precision), "average_precision": average}


def _thinned(x: Array, y: Array) -> list[list[float]]:
    """At most 200 points of a curve, its ends among them."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _CURVE_POINTS)).round().astype(int))
    return [[round(float(x[i]), 5), round(float(y[i]), 5)] for i in chosen]


def regression_details(truth: Array, predicted: Array) -> dict[str, Any]:
    """Actual against predicted values (at most 2,000 records) and the spread of the residuals."""
    chosen = np.arange(len(truth))
    if len(truth) > _SCATTER:
        chosen = np.sort(np.random.default_rng(0).choice(len(truth), _SCATTER, replace=False))
    counts, edges = np.histogram(predicted - truth, bins=min(30, max(5, len(truth) // 10)))
    points = np.stack([truth[chosen], predicted[chosen]], 1)
    return {
        "points": [[float(f"{a:.6g}"), float(f"{p:.6g}")] for a, p in points],
        "residuals": {"edges": edges.tolist(), "counts": counts.tolist()},
    }
