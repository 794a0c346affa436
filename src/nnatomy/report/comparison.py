"""A comparison as text, as a page, and as a snippet for notebooks."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnatomy.conversion import written
from nnatomy.report.html import template
from nnatomy.report.wording import count, line, number, seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]
_MOST_PANELS = 12
_NOTEBOOK_ROWS = 50
_COLUMNS = 4
_LONGEST = 300
_SAME_LOSS = 1e-6
_SELDOM = {
    *("momentum", "shuffle", "tol", "monitor"),
    *("device", "precision", "engine", "threads"),
}
"""Settings that are named among those of all only where the user has set them."""
_INTERVALS = (
    "Intervals are over the seeds only: they leave out which records are for validation, and that "
    "the best epoch was chosen on them. Those behind the best hold for all pairs of settings at "
    "once"
)


def settings_text(settings: Mapping[str, Any], longest: int = 120) -> str:
    """Settings as one would type them; "all alike" where only seeds were varied."""
    words = " ".join(f"{name}={written(value)}" for name, value in settings.items())
    return line(words, longest) or "all alike"


def common_text(facts: Facts) -> str:
    """What all runs had: what the user set, and what else shapes a result and is not off."""
    given = facts["config"].get("settings", {})
    shown = {
        name: value
        for name, value in facts["common"].items()
        if name in given or name == "seed" or (value and name not in _SELDOM)
    }
    return f"same for all: {settings_text(shown, _LONGEST)}" if shown else ""


def table_of(facts: Facts) -> tuple[list[str], list[list[str]]]:
    """The head and the lines of the table."""
    names = list(facts["rows"][0]["settings"])
    head = [*names, "runs", facts["score_name"], "95 % interval", "behind the best", "loss"]
    head.append("best epoch")
    lines = [_cells(row, names, _without_interval(row, facts["runs"])) for row in facts["rows"]]
    time = _time_title(facts["runs"])
    if time:
        head.append(time)
        for cells, row in zip(lines, facts["rows"], strict=True):
            cells.append(seconds(row["seconds"]))
    return head, lines


def _time_title(runs: Sequence[Mapping[str, Any]]) -> str:
    """What the seconds of a run are; empty where each has those of all that were stacked."""
    engines = {run["engine"] for run in runs}
    if "stacked" in engines:
        return ""
    beside = "compiled" in engines and len(runs) > 1
    return "time, others beside" if beside else "time of a run"


def _without_interval(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> str:
    """Why the scores have no spread: equal losses too, or scores that are tied."""
    if row["runs"] < 2 or row["diverged"]:
        return ""
    losses = [
        run["loss"]
        for run in runs
        if {k: v for k, v in run["settings"].items() if k != "seed"} == row["settings"]
    ]
    tied = max(losses) - min(losses) > _SAME_LOSS
    return "the same score in every seed" if tied else "seeds make no difference"


def _cells(row: Mapping[str, Any], names: Sequence[str], alike: str) -> list[str]:
    cells = [line(written(row["settings"][name]), 40) for name in names]
    diverged = f" + {row['diverged']} diverged" if row["diverged"] else ""
    cells.append(f"{row['runs']}{diverged}")
    if row["score"] is None:
        return [*cells, "diverged", "", "", "", ""]
    return [
        *cells,
        f"{row['score']:.4f}",
        alike if row["interval"] is None else _span(row["interval"]),
        _behind(row),
        number(row["loss"]),
        f"{row['best_epoch']:.0f}",
    ]


def _behind(row: Mapping[str, Any]) -> str:
    if row["diverged"]:
        return "not comparable"
    if row["behind"] is None:
        return ""
    reason = f"({row['reason']})" if row["reason"] else ""
    return f"{row['behind']:.4f} {_span(row['behind_interval']) or reason}".strip()


def _span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def comparison_text(facts: Facts) -> str:
    """Table and sentence in plain text."""
    head, lines = table_of(facts)
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rows = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (head, *lines)
    ]
    words = [facts["verdict"], _held_out(facts), common_text(facts)]
    return "\n".join([*rows, *filter(None, words)])


def _held_out(facts: Facts) -> str:
    records = facts["records"]
    words = f"Compared on {records['valid']} validation records, the same for all"
    if facts["test_score"] is not None:
        score = f"{facts['score_name']} {facts['test_score']:.4f}"
        words += f"; the best run reaches {score} on {records['test']} test records kept for it"
    if any(row["interval"] or row["behind_interval"] for row in facts["rows"]):
        words += f". {_INTERVALS}"
    return f"{words}."


def snippet_html(facts: Facts) -> str:
    """For a notebook: no script, no picture."""
    head, lines = table_of(facts)
    return template("comparison_snippet.html.j2").render(
        head=head,
        lines=lines[:_NOTEBOOK_ROWS],
        left_out=len(lines) - len(lines[:_NOTEBOOK_ROWS]),
        verdict=facts["verdict"],
        held_out=_held_out(facts),
        common=common_text(facts),
    )


def comparison_html(facts: Facts) -> str:
    """The whole page, with the curves."""
    head, lines = table_of(facts)
    return template("comparison.html.j2").render(
        source=line(facts["source"], 80),
        head=head,
        lines=lines,
        verdict=facts["verdict"],
        held_out=_held_out(facts),
        common=common_text(facts),
        data=_data_lines(facts["data"]),
        made_with=_made_with(facts),
        picture=base64.b64encode(curves_png(facts)).decode(),
        panels=min(len(facts["rows"]), _MOST_PANELS),
        settings=len(facts["rows"]),
    )


def _data_lines(data: Facts) -> list[str]:
    """What was read, what of it was used and how it was split, then each finding."""
    if not data:
        return []
    read, used = count(data["read"]), count(data["used"])
    parts = ", ".join(f"{count(n)} {part}" for part, n in data["splits"].items())
    target = data["target"].get("name")
    words = [f"{used} of {read} records used: {parts}."]
    words += [f"Split: {data['split_method']}."] if data["split_method"] else []
    words += [f"Target: {target}."] if target else []
    if data["unused_columns"]:
        words.append(f"Unused columns: {', '.join(data['unused_columns'])}.")
    return [line(text, _LONGEST) for text in [*words, *data["lines"]]]


def _made_with(facts: Facts) -> str:
    names = ("nnatomy", "python", "torch", "platform")
    words = ", ".join(f"{name} {facts['env'][name]}" for name in names if name in facts["env"])
    fingerprint = facts["data"].get("fingerprint", "")
    return f"{words}; data {fingerprint[:16]}" if words else ""


def curves_png(facts: Facts) -> bytes:
    """Validation loss against epochs: a panel a setting, the best first, on the same axes."""
    import matplotlib
    from matplotlib.figure import Figure

    from nnatomy.report.projector import PROJECTOR

    rows = facts["rows"][:_MOST_PANELS]
    columns = min(_COLUMNS, len(rows))
    lines = math.ceil(len(rows) / columns)
    with matplotlib.rc_context(PROJECTOR):
        figure = Figure(figsize=(4.4 * columns + 1, 3.6 * lines + 1), layout="constrained")
        _draw(figure, facts, rows, (lines, columns))
        made = io.BytesIO()
        figure.savefig(made, format="png", dpi=72)
    return made.getvalue()


def _draw(
    figure: Figure, facts: Facts, rows: Sequence[Mapping[str, Any]], shape: tuple[int, int]
) -> None:
    import numpy as np

    from nnatomy.report.projector import BLUE, DARK

    axes = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
    highest = 0.0
    for panel, row in zip(axes, rows, strict=False):
        curves = _curves(facts["runs"], row["settings"])
        for curve in curves:
            panel.plot(range(1, len(curve) + 1), curve, color=BLUE, alpha=0.35, linewidth=1.5)
            highest = max(highest, curve[0], curve[-1])
        if len(curves) > 1:
            length = min(map(len, curves))  # where all of them still ran
            mean = np.mean([curve[:length] for curve in curves], axis=0)
            panel.plot(range(1, length + 1), mean, color=DARK)
        panel.set_title(line(settings_text(row["settings"]), 30))
    for panel in axes[len(rows) :]:
        panel.set_visible(False)
    axes[0].set_ylim(0, 1.05 * highest if highest > 0 else 1)
    figure.supxlabel("epoch")
    figure.supylabel("validation loss")


def _curves(runs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[list[float]]:
    return [
        [row["valid_loss"] for row in run["history"]]
        for run in runs
        if {k: v for k, v in run["settings"].items() if k != "seed"} == settings and run["history"]
    ]
