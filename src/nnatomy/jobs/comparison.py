"""What a comparison found: a table with intervals, the runs behind it, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import stats

from nnatomy.report.comparison import comparison_html, comparison_text, snippet_html

_LEVEL = 0.95
SAME = 1e-6
"""Scores that differ by less are equal: less than one record of a million, or single precision."""

Standing = Literal["best", "behind", "not distinguishable", "not comparable"]


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
        seconds: From its start to its end, which is not its own where others ran beside it.
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
        interval: 95 % t-interval of that mean over the seeds, within the limits of the score; None
            for fewer than two seeds, where all seeds give one score, and where runs diverged.
        loss: Mean validation loss of those that ended.
        best_epoch: Their mean best epoch.
        seconds: Mean time of a run.
        behind: How far the score is behind the best row's: mean difference over equal seeds; None
            where runs diverged, because those that ended are a selection.
        behind_interval: 95 % interval of that for all pairs of rows at once, see `rows_of`.
        standing: "best"; "behind" where the interval is above 0; "not distinguishable" where it
            is not; "not comparable" where there is none.
        reason: Why there is no interval of the difference.
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
    standing: Standing
    reason: str


@dataclass(frozen=True)
class Comparison:
    """The result of `nnatomy.compare`.

    Args:
        rows: One a setting, the best first; those with runs that diverged last.
        runs: Every run, in the order of the grid.
        score_name: "accuracy" or "r2".
        records: Numbers of training, validation and test records.
        test_score: Score of the best run on the test records, which nothing else has seen.
        source: Name of the data.
        verdict: The result in a sentence or two.
        config: What was asked for, with what was varied under "over".
        common: Settings of the network and the training that all runs had, those left out by the
            user with what was chosen.
        data: The data in brief, with their fingerprint.
        env: Versions, platform and processors.
    """

    rows: list[ComparedRow]
    runs: list[ComparedRun]
    score_name: str
    records: dict[str, int]
    test_score: float | None
    source: str
    verdict: str
    config: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)

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


def t_interval(values: Sequence[float], level: float = _LEVEL) -> tuple[float, float] | None:
    """mean ± t s / sqrt(n), s being the standard deviation with the divisor n - 1.

    None for fewer than two values, and for equal ones: a spread of 0 says that the seeds make no
    difference, not that the mean is known exactly.
    """
    count = len(values)
    if count < 2 or max(values) - min(values) < SAME:
        return None
    half = stats.t.ppf((1 + level) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    mean = float(np.mean(values))
    return (mean - float(half), mean + float(half))


def rows_of(runs: Sequence[ComparedRun], score_name: str = "accuracy") -> list[ComparedRow]:
    """The runs by setting, the best first; the more runs diverged, the further down.

    Differences are taken between runs of equal seed, which cancels what the seed does to all. Any
    two rows might have become the best and another, so their intervals are paired t-intervals
    that hold for all K(K - 1)/2 pairs of K rows at once (Bonferroni: each at the level
    1 - 0.05 / pairs). Of equal settings, at most one comparison in twenty then calls any row
    behind, whichever row the same scores have made the reference. Rows may have spreads of their
    own, which rules out the sharper intervals by a pooled variance (Tukey, Dunnett).

    Source: O. J. Dunn, Multiple Comparisons Among Means, Journal of the American Statistical
    Association 56, 1961.
    """
    groups: dict[str, list[ComparedRun]] = {}
    for run in runs:
        name = str({k: v for k, v in run.settings.items() if k != "seed"})
        groups.setdefault(name, []).append(run)
    ordered = sorted(groups.values(), key=lambda group: (_diverged(group), -_mean_score(group)))
    complete = sum(_diverged(group) == 0 for group in ordered)
    level = 1 - (1 - _LEVEL) / max(1, complete * (complete - 1) // 2)
    limits = (0.0, 1.0) if score_name == "accuracy" else (-math.inf, 1.0)
    return [_row(group, _gap(group, ordered[0], level), limits) for group in ordered]


@dataclass(frozen=True)
class _Gap:
    """How a row stands to the first."""

    standing: Standing
    reason: str = ""
    mean: float | None = None
    interval: tuple[float, float] | None = None


def _gap(group: Sequence[ComparedRun], first: Sequence[ComparedRun], level: float) -> _Gap:
    if _diverged(group):
        return _Gap("not comparable", f"{_diverged(group)} of {len(group)} runs diverged")
    if group is first:
        return _Gap("best")
    reference = {run.seed: run.score for run in first if run.score is not None}
    gaps = [
        reference[run.seed] - run.score
        for run in group
        if run.score is not None and run.seed in reference
    ]
    if len(gaps) < 2:
        return _Gap("not comparable", "one seed", float(np.mean(gaps)) if gaps else None)
    mean, interval = float(np.mean(gaps)), t_interval(gaps, level)
    if interval is None and abs(mean) < SAME:
        return _Gap("not distinguishable", "the same in every seed", 0.0)
    if interval is None:
        return _Gap("not comparable", "seeds make no difference", mean)
    return _Gap("behind" if interval[0] > 0 else "not distinguishable", "", mean, interval)


def _diverged(group: Sequence[ComparedRun]) -> int:
    return sum(run.score is None for run in group)


def _mean_score(group: Sequence[ComparedRun]) -> float:
    scores = [run.score for run in group if run.score is not None]
    return float(np.mean(scores)) if scores else -math.inf


def _row(group: Sequence[ComparedRun], gap: _Gap, limits: tuple[float, float]) -> ComparedRow:
    ended = [run for run in group if run.score is not None]
    scores = [run.score for run in ended if run.score is not None]
    losses = [run.loss for run in ended if run.loss is not None]
    interval = t_interval(scores) if len(ended) == len(group) else None
    return ComparedRow(
        {k: v for k, v in group[0].settings.items() if k != "seed"},
        len(ended),
        len(group) - len(ended),
        float(np.mean(scores)) if scores else None,
        None if interval is None else (max(interval[0], limits[0]), min(interval[1], limits[1])),
        float(np.mean(losses)) if losses else None,
        float(np.mean([run.best_epoch for run in ended])) if ended else None,
        float(np.mean([run.seconds for run in group])),
        gap.mean,
        gap.interval,
        gap.standing,
        gap.reason,
    )
