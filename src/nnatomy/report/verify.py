"""Does a report say what its predictions say? The metrics are computed anew and compared."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from nnatomy.data.spreadsheet import neutralized
from nnatomy.errors import IntegrityError
from nnatomy.report.build import build_document
from nnatomy.report.facts import Facts
from nnatomy.report.html import render_html
from nnatomy.report.wording import finite, line

# The table of predictions is text: its rounding is seen in sums over many records, and in
# logarithms of small probabilities, but never in counts.
TOLERANCE = {"log_loss": 2e-3, "mae": 1e-4, "rmse": 1e-4, "r2": 1e-4}
COUNTED = 1e-9
CLIP = 1e-7  # smallest probability whose logarithm is taken


def verify_report(report_path: Path, predictions_path: Path) -> list[str]:
    """Compare the numbers of a report with its table of test predictions.

    Recomputed with scikit-learn: the metrics, the confusion matrix, Wilson's interval, the size of
    the test set. The page itself is compared with what its embedded facts render to.

    Args:
        report_path: The report page.
        predictions_path: test_predictions.csv of the same run.

    Returns:
        One line a mismatch; empty when everything agrees.

    Raises:
        IntegrityError: The page holds no facts, or the table lacks a column.
    """
    page = report_path.read_text(encoding="utf-8")
    facts = embedded_facts(page, report_path)
    result = facts.get("result", {})
    table = pd.read_csv(predictions_path, dtype=str, keep_default_na=False)
    for column in ("truth", "prediction"):
        if column not in table.columns:
            raise IntegrityError(f"{predictions_path}: no column {column!r}; is it of this run?")
    mismatches = list(_wrong_size(result, len(table)))
    if result.get("task") == "classification":
        classes = [str(label) for label in result.get("classes") or []]
        labels = [neutralized(label) for label in classes]
        table = table.rename(
            columns={f"p_{c}": f"p_{n}" for c, n in zip(classes, labels, strict=True)}
        )
        recomputed = _class_metrics(table, labels)
        mismatches += _wrong_evaluation(result, table, labels)
    else:
        recomputed = _value_metrics(table)
    mismatches += _wrong_metrics(result, recomputed)
    if render_html(build_document(facts), facts) != page:
        mismatches.append(
            "the visible page is not what its facts render to: it was edited, or written by "
            "another version of nnatomy"
        )
    return mismatches


def embedded_facts(page: str, path: Path) -> Facts:
    """The facts that a report page holds.

    Raises:
        IntegrityError: It holds none, or they are not JSON.
    """
    reader = _FactsReader()
    reader.feed(page)
    try:
        facts: Facts = json.loads("".join(reader.found))
    except ValueError as error:
        raise IntegrityError(f"{path}: holds no facts of a run; is it a report?") from error
    return facts


class _FactsReader(HTMLParser):
    """Collects the text of the script element with the id "facts"."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the beginning of the facts."""
        self.inside = tag == "script" and ("id", "facts") in attrs

    def handle_endtag(self, tag: str) -> None:
        """Notes their end."""
        self.inside = self.inside and tag != "script"

    def handle_data(self, data: str) -> None:
        """Keeps them."""
        if self.inside:
            self.found.append(data)


def _class_metrics(table: pd.DataFrame, labels: list[str]) -> dict[str, float]:
    truth, guess = table["truth"], table["prediction"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a predicted class may have no test record
        found = {
            "accuracy": sklearn_metrics.accuracy_score(truth, guess),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(truth, guess),
            "macro_f1": sklearn_metrics.f1_score(truth, guess, average="macro", zero_division=0),
        }
    ordered = sorted(labels)
    columns = [f"p_{label}" for label in ordered]
    if len(labels) > 1 and set(columns) <= set(table.columns) and set(truth) <= set(labels):
        p = np.clip(table[columns].to_numpy(dtype=float), CLIP, 1.0)
        p /= p.sum(axis=1, keepdims=True)
        found["log_loss"] = sklearn_metrics.log_loss(truth, p, labels=ordered)
    return {name: float(value) for name, value in found.items()}


def _value_metrics(table: pd.DataFrame) -> dict[str, float]:
    truth = table["truth"].to_numpy(dtype=float)
    guess = table["prediction"].to_numpy(dtype=float)
    return {
        "r2": float(sklearn_metrics.r2_score(truth, guess)),
        "mae": float(sklearn_metrics.mean_absolute_error(truth, guess)),
        "rmse": float(sklearn_metrics.root_mean_squared_error(truth, guess)),
    }


def _wrong_size(result: Mapping[str, Any], rows: int) -> Iterator[str]:
    stated = finite((result.get("splits") or {}).get("test"))
    if stated is not None and stated != rows:
        yield f"test records: the report says {stated:.0f}, the predictions are {rows}"
    for name, entry in (result.get("metrics") or {}).items():
        if finite(entry.get("n")) not in (None, float(rows)):
            yield f"n of {line(name, 40)}: the report says {entry['n']}, the predictions are {rows}"


def _wrong_metrics(result: Mapping[str, Any], recomputed: Mapping[str, float]) -> Iterator[str]:
    stated = result.get("metrics") or {}
    if not stated:
        yield "the report holds no metrics"
    for name, entry in stated.items():
        value = finite(entry.get("value"))
        if name not in recomputed:
            yield f"{line(name, 40)}: cannot be recomputed from the predictions"
        elif value is None or not _near(value, recomputed[name], TOLERANCE.get(name, COUNTED)):
            yield f"{name}: the report says {entry.get('value')}, recomputed {recomputed[name]:.6g}"
    accuracy = stated.get("accuracy") or {}
    if str(accuracy.get("interval", "")).startswith("Wilson") and "accuracy" in recomputed:
        bounds = _wilson(recomputed["accuracy"], int(accuracy["n"]))
        for bound, value in zip(("low", "high"), bounds, strict=True):
            if not _near(float(accuracy[bound]), value, 1e-6):
                yield f"accuracy, {bound}: the report says {accuracy[bound]}, not {value:.6g}"


def _wrong_evaluation(
    result: Mapping[str, Any], table: pd.DataFrame, labels: list[str]
) -> Iterator[str]:
    strange = sorted((set(table["truth"]) | set(table["prediction"])) - set(labels))
    if strange:
        yield f"class {line(strange[0], 60)!r} of the predictions is not in the report"
        return
    matrix = (result.get("evaluation") or {}).get("confusion")
    if matrix:
        counts = sklearn_metrics.confusion_matrix(
            table["truth"], table["prediction"], labels=labels
        ).tolist()
        if matrix != counts:
            yield "confusion matrix: the counts differ from the predictions"
    columns = [f"p_{label}" for label in labels]
    if set(columns) <= set(table.columns):
        p = table[columns].to_numpy(dtype=float)
        chosen = p[np.arange(len(p)), [labels.index(label) for label in table["prediction"]]]
        other = int((chosen < p.max(axis=1) - 1e-6).sum())
        if other:
            yield f"{other} predictions are not the class with the largest probability"


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Both roots p of (share - p)² = z² p (1 - p) / n."""
    square = NormalDist().inv_cdf(0.975) ** 2 / n
    low, high = sorted(np.roots([1 + square, -2 * share - square, share**2]).real)
    return max(0.0, float(low)), min(1.0, float(high))


def _near(first: float, second: float, tolerance: float) -> bool:
    return math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)
