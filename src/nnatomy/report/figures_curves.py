"""Learning curves: losses, validation score, gradient norm and learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnatomy.report.decimate import Point, decimate, moving_mean
from nnatomy.report.document import Figure
from nnatomy.report.svg import Anchor, Box, Drawing, Scale, spread, tick_label
from nnatomy.report.wording import finite, metric_name, number

WIDTH = 720
LEFT, RIGHT = 56.0, 584.0
SMOOTH_FROM = 40  # epochs; shorter curves are readable as they are
BRIEF_COLUMNS = 60
LOG_FROM = 50  # ratio of the largest to the smallest value


@dataclass(frozen=True)
class Series:
    """One line of a panel: its name, its class in the style sheet, its points by epoch."""

    name: str
    css: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One set of axes: heading, height in pixels, lines, and the range its axis must include."""

    heading: str
    height: float
    series: tuple[Series, ...]
    include: tuple[float, ...] = ()
    log: bool = False


def curves_figure(
    rows: Sequence[Mapping[str, Any]], best_epoch: float | None, *, score: str, brief: bool = False
) -> Figure | None:
    """Draw the curves of a run as small multiples over one epoch axis.

    Args:
        rows: Rows of metrics.jsonl.
        best_epoch: Epoch whose weights were kept, counted as in the rows, or None.
        score: Key of the validation score, "accuracy" or "r2".
        brief: Only losses and score, in a few kilobytes.

    Returns:
        The figure, or None where no row holds a finite number.
    """
    panels = _panels(rows, score)[: 2 if brief else 4]
    if not panels:
        return None
    epochs = [x for panel in panels for series in panel.series for x, _ in series.points]
    window = 1 if brief else smoothing_window(round(max(epochs) - min(epochs)) + 1)
    columns = BRIEF_COLUMNS if brief else int(RIGHT - LEFT)
    alt = _alt(panels, best_epoch)
    height = sum(panel.height + 34 for panel in panels) + 34
    drawing = Drawing(WIDTH, height, "Learning curves", alt)
    x = _epoch_scale(min(epochs), max(epochs))
    best = best_epoch if best_epoch is not None and x.low <= best_epoch <= x.high else None
    top = 22.0
    for panel in panels:
        box = Box(LEFT, top + 22, RIGHT, top + panel.height)
        if best is not None:
            drawing.line((x(best), box.top), (x(best), box.bottom), "best")
        _draw_panel(drawing, panel, x, box=box, detail=(window, columns))
        top += panel.height + 34
    bottom = top - 34
    if best is not None:
        drawing.text((x(best), 14), f"best epoch {best:.0f}", "strong", _side(x, best))
    _draw_epochs(drawing, x, bottom)
    caption = "One value an epoch; the vertical line marks the epoch whose weights were kept."
    if window > 1:
        caption += f" Faint: the values; strong: their centered mean over {window} epochs."
    return Figure("Learning curves", alt, drawing.render(), caption)


def smoothing_window(epochs: int) -> int:
    """Odd number of epochs to average over; 1 where a curve is short enough to be read raw."""
    return 1 if epochs < SMOOTH_FROM else 2 * (epochs // 40) + 3


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[Point, ...]:
    found = []
    for row in rows:
        epoch, value = finite(row.get("epoch")), finite(row.get(key))
        if epoch is not None and value is not None:
            found.append((epoch, value))
    return tuple(found)


def _panels(rows: Sequence[Mapping[str, Any]], score: str) -> list[Panel]:
    losses = (
        Series("training", "train", _points(rows, "loss")),
        Series("validation", "valid", _points(rows, "valid_loss")),
    )
    scores = (Series("validation", "valid", _points(rows, "valid_score")),)
    norms = (Series("", "train", _points(rows, "grad_norm")),)
    rates = (Series("", "train", _points(rows, "lr")),)
    low = min((y for _, y in scores[0].points), default=0.0)
    whole = (0.0, 1.0) if score == "accuracy" or low >= 0 else (1.0,)
    panels = [
        Panel("Loss", 170, losses, (0.0,), log=_wide(losses)),
        Panel(f"{metric_name(score)} on the validation set", 120, scores, whole),
        Panel("Gradient norm", 76, norms, (0.0,), log=_wide(norms)),
        Panel("Learning rate", 76, rates, (0.0,), log=_wide(rates)),
    ]
    drawn = []
    for panel in panels:
        kept = tuple(series for series in panel.series if series.points)
        if kept:
            drawn.append(Panel(panel.heading, panel.height, kept, panel.include, panel.log))
    return drawn


def _wide(series: Sequence[Series]) -> bool:
    values = [y for line in series for _, y in line.points]
    return bool(values) and min(values) > 0 and max(values) / min(values) >= LOG_FROM


def _epoch_scale(first: float, last: float) -> Scale:
    if first == last:
        return Scale(first - 0.5, last + 0.5, LEFT, RIGHT)
    return Scale(first, last, LEFT, RIGHT)


def _side(x: Scale, epoch: float) -> Anchor:
    if x(epoch) < LEFT + 60:
        return "start"
    return "end" if x(epoch) > RIGHT - 60 else "middle"


def _draw_panel(
    drawing: Drawing, panel: Panel, x: Scale, *, box: Box, detail: tuple[int, int]
) -> None:
    values = [y for series in panel.series for _, y in series.points]
    if panel.log:
        y = Scale(min(values) / 1.1, max(values) * 1.1, box.bottom, box.top, log=True)
    else:
        low, high = min([*values, *panel.include]), max([*values, *panel.include])
        y = Scale(low, high if high > low else low + 1.0, box.bottom, box.top)
    heading = f"{panel.heading}, logarithmic scale" if panel.log else panel.heading
    drawing.text((LEFT, box.top - 12), heading, "strong")
    for tick in y.ticks(5 if panel.height > 100 else 3):
        drawing.line((LEFT, y(tick)), (RIGHT, y(tick)), "grid")
        drawing.text((LEFT - 8, y(tick) + 4), tick_label(tick), "muted", "end")
    for series in panel.series:
        _draw_series(drawing, series, x, y, detail=detail)
    ends = [y(series.points[-1][1]) for series in panel.series]
    for series, place in zip(panel.series, spread(ends, 16), strict=True):
        words = f"{series.name} {number(series.points[-1][1], 3)}".strip()
        drawing.text((RIGHT + 8, place + 4), words, f"{series.css}-text")


def _draw_series(
    drawing: Drawing, series: Series, x: Scale, y: Scale, *, detail: tuple[int, int]
) -> None:
    window, columns = detail
    raw = decimate(series.points, columns)
    places = [(x(epoch), y(value)) for epoch, value in raw]
    if len(places) == 1:
        drawing.circle(places[0], 4, f"{series.css}-fill")
        return
    drawing.curve(places, f"{series.css}{' faint' if window > 1 else ''}")
    if window > 1:
        means = moving_mean([value for _, value in series.points], window)
        smooth = [(epoch, mean) for (epoch, _), mean in zip(series.points, means, strict=True)]
        kept = decimate(smooth, columns // 4)
        drawing.curve([(x(epoch), y(mean)) for epoch, mean in kept], series.css)


def _draw_epochs(drawing: Drawing, x: Scale, bottom: float) -> None:
    drawing.line((LEFT, bottom), (RIGHT, bottom), "axis")
    for tick in sorted({round(tick) for tick in x.ticks(8)} | {math.ceil(x.low)}):
        if x.low <= tick <= x.high:
            drawing.line((x(tick), bottom), (x(tick), bottom + 5), "axis")
            drawing.text((x(tick), bottom + 19), str(tick), "muted", "middle")
    drawing.text((LEFT - 14, bottom + 19), "epoch", "muted", "end")


def _alt(panels: Sequence[Panel], best_epoch: float | None) -> str:
    parts = []
    for panel in panels:
        for series in panel.series:
            first, last = series.points[0], series.points[-1]
            who = f"{panel.heading}, {series.name}" if series.name else panel.heading
            lowest = min(y for _, y in series.points)
            highest = max(y for _, y in series.points)
            parts.append(
                f"{who}: from {number(first[1])} in epoch {first[0]:.0f} to {number(last[1])} in "
                f"epoch {last[0]:.0f} (lowest {number(lowest)}, highest {number(highest)})"
            )
    if best_epoch is not None:
        parts.append(f"best epoch {best_epoch:.0f}")
    return "; ".join(parts) + "."
