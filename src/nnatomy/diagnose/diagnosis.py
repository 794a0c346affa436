"""From the record of a run to findings, each with the cause behind it."""

from __future__ import annotations

from dataclasses import replace

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.signs import known

_STEPS = {"learning_rate_too_high", "learning_rate_too_low", "batch_too_small", "batch_too_large"}
_UNITS = {"dead_relus", "saturated_units", "vanishing_gradients", "exploding_gradients"}
_ENDS = {"overfitting", "majority_collapse", "too_little_capacity", "label_noise"}
_ALL = _STEPS | _UNITS | _ENDS | {"non_finite", "over_regularized"}

EXPLAINS: dict[str, set[str]] = {
    "inputs_not_scaled": _ALL,
    "targets_not_scaled": _ALL,
    "wrong_output": _ALL - {"non_finite"},
    "leakage": _ENDS,
    "unshuffled": _STEPS | _UNITS | _ENDS,
    "symmetric_start": _ALL | {"frozen_parameters"},
    "frozen_parameters": _ENDS,
    "batch_norm_tiny_batch": _ENDS | _STEPS,
    "vanishing_gradients": _ENDS | _STEPS | {"saturated_units"},
    "exploding_gradients": _ENDS | _STEPS | {"dead_relus", "saturated_units", "non_finite"},
    "dead_relus": _ENDS | _STEPS | {"vanishing_gradients", "frozen_parameters"},
    "saturated_units": _ENDS | _STEPS | {"vanishing_gradients"},
    "learning_rate_too_high": _ENDS | _UNITS | {"batch_too_small", "non_finite"},
    "learning_rate_too_low": _ENDS,
    "batch_too_small": _ENDS | _UNITS | {"learning_rate_too_high", "non_finite"},
    "batch_too_large": _ENDS,
    "over_regularized": _ENDS | _UNITS | _STEPS,
    "label_noise": _ENDS,
    "too_little_capacity": _ENDS | _STEPS | {"dead_relus", "saturated_units"},
    "overfitting": set(),
    "majority_collapse": set(),
    "non_finite": set(),
}
"""What each illness brings with it."""


def findings_of(case: Case) -> list[Finding]:
    """All findings on a run, the causes first.

    Args:
        case: Its record.

    Returns:
        The findings in the order of the catalog, which puts causes before what they bring about;
        each names the check behind it. Notes come last and explain nothing. An empty list for a
        healthy run.
    """
    found = [finding for check in CHECKS.values() if (finding := check.find(case)) is not None]
    found = sorted(found, key=lambda finding: _rank(finding, case))
    causes = [_cause(finding, found[:i]) for i, finding in enumerate(found)]
    return [replace(finding, cause=cause) for finding, cause in zip(found, causes, strict=True)]


def _rank(finding: Finding, case: Case) -> int:
    """Causes first; a NaN that was not in the records comes from something else."""
    if finding.severity == "note":
        return len(CHECKS) + 1
    if finding.check == "non_finite" and not case.facts.get("not_finite"):
        return len(CHECKS)
    if finding.check in ("dead_relus", "saturated_units") and not _from_the_start(finding, case):
        return list(CHECKS).index("learning_rate_too_low")
    return list(CHECKS).index(finding.check)


def _from_the_start(finding: Finding, case: Case) -> bool:
    """Whether units were dead or saturated before anything was learned."""
    name = {"dead_relus": "fed_dead", "saturated_units": "fed_saturated"}[finding.check]
    rows = case.column(name)
    return bool(rows) and max(known(rows[0][1:]), default=0.0) > 0.4


def _cause(finding: Finding, before: list[Finding]) -> str:
    """The first of the findings before it that explains it; itself where none does."""
    behind = [
        f.check for f in before if finding.check in EXPLAINS[f.check] and f.severity != "note"
    ]
    return behind[0] if behind else finding.check
