"""The report's section on how the training went: what is wrong with it, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnatomy.report.document import Block, Listing, Paragraph, Table
from nnatomy.report.facts import Facts
from nnatomy.report.figures_health import health_figure
from nnatomy.report.wording import lacking_words, line, number, plural


def health_blocks(facts: Facts) -> list[Block]:
    """Findings with evidence and remedy, and the curves of every layer."""
    health = facts.get("health", {})
    found: Sequence[Mapping[str, Any]] = health.get("findings") or []
    looks = plural(health.get("looks") or 0, "measurement")
    blocks: list[Block] = []
    notes = sum(entry.get("severity") == "note" for entry in found)
    if len(found) == notes:
        words = f"No findings: no check of this training, on {looks}, raised anything."
        if notes:
            words += f" {plural(notes, 'note')} on what may be meant."
        blocks.append(Paragraph(words))
    else:
        words = f"{plural(len(found) - notes, 'finding')} on this training, from {looks}; causes "
        words += f"first, then {plural(notes, 'note')} on what may be meant." if notes else "first."
        blocks.append(Paragraph(words))
    if found:
        blocks.append(Listing(tuple(_item(entry) for entry in found)))
        if table := _evidence_table(found):
            blocks.append(table)
    if lacking := health.get("not_judged"):
        named = {check_name(check): words for check, words in lacking.items()}
        blocks.append(Paragraph(f"Not judged: {lacking_words(named)}.", "note"))
    if table := _attempts_table(health.get("attempts") or []):
        blocks.append(table)
    figure = health_figure(health)
    blocks.append(figure or Paragraph("The run holds no measurements by layer."))
    return blocks


def check_name(name: object) -> str:
    """The name of a check as it is printed."""
    return line(str(name).replace("_", " "), 60)


def evidence_value(value: object) -> str:
    """A number of the evidence; "nan" and other texts as they are."""
    return line(value, 40) if isinstance(value, str) else number(value, 3)


def _item(entry: Mapping[str, Any]) -> tuple[str, str]:
    cause = entry.get("cause")
    behind = "" if cause in ("", None, entry.get("check")) else f" Behind it: {check_name(cause)}."
    head = f"{line(entry.get('severity', ''), 20)}: {check_name(entry.get('check'))}"
    text = (
        f"{line(entry.get('symptom', ''), 500)}{behind} What to do: "
        f"{line(entry.get('remedy', ''), 400)} (Lecture, item {line(entry.get('lecture'), 10)}.)"
    )
    return head, text


def _attempts_table(attempts: Sequence[Mapping[str, Any]]) -> Table | None:
    """What healing tried, in order."""
    if not attempts:
        return None
    return Table(
        caption="Remedies that were tried: validation score before and with them",
        columns=(
            ("Finding", "left"),
            ("Remedy", "left"),
            ("Before", "right"),
            ("With it", "right"),
            ("Kept", "left"),
        ),
        rows=tuple(
            (
                check_name(attempt.get("check")),
                line(attempt.get("remedy", ""), 120),
                evidence_value(attempt.get("before")),
                evidence_value(attempt.get("after")),
                "yes" if attempt.get("kept") else "no",
            )
            for attempt in attempts
        ),
        note="Each on a run of the same seed and records; a change is kept where the score rises, "
        "or the finding is gone and the score no worse. The report is of the healed run.",
    )


def _evidence_table(found: Sequence[Mapping[str, Any]]) -> Table | None:
    rows = tuple(
        (
            check_name(entry.get("check")),
            line(proof.get("what", ""), 120),
            evidence_value(proof.get("value")),
            line(proof.get("limit") or "none", 40),
        )
        for entry in found
        for proof in entry.get("evidence") or []
    )
    if not rows:
        return None
    return Table(
        caption="The evidence, with the limits that the checks draw",
        columns=(
            ("Finding", "left"),
            ("Measured", "left"),
            ("Value", "right"),
            ("Limit", "right"),
        ),
        rows=rows,
    )
