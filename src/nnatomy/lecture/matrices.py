"""Matrices in a figure for the projector: cells, numbers, marked windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from nnatomy.report.grids import entries, shade_of
from nnatomy.report.projector import DARK, GREY

_LINE = "#c3c9d1"

Window = tuple[int, int, int, int]
"""Row, column, height and width in cells."""


def draw_matrix(
    axes: Axes,
    values: ArrayLike,
    title: str,
    *,
    windows: Sequence[Window] = (),
    padding: int = 0,
    limit: float | None = None,
    room: int | None = None,
) -> None:
    """A matrix as colored cells with their numbers; orange below zero, blue above.

    Args:
        axes: Empty.
        values: (H, W).
        title: Above it.
        windows: To be outlined.
        padding: Rows and columns at each border that are padding, in grey.
        limit: Value of the strongest color; None for the largest of all.
        room: Cells that a side of the axes has room for, so that the cells of small and large
            matrices are alike; None for the matrix alone.
    """
    grid = np.asarray(values, dtype=np.float64)
    shade = shade_of(grid if limit is None else np.array([limit]))
    colors = shade.pixels(grid)
    inside = np.zeros(grid.shape, dtype=bool)
    rows, columns = grid.shape
    inside[padding : rows - padding, padding : columns - padding] = True
    colors[~inside] = 241
    axes.imshow(colors)
    for (row, column), text in zip(np.ndindex(*grid.shape), entries(grid.flat), strict=True):
        color = DARK if inside[row, column] else GREY
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=17)
    axes.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, color=_LINE, linewidth=1)
    axes.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, color=_LINE, linewidth=1)
    axes.set_axis_off()
    space = (max(rows, columns) if room is None else room) / 2 + 0.05
    axes.set_xlim(columns / 2 - 0.5 - space, columns / 2 - 0.5 + space)
    axes.set_ylim(rows / 2 - 0.5 + space, rows / 2 - 0.5 - space - 0.7)
    for top, left, height, width in windows:
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(Rectangle(corner, width, height, fill=False, linewidth=4, edgecolor=DARK))
    axes.text(columns / 2 - 0.5, -0.65, title, ha="center", va="bottom")
