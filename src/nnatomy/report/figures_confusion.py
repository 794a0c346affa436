"""The confusion matrix: which class was taken for which."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnatomy.report.decimate import Point
from nnatomy.report.document import Figure, Table
from nnatomy.report.svg import Box, Drawing
from nnatomy.report.wording import count, line, percent, plural

WIDTH = 720
MOST_COUNTS = 20  # classes up to which every cell shows its count
LEVELS = 11  # steps of the cividis color map in the style sheet: classes c0 … c10
LIGHT_FROM = 6  # levels from here on are light, so that their text is dark

Matrix = Sequence[Sequence[float]]


def confusion_figure(matrix: Matrix, labels: Sequence[str]) -> Figure:
    """Draw the matrix; rows are the truth, columns the prediction.

    A cell's color is its share of its row; empty cells are left blank, so that every mistake
    stands out. Up to 20 classes the counts are written into the cells.

    Args:
        matrix: Counts, shape (classes, classes).
        labels: Name of each class.
    """
    size = len(matrix)
    alt = _alt(matrix, labels)
    left = 150 if size <= MOST_COUNTS else 110
    side = min(46.0, (640 - left) / size)
    shown = range(0, size, math.ceil(17 / side))
    extent = side * size
    level_names = side >= 30 and all(len(label) <= side / 8 for label in labels)
    drawing = Drawing(WIDTH, extent + (60 if level_names else 124), "Confusion matrix", alt)
    box = Box(left, 30, left + extent, 30 + extent)
    drawing.text((left, 16), "rows: truth · columns: prediction", "muted")
    _draw_cells(drawing, matrix, box, side)
    drawing.curve(
        [
            (box.left, box.top),
            (box.right, box.top),
            (box.right, box.bottom),
            (box.left, box.bottom),
        ],
        "frame",
        closed=True,
    )
    for position in shown:
        middle = (position + 0.5) * side
        name = line(labels[position], 17 if size <= MOST_COUNTS else 13)
        drawing.text((left - 8, box.top + middle + 4.5), name, "", "end")
        if level_names:
            drawing.text((left + middle, box.bottom + 18), name, "", "middle")
        else:
            drawing.turned_text((left + middle + 4, box.bottom + 8), line(name, 10), "end")
    _draw_legend(drawing, box.right + 24)
    caption = "Color: share of the records of a row (its true class). Blank: no record."
    if size > MOST_COUNTS:
        caption += " The most frequent mistakes are counted in the table below."
    return Figure("Confusion matrix", alt, drawing.render(), caption)


def mistakes(matrix: Matrix, labels: Sequence[str]) -> list[tuple[str, str, float, float]]:
    """Every kind of mistake (truth, prediction, count, share of the true class), largest first."""
    found = []
    for truth, row in enumerate(matrix):
        total = sum(row)
        for guess, amount in enumerate(row):
            if amount and guess != truth:
                found.append((labels[truth], labels[guess], amount, amount / total))
    return sorted(found, key=lambda mistake: -mistake[2])


def mistakes_table(matrix: Matrix, labels: Sequence[str], most: int = 10) -> Table | None:
    """The most frequent mistakes, or None where there are none."""
    found = mistakes(matrix, labels)
    if not found:
        return None
    rows = tuple(
        (line(truth, 60), line(guess, 60), count(amount), percent(share))
        for truth, guess, amount, share in found[:most]
    )
    left = sum(amount for *_, amount, _ in found[most:])
    return Table(
        caption="Most frequent mistakes",
        columns=(
            ("Truth", "left"),
            ("Prediction", "left"),
            ("Records", "right"),
            ("Of this class", "right"),
        ),
        rows=rows,
        note=f"Other mistakes: {plural(left, 'record')}." if left else "",
    )


def level(share: float) -> int:
    """The step of the color map for a share from 0 to 1."""
    return round(share * (LEVELS - 1))


def _draw_cells(drawing: Drawing, matrix: Matrix, box: Box, side: float) -> None:
    corners: dict[int, list[Point]] = {}
    counts: list[tuple[Point, str, str]] = []
    for row, amounts in enumerate(matrix):
        total = sum(amounts)
        for column, amount in enumerate(amounts):
            if not amount:
                continue
            step = level(amount / total)
            corner = (box.left + column * side, box.top + row * side)
            corners.setdefault(step, []).append(corner)
            css = "on-light" if step >= LIGHT_FROM else "on-dark"
            middle = (corner[0] + side / 2, corner[1] + side / 2 + 4.5)
            counts.append((middle, count(amount), css if side >= 26 else f"{css} tiny"))
    for step, places in sorted(corners.items()):
        drawing.cells(places, side, f"cell c{step}")
    if len(matrix) <= MOST_COUNTS:
        for place, words, css in counts:
            drawing.text(place, words, css, "middle")


def _draw_legend(drawing: Drawing, left: float) -> None:
    for step in range(LEVELS):
        top = 30 + 14 * (LEVELS - 1 - step)
        drawing.rect(Box(left, top, left + 14, top + 14.5), f"c{step}")
    for share in (0.0, 0.5, 1.0):
        y = 30 + 14 * (LEVELS - 1) * (1 - share) + 11.5
        drawing.text((left + 20, y), f"{100 * share:.0f} %", "muted")


def _alt(matrix: Matrix, labels: Sequence[str]) -> str:
    total = sum(sum(row) for row in matrix)
    right = sum(row[position] for position, row in enumerate(matrix))
    words = f"{count(right)} of {count(total)} records are on the diagonal, that is right"
    worst = [
        f"{line(truth, 40)} taken for {line(guess, 40)} ({count(amount)})"
        for truth, guess, amount, _ in mistakes(matrix, labels)[:3]
    ]
    return f"{words}; most frequent mistakes: {', '.join(worst)}." if worst else f"{words}."
