"""Pictures of the data and of the verdict: class balance, and metrics beside their baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnatomy.report.document import Figure
from nnatomy.report.svg import Box, Drawing, Scale, tick_label
from nnatomy.report.wording import (
    PERCENT_METRICS,
    baseline_name,
    count,
    finite,
    line,
    metric_in_full,
    metric_name,
    percent,
)

WIDTH = 720
MOST_BARS = 30


def comparison_figure(
    key: str, ours: tuple[str, Mapping[str, Any]], baselines: Mapping[str, Mapping[str, Any]]
) -> Figure | None:
    """Draw one metric of the network and its baselines as points with their intervals.

    Args:
        key: Name of the metric.
        ours: The network's name and its entry (value, low, high).
        baselines: Entry of each baseline.

    Returns:
        The figure, or None where the network has no finite value.
    """
    entries = [ours, *((baseline_name(name), entry) for name, entry in baselines.items())]
    rows = [
        (name, value, finite(entry.get("low")), finite(entry.get("high")), entry)
        for name, entry in entries
        if (value := finite(entry.get("value"))) is not None
    ]
    if not rows or rows[0][0] != ours[0]:
        return None
    reach = [bound for row in rows for bound in row[1:4] if bound is not None]
    x = _comparison_scale(key, min(reach), max(reach))
    alt = "; ".join(f"{name}: {metric_in_full(key, entry)}" for name, *_, entry in rows) + "."
    title = f"{metric_name(key)} beside the baselines"
    height = 34 * len(rows) + 46
    drawing = Drawing(WIDTH, height, title, alt)
    for tick in x.ticks(6):
        words = f"{100 * tick:.4g} %" if key in PERCENT_METRICS else tick_label(tick)
        drawing.line((x(tick), 4), (x(tick), height - 42), "grid")
        drawing.text((x(tick), height - 24), words, "muted", "middle")
    for position, (name, value, low, high, entry) in enumerate(rows):
        y, css = 20 + 34 * position, "train" if position == 0 else "other"
        drawing.text((172, y + 4), line(name, 27), "strong" if position == 0 else "", "end")
        if low is not None and high is not None:
            drawing.line((x(low), y), (x(high), y), f"{css} range")
        drawing.circle((x(value), y), 5.5, f"{css}-fill")
        drawing.text((522, y + 4), metric_in_full(key, entry), "strong" if position == 0 else "")
    drawing.text((x.start, height - 6), _axis_words(key, x), "muted")
    caption = "Point: value on the test set; bar: its interval, where there is one."
    return Figure(title, alt, drawing.render(), caption)


def _comparison_scale(key: str, low: float, high: float) -> Scale:
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - margin, high + margin
    if key in PERCENT_METRICS or key == "macro_f1":
        low, high = max(low, 0.0), min(high, 1.0)
    if 0 < low < 0.25 * high:
        low = 0.0
    return Scale(low, high, 196, 496)


def _axis_words(key: str, x: Scale) -> str:
    if x.low <= 0 <= x.high:
        return ""
    start = percent(x.low) if key in PERCENT_METRICS else tick_label(float(f"{x.low:.3g}"))
    return f"The axis does not begin at zero but at {start}."


def balance_figure(counts: Mapping[str, float]) -> Figure | None:
    """Draw how many records each class has, the largest first.

    Up to 30 classes are bars with their counts; more are a profile of columns.
    """
    ranked = sorted(
        ((name, value) for name, given in counts.items() if (value := finite(given)) is not None),
        key=lambda item: -item[1],
    )
    total = sum(value for _, value in ranked)
    if not total:
        return None
    largest, smallest = ranked[0], ranked[-1]
    if len(ranked) <= MOST_BARS:
        alt = "; ".join(f"{line(name, 40)}: {count(value)}" for name, value in ranked) + "."
        return Figure("Class balance", alt, _bars(ranked, total, alt))
    alt = (
        f"{len(ranked)} classes; the largest is {line(largest[0], 40)} with {count(largest[1])} "
        f"records, the smallest {line(smallest[0], 40)} with {count(smallest[1])}."
    )
    return Figure("Class balance", alt, _profile(ranked, alt), "One column a class, by size.")


def _bars(ranked: Sequence[tuple[str, float]], total: float, alt: str) -> str:
    pitch = 24
    drawing = Drawing(WIDTH, pitch * len(ranked) + 4, "Class balance", alt)
    x = Scale(0.0, ranked[0][1], 172, 560)
    for position, (name, value) in enumerate(ranked):
        y = pitch * position + 2
        drawing.text((162, y + 15), line(name, 24), "", "end")
        drawing.rect(Box(172, y + 2, max(x(value), 173), y + pitch - 4), "bar")
        drawing.text((x(value) + 8, y + 15), f"{count(value)}  ({percent(value / total)})", "muted")
    return drawing.render()


def _profile(ranked: Sequence[tuple[str, float]], alt: str) -> str:
    drawing = Drawing(WIDTH, 190, "Class balance", alt)
    x = Scale(0, len(ranked), 56, WIDTH - 8)
    y = Scale(0.0, ranked[0][1], 150, 24)
    for tick in y.ticks(4):
        drawing.line((56, y(tick)), (WIDTH - 8, y(tick)), "grid")
        drawing.text((48, y(tick) + 4), tick_label(tick), "muted", "end")
    outline = [(x(0), 150.0)]
    for position, (_, value) in enumerate(ranked):
        outline += [(x(position), y(value)), (x(position + 1), y(value))]
    drawing.curve([*outline, (x(len(ranked)), 150.0)], "bar", closed=True)
    drawing.text((60, 14), "records of a class", "muted")
    drawing.text((56, 176), f"largest: {line(ranked[0][0], 40)}", "muted")
    drawing.text((WIDTH - 8, 176), f"smallest: {line(ranked[-1][0], 40)}", "muted", "end")
    return drawing.render()
