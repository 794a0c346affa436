"""How well numbers are predicted: predictions against the truth, and the residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnatomy.report.decimate import Point
from nnatomy.report.document import Figure
from nnatomy.report.svg import Box, Drawing, Scale, tick_label
from nnatomy.report.wording import count, finite, number

WIDTH = 720
SIDE = 268


def residual_figure(points: Sequence[Sequence[Any]], residuals: Mapping[str, Any]) -> Figure | None:
    """Draw predictions against the truth, and beside them the histogram of the residuals.

    Args:
        points: Pairs (actual, predicted).
        residuals: "edges" of the bins and "counts" in them.

    Returns:
        The figure, or None where neither is known.
    """
    pairs = [
        (actual, predicted)
        for pair in points
        if (actual := finite(pair[0])) is not None and (predicted := finite(pair[1])) is not None
    ]
    edges = [float(edge) for edge in residuals.get("edges") or ()]
    counts = [float(amount) for amount in residuals.get("counts") or ()]
    if not pairs and not counts:
        return None
    alt = _alt(pairs, edges, counts)
    drawing = Drawing(WIDTH, 342, "Predictions and residuals", alt)
    if pairs:
        _draw_scatter(drawing, pairs)
    if counts:
        _draw_histogram(drawing, edges, counts)
    caption = (
        "Left: a point on the dashed line is predicted exactly. "
        "Right: residuals, that is prediction minus truth."
    )
    return Figure("Predictions and residuals", alt, drawing.render(), caption)


def _draw_scatter(drawing: Drawing, pairs: Sequence[Point]) -> None:
    low, high = min(min(pair) for pair in pairs), max(max(pair) for pair in pairs)
    margin = 0.03 * (high - low) or 1.0
    x = Scale(low - margin, high + margin, 68, 68 + SIDE)
    y = Scale(low - margin, high + margin, 22 + SIDE, 22)
    for tick in x.ticks(4):
        drawing.line((x(tick), y.start), (x(tick), y.stop), "grid")
        drawing.line((x.start, y(tick)), (x.stop, y(tick)), "grid")
        drawing.text((x(tick), y.start + 18), tick_label(tick), "muted", "middle")
        drawing.text((60, y(tick) + 4), tick_label(tick), "muted", "end")
    drawing.line((x(x.low), y(y.low)), (x(x.high), y(y.high)), "reference")
    drawing.dots([(x(actual), y(predicted)) for actual, predicted in pairs], "cloud")
    drawing.text((68, 12), "Predicted", "strong")
    drawing.text((68 + SIDE / 2, y.start + 38), "actual", "muted", "middle")


def _draw_histogram(drawing: Drawing, edges: Sequence[float], counts: Sequence[float]) -> None:
    reach = edges[-1] - edges[0] or 1.0
    x = Scale(edges[0], edges[0] + reach, 416, 416 + SIDE)
    y = Scale(0.0, max(counts) or 1.0, 22 + SIDE, 36)
    for tick in y.ticks(4):
        drawing.line((x.start, y(tick)), (x.stop, y(tick)), "grid")
        drawing.text((408, y(tick) + 4), tick_label(tick), "muted", "end")
    for low, high, amount in zip(edges, edges[1:], counts, strict=False):
        drawing.rect(Box(x(low) + 0.5, y(amount), x(high) - 0.5, y.start), "bar")
    if x.low <= 0 <= x.high:
        drawing.line((x(0), y.start), (x(0), 26), "reference")
    drawing.line((x.start, y.start), (x.stop, y.start), "axis")
    for tick in x.ticks(4):
        drawing.text((x(tick), y.start + 18), tick_label(tick), "muted", "middle")
    drawing.text((416, 12), "Records", "strong")
    drawing.text((416 + SIDE / 2, y.start + 38), "residual", "muted", "middle")


def _alt(pairs: Sequence[Point], edges: Sequence[float], counts: Sequence[float]) -> str:
    parts = []
    if pairs:
        actual = [pair[0] for pair in pairs]
        predicted = [pair[1] for pair in pairs]
        parts.append(
            f"{count(len(pairs))} points; actual values from {number(min(actual))} to "
            f"{number(max(actual))}, predicted ones from {number(min(predicted))} to "
            f"{number(max(predicted))}"
        )
    if counts:
        peak = max(range(len(counts)), key=lambda position: counts[position])
        parts.append(
            f"residuals from {number(edges[0])} to {number(edges[-1])}, most often between "
            f"{number(edges[peak])} and {number(edges[peak + 1])}"
        )
    return "; ".join(parts) + "."
