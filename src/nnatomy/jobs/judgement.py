"""The network beside its baselines on the test records, and what to say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnatomy.data.task import Task
from nnatomy.jobs.baselines import Baseline
from nnatomy.jobs.evaluation import classification_details, regression_details
from nnatomy.jobs.metrics import Array, bootstrap, classification_metrics, regression_metrics
from nnatomy.report.wording import baseline_name, plural, signed

_TIES = {
    "majority": "Nothing that helps was learned from these columns.",
    "mean": "Nothing that helps was learned from these columns.",
    "logistic": "The simpler model does as well here.",
    "ridge": "The simpler model does as well here.",
}

PRIMARY = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Answers:
    """Predictions beside the truth, in the user's units.

    Args:
        task: What was learned.
        truth: (N,) class indices, or (N,) values.
        predicted: (N, K) class probabilities, or (N,) values.
    """

    task: Task
    truth: Any
    predicted: Array

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Figures with 95 % intervals."""
        if self.task.kind == "classification":
            return classification_metrics(self.truth, self.predicted)
        return regression_metrics(self.truth, self.predicted)

    def details(self) -> dict[str, Any]:
        """What the report draws."""
        if self.task.kind == "classification":
            return classification_details(self.truth, self.predicted, self.task.classes)
        return regression_details(self.truth, self.predicted)

    def merits(self) -> Array:
        """(N,) the higher the better: 1 for a right class, minus the squared error of a value."""
        if self.task.kind == "classification":
            return np.asarray(self.predicted.argmax(1) == self.truth, float)
        return np.asarray(-np.square(self.predicted - self.truth))

    def losses(self) -> Array:
        """(N,) how wrong each prediction is: -log p of the true class, or the absolute error."""
        if self.task.kind == "classification":
            right = self.predicted[np.arange(len(self.truth)), self.truth]
            return np.asarray(-np.log(np.clip(right, 1e-7, 1.0)))
        return np.asarray(np.abs(self.predicted - self.truth))


def judge(network: str, answers: Answers, baselines: Sequence[Baseline]) -> dict[str, Any]:
    """Metrics of the network and of every baseline, and the verdict.

    The network wins or loses against the best baseline when the 95 % bootstrap interval of the
    paired difference on the same test records excludes zero; otherwise they tie.

    Returns:
        "primary", "metrics", "baseline", "verdict" of result.json.
    """
    primary = PRIMARY[answers.task.kind]
    rivals = {b.name: Answers(answers.task, answers.truth, b.predicted) for b in baselines}
    table = {name: rival.metrics() for name, rival in rivals.items()}
    best = max(table, key=lambda name: table[name][primary]["value"])
    metrics = answers.metrics()
    difference = answers.merits() - rivals[best].merits()
    low, high = bootstrap(lambda chosen: float(difference[chosen].mean()), len(difference))
    paired = {"value": float(difference.mean()), "low": low, "high": high}
    outcome = "wins" if low > 0 else "loses" if high < 0 else "ties"
    return {
        "primary": primary,
        "metrics": metrics,
        "baseline": table,
        "baseline_notes": {b.name: b.note for b in baselines if b.note},
        "verdict": {
            "outcome": outcome,
            "against": best,
            "difference": paired,
            "text": _sentence(network, best, answers.task.kind, outcome, paired, metrics, table),
        },
    }


def _sentence(
    network: str,
    best: str,
    task: str,
    outcome: str,
    paired: Mapping[str, float],
    metrics: Mapping[str, Any],
    table: Mapping[str, Any],
) -> str:
    def shown(entry: Mapping[str, Any]) -> str:
        low, value, high = (signed(f"{entry[k]:.3f}") for k in ("low", "value", "high"))
        return f"{value} [{low}, {high}]"

    own, other = metrics[PRIMARY[task]], table[best][PRIMARY[task]]
    rival = baseline_name(best)
    figures = f"{shown(own)} against {shown(other)} on {plural(own['n'], 'test record')}"
    if task == "classification":
        figures += f"; difference on the same records {shown(paired)}"
    if outcome == "wins":
        return f"The network ({network}) beats the best baseline ({rival}): {figures}."
    if outcome == "loses":
        return f"The network ({network}) does not reach {rival}: {figures}. Use {rival} here."
    return (
        f"The network ({network}) and the best baseline ({rival}) cannot be told apart: {figures}. "
        f"{_TIES.get(best, f'{rival.capitalize()} does as well here.')}"
    )
