"""What was found in the data and what was done about it: the data report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Rejected:
    """A record that is not used.

    Args:
        file: File (or "DataFrame", "array") it comes from.
        line: Line in the file, counted from 1 with the header as line 1; row number from 0 for
            sources without lines; 0 for a file that is rejected as a whole.
        reason: Why it is not used.
    """

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Finding:
    """Something about the data that the user should know.

    Args:
        code: Stable name, e.g. "constant-column", "duplicates-across-splits", "unknown-category".
        message: One line: what, where, what was done, what the user may do.
        where: Column, file or split that is concerned.
    """

    code: str
    message: str
    where: str = ""


@dataclass
class DataReport:
    """Everything that is known about the data of a run; written to data_report.json.

    Args:
        source: What the user gave.
        kind: "table" or "images".
        fingerprint: sha256 over the records as read.
        read: Records found.
        used: Records that enter a split.
        splits: Number of records in train, valid and test.
        split_method: How they were split, in words.
        target: Name, task, reason, and class counts or summary statistics.
        columns: One entry a column (tables): name, kind, reason, used, missing, unique,
            treatment. Images: one entry, with sizes and channels.
        rejected: Every record that is not used.
        findings: Warnings, in the order of their weight.
    """

    source: str
    kind: str
    fingerprint: str = ""
    read: int = 0
    used: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    split_method: str = ""
    target: dict[str, Any] = field(default_factory=dict)
    columns: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {"schema": SCHEMA_VERSION, **asdict(self)}


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: 1 record, 2 records."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
