"""The result of a comparison in a sentence or two."""

from __future__ import annotations

from collections.abc import Sequence

from nnatomy.jobs.comparison import SAME, ComparedRow
from nnatomy.report.comparison import settings_text

_MOST_NAMES = 12
_GROUPS = {
    "behind": "Behind it",
    "not distinguishable": "Not distinguishable from it",
    "not comparable": "Not comparable with it",
}
_TRY_SEEDS = "add --over seed=0..9."


def verdict(rows: Sequence[ComparedRow], score_name: str) -> str:
    """Which setting is best, and which are behind it, level with it, or not comparable."""
    best = rows[0]
    if best.score is None:
        return "Every run diverged: lower the learning rates or clip gradients."
    if best.diverged:
        return (
            "Every setting diverged in some of its runs, so that none is best: lower the learning "
            f"rates or clip gradients. The fewest: {_named([best])}."
        )
    reached = f"{score_name} {best.score:.4g}"
    if len(rows) == 1:
        return _alone(best, reached)
    return _one_seed(rows, reached) if best.runs < 2 else _several_seeds(rows, reached)


def _alone(row: ComparedRow, reached: str) -> str:
    if row.runs < 2:
        return f"One setting and one seed, {reached}: nothing to compare it with."
    return f"One setting, mean {reached} over {row.runs} seeds."


def _one_seed(rows: Sequence[ComparedRow], reached: str) -> str:
    """Without a spread over seeds there are scores, and nothing that says how far they hold."""
    best = rows[0]
    ended = [row for row in rows if not row.diverged and row.score is not None]
    level = [row for row in ended if abs((row.score or 0.0) - (best.score or 0.0)) < SAME]
    if len(level) == len(ended) > 1:
        words = f"No difference: {_named(level)} all reach {reached}. One seed each: {_TRY_SEEDS}"
    elif len(level) > 1:
        words = f"Best, and equal: {_named(level)} with {reached}."
        words += f" One seed each: differences may be luck; {_TRY_SEEDS}"
    else:
        words = f"Best: {settings_text(best.settings)} with {reached}."
        words += f" One seed each: differences may be luck; {_TRY_SEEDS}"
    return words + _grouped([row for row in rows[1:] if row.diverged])


def _several_seeds(rows: Sequence[ComparedRow], reached: str) -> str:
    best = rows[0]
    words = f"Best: {settings_text(best.settings)} with {reached} over {best.runs} seeds."
    return words + _grouped(rows[1:])


def _grouped(rows: Sequence[ComparedRow]) -> str:
    words = ""
    for standing, title in _GROUPS.items():
        members = [row for row in rows if row.standing == standing]
        if members:
            words += f" {title}: {_named(members)}."
    return words


def _named(rows: Sequence[ComparedRow]) -> str:
    names = [settings_text(row.settings) + _reason(row) for row in rows[:_MOST_NAMES]]
    more = len(rows) - len(names)
    return "; ".join([*names, f"{more} more"] if more else names)


def _reason(row: ComparedRow) -> str:
    """Why there is no interval; that there is one seed only is said once for all."""
    return f" ({row.reason})" if row.reason and row.reason != "one seed" else ""
