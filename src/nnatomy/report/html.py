"""The report as one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from nnatomy.report.build import build_document
from nnatomy.report.decimate import decimate
from nnatomy.report.document import Document
from nnatomy.report.facts import Facts
from nnatomy.report.wording import finite, plain

SIZE_LIMIT = 2 * 1024 * 1024  # bytes
COLUMNS_KEPT = 150  # of a learning curve, where all its epochs would not fit


def render_html(document: Document, facts: Facts) -> str:
    """Write a document as a page that holds its facts.

    Where the page would exceed 2 MiB, the maps of the examples are dropped first, then the
    examples, then the long lists of the embedded facts, until it fits; the caveats say what was
    left out.

    Args:
        document: The document of the facts.
        facts: Embedded as JSON in `<script type="application/json" id="facts">`; numbers that
            are not finite become null.
    """
    page = _page(document, facts)
    for name, drop in REDUCTIONS:
        if len(page.encode()) <= SIZE_LIMIT:
            break
        if name in facts.get("left_out", []):
            continue
        reduced = copy.deepcopy(facts)
        drop(reduced)
        if reduced == facts:
            continue
        facts = reduced
        facts["left_out"] = [*facts.get("left_out", []), name]
        page = _page(build_document(facts), facts)
    return page


def embedded_json(facts: Facts) -> str:
    """Facts as JSON that no HTML parser can take for markup: <, > and & are escaped."""
    text = json.dumps(_without_nan(facts), separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page(document: Document, facts: Facts) -> str:
    return template("report.html.j2").render(
        document=document,
        facts_json=Markup(embedded_json(facts)),  # its markup characters are escaped
        version=version("nnatomy"),
    )


def template(name: str) -> Template:
    """One of the package's templates; whatever it prints is escaped and made printable."""
    environment = Environment(
        loader=PackageLoader("nnatomy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    return environment.get_template(name)


def _printable(value: object) -> object:
    return plain(value) if type(value) is str else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _drop_maps(facts: Facts) -> None:
    for entries in (facts.get("result", {}).get("examples") or {}).values():
        for entry in entries:
            entry.pop("map", None)


def _drop_examples(facts: Facts) -> None:
    facts.get("result", {}).pop("examples", None)


def _drop_rejected(facts: Facts) -> None:
    report = facts.get("data_report", {})
    rejected = report.get("rejected") or []
    report |= {"rejected": rejected[:100], "rejected_count": len(rejected)}


def _drop_curves(facts: Facts) -> None:
    evaluation = facts.get("result", {}).get("evaluation") or {}
    for key in ("roc", "pr"):
        evaluation.pop(key, None)


def _drop_rows(facts: Facts) -> None:
    rows = facts.get("metrics", [])
    kept: set[int] = set()
    for key in ("loss", "valid_loss", "valid_score", "grad_norm", "lr"):
        points = [
            (float(position), value)
            for position, row in enumerate(rows)
            if (value := finite(row.get(key))) is not None
        ]
        kept.update(int(position) for position, _ in decimate(points, COLUMNS_KEPT))
    facts["metrics"] = [rows[position] for position in sorted(kept)]


def _drop_measurements(facts: Facts) -> None:
    facts.get("health", {}).pop("measured", None)


REDUCTIONS: tuple[tuple[str, Callable[[Facts], None]], ...] = (
    ("the maps of the examples", _drop_maps),
    ("the examples", _drop_examples),
    ("rejected records beyond the first 100", _drop_rejected),
    ("the ROC and precision–recall curves", _drop_curves),
    ("epochs other than the extremes of the learning curves", _drop_rows),
    ("what was measured by layer", _drop_measurements),
)
