"""What the user should know about the data, in lines and in brief."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnatomy.data.quality import DataReport
from nnatomy.jobs.config import place_of
from nnatomy.report.wording import count, plural

_EXAMPLES = 3
Say = Callable[[str], None]


def silent(_message: str) -> None:
    """Say nothing."""


def data_lines(report: DataReport, all_in: Path | None = None) -> Iterator[str]:
    """One line a finding, and one on the records that cannot be used.

    Args:
        report: What was found.
        all_in: The file that lists all those records.
    """
    for finding in report.findings:
        yield finding.message
    if report.rejected:
        first = report.rejected[0]
        where = f" (all in {all_in})" if all_in else ""
        yield (
            f"{plural(len(report.rejected), 'record')} of {count(report.read)} cannot be used, "
            f"e.g. {place_of(first)}: {first.reason}{where}"
        )


def say_data(report: DataReport, say: Say, all_in: Path | None = None) -> None:
    """Say each of `data_lines`."""
    for words in data_lines(report, all_in):
        say(f"data: {words}")


def data_in_brief(report: DataReport) -> dict[str, Any]:
    """What a comparison keeps of the report: JSON-able, and short however many the records are."""
    unused = [column["name"] for column in report.columns if not column.get("used", True)]
    return {
        "fingerprint": report.fingerprint,
        "kind": report.kind,
        "read": report.read,
        "used": report.used,
        "splits": report.splits,
        "split_method": report.split_method,
        "target": report.target,
        "unused_columns": [name for name in unused if name != report.target.get("name")],
        "rejected": len(report.rejected),
        "rejected_examples": [asdict(entry) for entry in report.rejected[:_EXAMPLES]],
        "findings": [asdict(finding) for finding in report.findings],
        "lines": list(data_lines(report)),
    }
