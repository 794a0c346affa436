"""What was measured of every layer while it was trained: small multiples over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnatomy.report.decimate import Point
from nnatomy.report.document import Figure
from nnatomy.report.svg import Box, Drawing, Scale, spread, tick_label
from nnatomy.report.wording import count, distinct, finite, number

WIDTH = 720
LEFT, RIGHT = 64.0, 530.0
HEIGHT, GAP = 130.0, 40.0
LABEL_GAP = 15.0
LONGEST_NAME = 22
QUANTITIES = ("ratio", "dead", "saturated", "gradient")
USUAL = (1e-4, 1e-1)
"""Update of a step as a share of the weights, in trainings that go well."""


@dataclass(frozen=True)
class Line:
    """A layer's values: its name, its class in the style sheet, its points by step."""

    name: str
    css: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Args:
        heading: What is drawn.
        lines: One a layer.
        low: Where the axis begins.
        high: Where it ends.
        log: Equal ratios are equal distances.
        band: A range that is shaded, with its label.
    """

    heading: str
    lines: tuple[Line, ...]
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    band: tuple[float, float, str] | None = None


def health_figure(health: Mapping[str, Any]) -> Figure | None:
    """Draw the measurements of a run by layer.

    Args:
        health: See nnatomy.report.health.

    Returns:
        The figure, or None where nothing was measured.
    """
    measured = health.get("measured") or {}
    panels = _panels(measured)
    if not panels:
        return None
    alt = _alt(panels)
    drawing = Drawing(WIDTH, len(panels) * (HEIGHT + GAP) + 30, "Layer by layer", alt)
    x = _step_scale([step for panel in panels for kept in panel.lines for step, _ in kept.points])
    for position, panel in enumerate(panels):
        top = position * (HEIGHT + GAP) + 28
        _draw_panel(drawing, panel, x, Box(LEFT, top, RIGHT, top + HEIGHT - 10))
    _draw_steps(drawing, x, len(panels) * (HEIGHT + GAP) - GAP + 18)
    return Figure("Layer by layer", alt, drawing.render(), _caption(health, measured))


def _step_scale(steps: Sequence[float]) -> Scale:
    first, last = min(steps), max(steps)
    half = 0.5 if first == last else 0.0
    return Scale(first - half, last + half, LEFT, RIGHT)


def _lines(measured: Mapping[str, Any], name: str) -> tuple[Line, ...]:
    """The curves of a quantity; a layer without any value has none."""
    layers = [entry.get("layer") for entry in measured.get("ratio") or []]
    names, found = _names(measured), []
    for entry in measured.get(name) or []:
        pairs = zip(measured.get("steps") or [], entry.get("values") or [], strict=False)
        known = [(finite(step), finite(value)) for step, value in pairs]
        points = tuple((s, v) for s, v in known if s is not None and v is not None)
        if points:
            css = _style(entry.get("layer"), layers)
            found.append(Line(names[str(entry.get("layer"))], css, points))
    return tuple(found)


def _names(measured: Mapping[str, Any]) -> dict[str, str]:
    """The layers' names as they fit beside a panel, in all panels the same."""
    listed = [entry for kept in QUANTITIES for entry in measured.get(kept) or []]
    return distinct([str(entry.get("layer")) for entry in listed], LONGEST_NAME)


def _style(layer: object, layers: Sequence[object]) -> str:
    """The layer next to the inputs in orange, the last in blue, those between them in grey."""
    if layers and layer == layers[0]:
        return "train"
    return "valid" if layers and layer == layers[-1] else "other"


def _panels(measured: Mapping[str, Any]) -> list[Panel]:
    panels = [
        _logarithmic("Update / weight of a step", _lines(measured, "ratio"), USUAL),
        Panel("Share of dead units before the layer", _lines(measured, "dead")),
        Panel("Share of saturated activations before the layer", _lines(measured, "saturated")),
        _logarithmic("Gradient norm", _lines(measured, "gradient"), None),
    ]
    return [panel for panel in panels if panel.lines]


def _logarithmic(heading: str, lines: Sequence[Line], usual: tuple[float, float] | None) -> Panel:
    """A panel whose axis ends at powers of ten; values of 0 have no place on it."""
    positive = [replace(kept, points=tuple(p for p in kept.points if p[1] > 0)) for kept in lines]
    drawn = tuple(kept for kept in positive if kept.points)
    values = [y for kept in drawn for _, y in kept.points]
    if not values:
        return Panel(heading, ())
    reached = [*values, *(usual or ())]
    low, high = math.floor(math.log10(min(reached))), math.ceil(math.log10(max(reached)))
    band = (*usual, f"usual: {usual[0]:g} to {usual[1]:g}") if usual else None
    return Panel(heading, drawn, 10.0**low, 10.0 ** max(high, low + 1), log=True, band=band)


def _draw_panel(drawing: Drawing, panel: Panel, x: Scale, box: Box) -> None:
    y = Scale(panel.low, panel.high, box.bottom, box.top, log=panel.log)
    if panel.band is not None:
        low, high, words = panel.band
        drawing.rect(Box(LEFT, y(high), RIGHT, y(low)), "band")
        drawing.text((LEFT + 6, y(high) + 13), words, "muted tiny")
    heading = f"{panel.heading}, logarithmic scale" if panel.log else panel.heading
    drawing.text((LEFT, box.top - 10), heading, "strong")
    for tick in y.ticks(5):
        drawing.line((LEFT, y(tick)), (RIGHT, y(tick)), "grid")
        drawing.text((LEFT - 8, y(tick) + 4), tick_label(tick), "muted", "end")
    for kept in panel.lines:
        places = [(x(step), y(value)) for step, value in kept.points]
        if len(places) == 1:
            drawing.circle(places[0], 4, f"{kept.css}-fill")
        else:
            drawing.curve(places, f"{kept.css} thin" if kept.css == "other" else kept.css)
    ends = _within(spread([y(kept.points[-1][1]) for kept in panel.lines], LABEL_GAP), box)
    for kept, place in zip(panel.lines, ends, strict=True):
        words = f"{kept.name} {number(kept.points[-1][1], 2)}"
        drawing.text((RIGHT + 8, place + 4), words, f"{kept.css}-text tiny")


def _within(places: Sequence[float], box: Box) -> list[float]:
    """Labels moved together, so that none stands beside the panel below or above."""
    down = max(0.0, box.top - min(places))
    up = max(0.0, max(places) - box.bottom)
    return [place + down - up for place in places]


def _draw_steps(drawing: Drawing, x: Scale, bottom: float) -> None:
    drawing.line((LEFT, bottom), (RIGHT, bottom), "axis")
    for tick in sorted({round(tick) for tick in x.ticks(6)} | {math.ceil(x.low)}):
        if x.low <= tick <= x.high:
            drawing.line((x(tick), bottom), (x(tick), bottom + 5), "axis")
            drawing.text((x(tick), bottom + 19), count(tick), "muted", "middle")
    drawing.text((LEFT - 22, bottom + 19), "step", "muted", "end")


def _caption(health: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    drawn = len(measured.get("ratio") or [])
    total = finite(health.get("layer_count")) or drawn
    words = (
        "Measured at some steps of the training. Orange: the layer next to the inputs; blue: the"
    )
    words += " one next to the outputs; grey: those between."
    if total > drawn:
        words += (
            f" {drawn} of {count(total)} layers are drawn, evenly spaced; diagnosis.json has all."
        )
    names = _names(measured)
    still = [names[str(e.get("layer"))] for e in measured.get("ratio") or [] if _never(e)]
    if still:
        words += f" Without any change, and so not on a logarithmic scale: {', '.join(still)}."
    return words


def _never(entry: Mapping[str, Any]) -> bool:
    values = [finite(value) for value in entry.get("values") or []]
    return all(value in (None, 0.0) for value in values)


def _alt(panels: Sequence[Panel]) -> str:
    parts = []
    for panel in panels:
        for kept in panel.lines:
            points, values = kept.points, [value for _, value in kept.points]
            parts.append(
                f"{panel.heading}, {kept.name}: from {number(values[0], 3)} at step "
                f"{points[0][0]:.0f} to {number(values[-1], 3)} at step {points[-1][0]:.0f} "
                f"(lowest {number(min(values), 3)}, highest {number(max(values), 3)})"
            )
    return "; ".join(parts) + "."
