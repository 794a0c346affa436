"""Trying remedies and keeping those that verifiably help."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.plan import Examined, Plan, Trial, carry_out
from nnatomy.diagnose.remedies import REMEDIES, TUNING, Remedy
from nnatomy.errors import SettingError
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
        check: The finding it was tried against; "tuning" for what comes after.
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


def keeps_all_inputs(plan: Plan) -> bool:
    """Whether a plan leaves no input out: that takes somebody who knows what the input is."""
    return plan.drop_column is None


def heal(
    before: Trial,
    train: Samples,
    valid: Samples | None,
    *,
    say: Callable[[str], None] = lambda _text: None,
    allowed: Callable[[Plan], bool] = keeps_all_inputs,
) -> Healing:
    """Try remedies in the order of the evidence, each on a run of the same seed and records.

    A change is kept where the validation score rises by more than half a point and two records'
    worth, or where the finding is gone and the score no worse. Up to four changes are made one upon
    the other; then it is tried whether longer training or another rate brings more. The scores are
    those by which was chosen, so that the last is a little better than new records will show.

    Args:
        before: The run that is ill.
        train: Its training records.
        valid: Its validation records.
        say: Told of every attempt.
        allowed: Whether a changed plan may be tried; by default none that leaves an input out.
    """
    course = _Course(train, valid, say, allowed)
    current = before
    for _ in range(_ROUNDS):
        better = None
        for finding in findings_of(current.case):
            better = course.first_help(current, finding)
            if better is not None:
                break
        if better is None:
            break
        current = better
    if current is not before:
        current = course.tuned(current)
    return Healing(before, current, tuple(course.attempts), tuple(findings_of(current.case)))


class _Course:
    """What was tried so far, and how to try more."""

    def __init__(
        self,
        train: Samples,
        valid: Samples | None,
        say: Callable[[str], None],
        allowed: Callable[[Plan], bool],
    ) -> None:
        self.records, self.say, self.allowed = (train, valid), say, allowed
        self._gain = max(_GAIN, 2 / len(train if valid is None else valid))
        self.attempts: list[Attempt] = []
        self._tried: set[str] = set()
        self._examined: Examined = {}

    def first_help(self, current: Trial, finding: Finding) -> Trial | None:
        """The first remedy that helps; steps of one kind go on while they help."""
        best: Trial | None = None
        for remedy in REMEDIES.get(finding.check, []):
            trial = self._tried_out(remedy, current)
            if trial is None:
                continue
            kept, gone = self._judged(finding, remedy, best or current, trial, first=best is None)
            if not kept and best is not None:
                return best
            best = trial if kept else best
            if kept and gone:
                return best
        return best

    def tuned(self, current: Trial) -> Trial:
        """What is left to gain by training longer, or at another rate, once the illness is gone."""
        for remedy in TUNING:
            trial = self._tried_out(remedy, current)
            if trial is None:
                continue
            kept = math.isfinite(trial.score) and trial.score > current.score + self._gain
            self._note(Attempt("tuning", remedy.name, current.score, trial.score, True, kept))
            current = trial if kept else current
        return current

    def _tried_out(self, remedy: Remedy, current: Trial) -> Trial | None:
        """The run with a remedy; None where it changes nothing new, or may not be tried."""
        plan = remedy.change(current.plan, current.case)
        if plan is None or repr(plan) in self._tried or not self.allowed(plan):
            return None
        self._tried.add(repr(plan))
        try:
            return carry_out(plan, *self.records, self._examined)
        except SettingError as error:  # no such network, or none for these records
            self.say(f"{remedy.name}: cannot be tried: {error}")
            return None

    def _judged(
        self, finding: Finding, remedy: Remedy, before: Trial, after: Trial, *, first: bool
    ) -> tuple[bool, bool]:
        """Whether an attempt is kept and its finding gone; both are noted."""
        gone = finding.check not in {f.check for f in findings_of(after.case)}
        kept = self._helps(finding, before, after, gone=gone, first=first)
        self._note(Attempt(finding.check, remedy.name, before.score, after.score, gone, kept))
        return kept, gone

    def _note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        scores = f"{attempt.before:.4g} -> {attempt.after:.4g}"
        verdict = ", kept" if attempt.kept else ""
        self.say(f"{attempt.check}: {attempt.remedy}: {scores}{verdict}")

    def _helps(
        self, finding: Finding, before: Trial, after: Trial, *, gone: bool, first: bool
    ) -> bool:
        if not math.isfinite(after.score):
            return False
        if finding.check in _HONEST:
            return gone
        rise = after.score - before.score
        helped = rise > self._gain or (gone and first and rise >= 0)
        return helped or not math.isfinite(before.score)
