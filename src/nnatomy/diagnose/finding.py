"""What a check reports."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["critical", "warning", "note"]


@dataclass(frozen=True)
class Evidence:
    """A number that speaks for a finding.

    Args:
        what: What was measured, and where.
        value: The number.
        limit: Where the check draws the line, e.g. "> 0.5".
    """

    what: str
    value: float | int | str
    limit: str


def _finite(value: float | int | str) -> bool:
    return isinstance(value, str) or math.isfinite(value)


@dataclass(frozen=True)
class Finding:
    """Something wrong with a training run.

    Args:
        check: Name of the check, see nnatomy.diagnose.checks.catalog.
        severity: "critical" where the network cannot learn as it is, "warning" where it learns
            worse than it could, "note" for what may be meant.
        symptom: What was seen, in a sentence.
        evidence: The numbers behind it with their limits.
        remedy: What to do about it, in a sentence.
        lecture: The lecture's item that explains it.
        cause: Name of the check whose finding explains this one; its own name where none does.
    """

    check: str
    severity: Severity
    symptom: str
    evidence: tuple[Evidence, ...]
    remedy: str
    lecture: str
    cause: str = ""

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON-able values; a number that is not finite is null."""
        values = asdict(self)
        values["evidence"] = [
            asdict(e) | ({} if _finite(e.value) else {"value": None}) for e in self.evidence
        ]
        return values

    def __str__(self) -> str:
        behind = "" if self.cause in ("", self.check) else f" (behind it: {self.cause})"
        meant = " (a note: it may be meant)" if self.severity == "note" else ""
        return f"{self.check}{behind}{meant}: {self.symptom} {self.remedy}"
