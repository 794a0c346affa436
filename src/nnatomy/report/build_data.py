"""The report's section on the data: where they come from, how they were split and treated."""

from __future__ import annotations

from typing import Any

from nnatomy.report.caveats import class_counts
from nnatomy.report.document import Block, Listing, Paragraph, Table
from nnatomy.report.facts import Facts
from nnatomy.report.figures_data import balance_figure
from nnatomy.report.wording import count, line, number, percent, plural

MOST_COLUMNS = 100
MOST_REJECTED = 20


def data_blocks(facts: Facts) -> list[Block]:
    """Origin, splits, class balance or target, columns, rejected records, findings."""
    report, result = facts.get("data_report", {}), facts.get("result", {})
    blocks: list[Block] = [Paragraph(_origin(report, result))]
    splits = report.get("splits") or result.get("splits") or {}
    if splits:
        blocks.append(_splits_table(splits, report))
    counts = class_counts(facts) if result.get("task") == "classification" else {}
    if figure := balance_figure(counts):
        blocks.append(figure)
    target = report.get("target") or {}
    if result.get("task") == "regression" and (table := _target_table(target)):
        blocks.append(table)
    if report.get("columns"):
        blocks.append(_columns_table(report["columns"]))
    if report.get("rejected"):
        blocks.append(_rejected_table(report["rejected"], report.get("rejected_count")))
    if report.get("findings"):
        blocks.append(
            Listing(
                tuple(
                    (
                        line(finding.get("where") or finding.get("code"), 60),
                        line(finding["message"], 400),
                    )
                    for finding in report["findings"]
                )
            )
        )
    if not report:
        blocks.append(Paragraph("The run holds no data report."))
    return blocks


def _origin(report: dict[str, Any], result: dict[str, Any]) -> str:
    words = f"Source: {line(report.get('source') or result.get('source') or 'not recorded', 160)}."
    if report.get("read"):
        words += f" {plural(report['read'], 'record')} read, {count(report.get('used'))} used."
    target = report.get("target") or {}
    if target.get("reason"):
        reason = line(target["reason"], 200).rstrip(".")
        words += f" Target: {line(result.get('target', ''), 60)} ({reason})."
    if report.get("fingerprint"):
        words += f" Fingerprint: {line(report['fingerprint'], 16)}."
    return words


def _splits_table(splits: dict[str, Any], report: dict[str, Any]) -> Table:
    names = {"train": "training", "valid": "validation", "test": "test"}
    total = sum(splits.values())
    return Table(
        caption="Splits",
        columns=(("Split", "left"), ("Records", "right"), ("Share", "right")),
        rows=tuple(
            (names.get(key, line(key, 30)), count(value), percent(value / total if total else None))
            for key, value in splits.items()
        ),
        note=line(report.get("split_method") or "", 300),
    )


def _target_table(target: dict[str, Any]) -> Table | None:
    rows = tuple(
        (line(name, 40), number(value)) for name, value in (target.get("values") or {}).items()
    )
    columns = (("Statistic", "left"), ("Value", "right"))
    return Table("Target", columns, rows) if rows else None  # type: ignore[arg-type]


def _columns_table(columns: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            line(column.get("name"), 60),
            line(column.get("kind", ""), 30),
            "yes" if column.get("used", True) else "no",
            count(column.get("missing")),
            count(column.get("unique")),
            line(column.get("treatment") or column.get("reason") or "", 160),
        )
        for column in columns[:MOST_COLUMNS]
    )
    rest = len(columns) - len(rows)
    return Table(
        caption="Columns",
        columns=(
            ("Column", "left"),
            ("Kind", "left"),
            ("Used", "left"),
            ("Missing", "right"),
            ("Unique", "right"),
            ("Treatment", "left"),
        ),
        rows=rows,
        note=f"{plural(rest, 'further column')} in data_report.json." if rest else "",
    )


def _rejected_table(rejected: list[dict[str, Any]], total: int | None) -> Table:
    rows = tuple(
        (line(entry.get("file"), 80), count(entry.get("line")), line(entry.get("reason"), 200))
        for entry in rejected[:MOST_REJECTED]
    )
    rest = (total or len(rejected)) - len(rows)
    return Table(
        caption="Records that were not used",
        columns=(("File", "left"), ("Line", "right"), ("Reason", "left")),
        rows=rows,
        note=f"{plural(rest, 'further record')} in data_report.json." if rest else "",
    )
