"""Trying remedies and keeping those that verifiably help."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.plan import Plan, Trial, carry_out
from nnatomy.diagnose.remedies import REMEDIES, Remedy
from nnatomy.types import Samples

_ROUNDS = 4
_GAIN = 0.005
"""By how much a validation score must rise to count."""
_HONEST = ("leakage",)
"""Illnesses whose remedy lowers the score, because the score was not real."""


@dataclass(frozen=True)
class Attempt:
    """A remedy that was tried.

    Args:
        check: The finding it was tried against.
        remedy: What was changed.
        before: Score before.
        after: Score with it.
        gone: Whether the finding was gone.
        kept: Whether the change was kept.
    """

    check: str
    remedy: str
    before: float
    after: float
    gone: bool
    kept: bool


@dataclass(frozen=True)
class Healing:
    """What became of a run.

    Args:
        before: The run as it was.
        after: The run with all changes that were kept.
        attempts: Everything that was tried, in order.
        left: Findings that remain.
    """

    before: Trial
    after: Trial
    attempts: tuple[Attempt, ...]
    left: tuple[Finding, ...]


def heal(
    before: Trial,
    train: Samples,
    valid: Samples | None,
    *,
    say: Callable[[str], None] = lambda _text: None,
) -> Healing:
    """Try remedies in the order of the evidence, each on a run of the same seed and records.

    A change is kept where the validation score rises by more than half a point, or where the
    finding is gone and the score no worse. Up to four changes are made one upon the other.

    Args:
        before: The run that is ill.
        train: Its training records.
        valid: Its validation records.
        say: Told of every attempt.
    """
    current, attempts = before, list[Attempt]()
    tried: set[str] = set()
    for _ in range(_ROUNDS):
        better = None
        for finding in findings_of(current.case):
            better = _first_help(current, finding, (train, valid), attempts, tried, say)
            if better is not None:
                break
        if better is None:
            break
        current = better
    return Healing(before, current, tuple(attempts), tuple(findings_of(current.case)))


def _first_help(
    current: Trial,
    finding: Finding,
    records: tuple[Samples, Samples | None],
    attempts: list[Attempt],
    tried: set[str],
    say: Callable[[str], None],
) -> Trial | None:
    """The first remedy against a finding that helps; steps of one kind go on while they help."""
    best: Trial | None = None
    for remedy in REMEDIES.get(finding.check, []):
        plan = _changed(current.plan, remedy, current, tried)
        if plan is None:
            continue
        trial = carry_out(plan, *records)
        gone = finding.check not in {f.check for f in findings_of(trial.case)}
        reference = best or current
        kept = _helps(finding, reference, trial, gone=gone, first=best is None)
        attempts.append(
            Attempt(finding.check, remedy.name, reference.score, trial.score, gone, kept)
        )
        say(
            f"{finding.check}: {remedy.name}: {reference.score:.4g} -> {trial.score:.4g}"
            f"{', kept' if kept else ''}"
        )
        if kept:
            best = trial
            if gone:
                return best
        elif best is not None:
            return best
    return best


def _changed(plan: Plan, remedy: Remedy, trial: Trial, tried: set[str]) -> Plan | None:
    new = remedy.change(plan, trial.case)
    if new is None or repr(new) in tried:
        return None
    tried.add(repr(new))
    return new


def _helps(finding: Finding, before: Trial, after: Trial, *, gone: bool, first: bool) -> bool:
    if not math.isfinite(after.score):
        return False
    if finding.check in _HONEST:
        return gone
    rise = after.score - before.score
    return rise > _GAIN or (gone and first and rise >= 0) or not math.isfinite(before.score)
