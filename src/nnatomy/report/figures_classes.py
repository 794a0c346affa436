"""How well classes are told apart: scores by class, calibration, ROC and precision–recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnatomy.report.decimate import Point, decimate
from nnatomy.report.document import Figure
from nnatomy.report.svg import Box, Drawing, Scale
from nnatomy.report.wording import count, finite, line, percent, score

WIDTH = 720
MOST_BARS = 30
MOST_CURVES = 24
SIDE = 258  # of the square axes


def per_class_figure(per_class: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw recall and precision of each class, the worst F1 first; at most 30 classes.

    Recall is a filled point, precision a ring; the line between them shows how far they differ.
    """
    known = [entry for entry in per_class if finite(entry.get("f1")) is not None]
    if not known:
        return None
    ranked = sorted(known, key=lambda entry: finite(entry["f1"]) or 0.0)
    drawn = ranked[:MOST_BARS]
    alt = "; ".join(_class_in_words(entry) for entry in drawn) + "."
    pitch = 25
    height = pitch * len(drawn) + 62
    drawing = Drawing(WIDTH, height, "Scores by class", alt)
    x = Scale(0.0, 1.0, 172, 560)
    bottom = height - 36
    drawing.circle((178, 10), 4, "valid-fill")
    drawing.text((188, 14.5), "recall", "valid-text")
    drawing.circle((250, 10), 6, "ring")
    drawing.text((262, 14.5), "precision", "train-text")
    drawing.text((576, 14.5), "F1", "muted")
    drawing.text((712, 14.5), "records", "muted", "end")
    for tick in x.ticks(5):
        drawing.line((x(tick), 24), (x(tick), bottom), "grid")
        drawing.text((x(tick), bottom + 18), f"{100 * tick:.0f} %", "muted", "middle")
    for position, entry in enumerate(drawn):
        y = 38 + pitch * position
        recall, precision = finite(entry.get("recall")), finite(entry.get("precision"))
        drawing.text((162, y + 4.5), line(entry.get("label"), 22), "", "end")
        if recall is not None and precision is not None:
            drawing.line((x(recall), y), (x(precision), y), "other range")
        if recall is not None:
            drawing.circle((x(recall), y), 4, "valid-fill")
        if precision is not None:
            drawing.circle((x(precision), y), 6, "ring")
        drawing.text((576, y + 4.5), score(entry["f1"]))
        drawing.text((712, y + 4.5), count(entry.get("n")), "muted", "end")
    rest = len(ranked) - len(drawn)
    caption = "Classes in ascending order of F1."
    if rest:
        caption += f" The {len(drawn)} worst classes are drawn; {rest} better ones are not."
    return Figure("Scores by class", alt, drawing.render(), caption)


def _class_in_words(entry: Mapping[str, Any]) -> str:
    return (
        f"{line(entry.get('label'), 40)}: recall {percent(entry.get('recall'))}, precision "
        f"{percent(entry.get('precision'))}, F1 {score(entry.get('f1'))}, "
        f"n = {count(entry.get('n'))}"
    )


def calibration_figure(bins: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw accuracy against confidence, with the number of records at each confidence.

    On the diagonal, of the records with confidence p a share p is right.
    """
    filled = [
        (confidence, accuracy, entry)
        for entry in bins
        if (confidence := finite(entry.get("confidence"))) is not None
        and (accuracy := finite(entry.get("accuracy"))) is not None
        and finite(entry.get("n"))
    ]
    if not filled:
        return None
    alt = "; ".join(
        f"{count(entry['n'])} records with confidence {percent(confidence)}: "
        f"{percent(accuracy)} right"
        for confidence, accuracy, entry in filled
    )
    drawing = Drawing(WIDTH, 322, "Calibration", f"{alt}.")
    x, y = _square(drawing, 56, ("confidence", "Share that is right"))
    drawing.line((x(0), y(0)), (x(1), y(1)), "reference")
    drawing.curve([(x(c), y(a)) for c, a, _ in filled], "valid")
    for confidence, accuracy, _ in filled:
        drawing.circle((x(confidence), y(accuracy)), 4.5, "valid-fill")
    drawing.text((x(0.04), y(0.9)), "too timid", "muted")
    drawing.text((x(0.96), y(0.08)), "too sure", "muted", "end")
    _draw_bins(drawing, [entry for *_, entry in filled])
    caption = (
        "Left: on the dashed diagonal the stated confidence is what it claims. "
        "Right: how many records have which confidence."
    )
    return Figure("Calibration", f"{alt}.", drawing.render(), caption)


def _draw_bins(drawing: Drawing, bins: Sequence[Mapping[str, Any]]) -> None:
    x = Scale(0.0, 1.0, 420, 420 + SIDE)
    y = Scale(0.0, max(float(entry["n"]) for entry in bins), 20 + SIDE, 34)
    drawing.text((x.start, 14), "Records", "strong")
    for entry in bins:
        low, high = finite(entry.get("low")) or 0.0, finite(entry.get("high")) or 1.0
        top = y(float(entry["n"]))
        drawing.rect(Box(x(low) + 1, min(top, y.start - 1), x(high) - 1, y.start), "bar")
        drawing.text(((x(low) + x(high)) / 2, top - 5), count(entry["n"]), "muted tiny", "middle")
    drawing.line((x.start, y.start), (x.stop, y.start), "axis")
    for tick in (0.0, 0.5, 1.0):
        drawing.text((x(tick), y.start + 18), f"{100 * tick:.0f} %", "muted", "middle")
    drawing.text(((x.start + x.stop) / 2, y.start + 36), "confidence", "muted", "middle")


def ranking_figure(
    roc: Sequence[Mapping[str, Any]], precision_recall: Sequence[Mapping[str, Any]]
) -> Figure | None:
    """Draw ROC curves on the left and precision–recall curves on the right.

    One curve a class; the class with the smallest area is drawn in orange and named.
    """
    both = (_curves(roc), _curves(precision_recall))
    if not any(both):
        return None
    axes = (
        ("ROC", ("false alarms", "ROC: share that is found")),
        ("Precision and recall", ("recall", "Precision")),
    )
    alt = " ".join(
        f"{name}: {_areas(curves)}" for (name, _), curves in zip(axes, both, strict=True) if curves
    )
    drawing = Drawing(WIDTH, 344, "Ranking by probability", alt)
    left = 56
    for (name, names), curves in zip(axes, both, strict=True):
        if not curves:
            continue
        x, y = _square(drawing, left, names)
        if name == "ROC":
            drawing.line((x(0), y(0)), (x(1), y(1)), "reference")
        for position, (label, area, points) in reversed(list(enumerate(curves))):
            worst = position == 0
            places = [(x(a), y(b)) for a, b in decimate(points, SIDE // 4)]
            drawing.curve(places, "train" if worst else "other thin")
            if worst:
                words = f"{line(label, 20)}: area {score(area)}"
                drawing.text((left, 20 + SIDE + 60), words, "train-text")
        left += SIDE + 106
    drawn = max(len(curves) for curves in both)
    caption = "Orange: the class with the smallest area" + (
        "; grey: the others." if drawn > 1 else "."
    )
    if len(roc) > MOST_CURVES or len(precision_recall) > MOST_CURVES:
        caption += f" The {MOST_CURVES} classes with the smallest areas are drawn."
    return Figure("Ranking by probability", alt, drawing.render(), caption)


def area_under(curve: Mapping[str, Any]) -> float | None:
    """The area that comes with a curve, under any of its usual names."""
    for key in ("auc", "average_precision"):
        if (area := finite(curve.get(key))) is not None:
            return area
    return None


def _curves(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, float | None, list[Point]]]:
    """Label, area and points of the curves to draw, the smallest area first."""
    known = []
    for entry in entries:
        points = [
            (a, b)
            for pair in entry.get("points") or ()
            if (a := finite(pair[0])) is not None and (b := finite(pair[1])) is not None
        ]
        if points:
            if points[0][0] > points[-1][0]:
                points.reverse()
            known.append((str(entry.get("label", "")), area_under(entry), points))
    known.sort(key=lambda curve: 2.0 if curve[1] is None else curve[1])
    return known[:MOST_CURVES]


def _areas(curves: Sequence[tuple[str, float | None, list[Point]]]) -> str:
    label, area, _ = curves[0]
    words = f"smallest area {score(area)} for {line(label, 40)}"
    if len(curves) > 1:
        label, area, _ = curves[-1]
        words += f", largest {score(area)} for {line(label, 40)}"
    return f"{words}."


def _square(drawing: Drawing, left: float, names: tuple[str, str]) -> tuple[Scale, Scale]:
    """Square axes from 0 to 1 with percentages; `names` are those of x and y."""
    x, y = Scale(0.0, 1.0, left, left + SIDE), Scale(0.0, 1.0, 20 + SIDE, 20)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line((x(tick), y.start), (x(tick), y.stop), "grid")
        drawing.line((x.start, y(tick)), (x.stop, y(tick)), "grid")
        if tick in (0.0, 0.5, 1.0):
            drawing.text((x(tick), y.start + 18), f"{100 * tick:.0f} %", "muted", "middle")
            drawing.text((left - 8, y(tick) + 4), f"{100 * tick:.0f} %", "muted", "end")
    drawing.text((left + SIDE / 2, y.start + 36), names[0], "muted", "middle")
    drawing.text((left, 12), names[1], "strong")
    return x, y
