"""What a comparison found: a table with intervals, the runs behind it, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from nnatomy.report.comparison import comparison_html, comparison_text, snippet_html

_LEVEL = 0.95


@dataclass(frozen=True)
class ComparedRun:
    """One network of a comparison.

    Args:
        settings: What was varied, with its value, the seed included.
        seed: Of its initial weights, order and dropout.
        score: Score on the validation records in its best epoch; None where it diverged.
        loss: Validation loss in that epoch.
        best_epoch: That epoch.
        epochs: Epochs done.
        seconds: Time spent.
        engine: What computed it.
        stopped: Why it ended.
        history: One dict an epoch.
    """

    settings: dict[str, Any]
    seed: int
    score: float | None
    loss: float | None
    best_epoch: int
    epochs: int
    seconds: float
    engine: str
    stopped: str
    history: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class ComparedRow:
    """All runs that differ in the seed only.

    Args:
        settings: What was varied besides the seed.
        runs: Number of runs that ended.
        diverged: Number of runs whose loss was not finite.
        score: Mean score of those that ended.
        interval: 95 % t-interval of that mean over the seeds; None for fewer than two.
        loss: Mean validation loss.
        best_epoch: Mean best epoch.
        seconds: Mean time of a run.
        behind: How far the score is behind the best row's: mean difference over equal seeds.
        behind_interval: 95 % t-interval of that; None for fewer than two pairs.
    """

    settings: dict[str, Any]
    runs: int
    diverged: int
    score: float | None
    interval: tuple[float, float] | None
    loss: float | None
    best_epoch: float | None
    seconds: float
    behind: float | None
    behind_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """The result of `nnatomy.compare`.

    Args:
        rows: One a setting, the best first; those that diverged last.
        runs: Every run, in the order of the grid.
        score_name: "accuracy" or "r2".
        records: Numbers of training, validation and test records.
        test_score: Score of the best run on the test records, which nothing else has seen.
        source: Name of the data.
        verdict: The result in a sentence or two.
    """

    rows: list[ComparedRow]
    runs: list[ComparedRun]
    score_name: str
    records: dict[str, int]
    test_score: float | None
    source: str
    verdict: str

    @property
    def best(self) -> dict[str, Any]:
        """The settings of the best row."""
        return self.rows[0].settings

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON-able values."""
        return asdict(self)

    def html(self) -> str:
        """A page that needs no network: sentence, table, curves."""
        return comparison_html(self.to_json())

    def _repr_html_(self) -> str:
        return snippet_html(self.to_json())

    def __repr__(self) -> str:
        return comparison_text(self.to_json())


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """mean ± t s / sqrt(n), s being the standard deviation with the divisor n - 1."""
    count = len(values)
    if count < 2:
        return None
    half = stats.t.ppf((1 + _LEVEL) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    mean = float(np.mean(values))
    return (mean - float(half), mean + float(half))


def rows_of(runs: Sequence[ComparedRun]) -> list[ComparedRow]:
    """The runs by setting, the best first.

    Differences are taken between runs of equal seed, which cancels what the seed does to all.
    """
    groups: dict[str, list[ComparedRun]] = {}
    for run in runs:
        name = str({k: v for k, v in run.settings.items() if k != "seed"})
        groups.setdefault(name, []).append(run)
    ordered = sorted(groups.values(), key=_mean_score, reverse=True)
    best = {run.seed: run.score for run in ordered[0] if run.score is not None}
    return [_row(group, best if group is not ordered[0] else {}) for group in ordered]


def _mean_score(group: Sequence[ComparedRun]) -> float:
    scores = [run.score for run in group if run.score is not None]
    return float(np.mean(scores)) if scores else -math.inf


def _row(group: Sequence[ComparedRun], best: Mapping[int, float]) -> ComparedRow:
    ended = [run for run in group if run.score is not None]
    scores = [run.score for run in ended if run.score is not None]
    gaps = [
        best[run.seed] - run.score for run in ended if run.seed in best and run.score is not None
    ]
    losses = [run.loss for run in ended if run.loss is not None]
    return ComparedRow(
        {k: v for k, v in group[0].settings.items() if k != "seed"},
        len(ended),
        len(group) - len(ended),
        float(np.mean(scores)) if scores else None,
        t_interval(scores),
        float(np.mean(losses)) if losses else None,
        float(np.mean([run.best_epoch for run in ended])) if ended else None,
        float(np.mean([run.seconds for run in group])),
        float(np.mean(gaps)) if gaps else None,
        t_interval(gaps),
    )
