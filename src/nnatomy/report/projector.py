"""How figures look on a projector: large type, strong strokes, labels where the lines end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

ORANGE, BLUE, DARK, GREY = "#b35806", "#0877bd", "#333333", "#8a8a8a"
SERIES = (BLUE, ORANGE, DARK, "#7b3294", "#1b7837", "#c51b7d", GREY)
"""Colors of lines that are no order; each line has its name beside it."""
SIGNED = LinearSegmentedColormap.from_list("signed", [ORANGE, "#ffffff", BLUE])

PROJECTOR: dict[Any, Any] = {
    "font.size": 18,
    "axes.titlesize": 18,
    "axes.labelsize": 18,
    "figure.titlesize": 22,
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.5,
    "lines.linewidth": 2.5,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "nnatomy",
}

_GAP, _MOVED = 0.065, 0.015
_STROKE = {"arrowstyle": "-", "linewidth": 1, "relpos": (0.0, 0.5), "shrinkA": 1, "shrinkB": 1}


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name where it ends, moved apart where ends are close.

    Where a name had to move, all of them stand a little farther out, and thin strokes join those
    that moved to the ends of their lines.

    Args:
        axes: With its limits and scale as they will be.
        ends: x, y, name and color of each line's end.
    """
    low, high = sorted(axes.get_ylim())
    to_axes = axes.transData + axes.transAxes.inverted()
    places = []
    for x, y, name, color in ends:
        across, up = to_axes.transform((x, min(max(y, low), high)))
        places.append((float(up), float(across), name, color))
    places.sort()
    heights = spread_out([place[0] for place in places])
    apart = any(abs(h - place[0]) > _MOVED for h, place in zip(heights, places, strict=True))
    for (y, x, name, color), height in zip(places, heights, strict=True):
        moved = abs(height - y) > _MOVED
        axes.annotate(
            name,
            (x, y),
            xycoords="axes fraction",
            xytext=(max(x, 1.0) + (0.05 if apart else 0.01), height),
            textcoords="axes fraction",
            va="center",
            color=color,
            annotation_clip=False,
            arrowprops=dict(_STROKE, color=color) if moved else None,
        )


def spread_out(places: Sequence[float], gap: float = _GAP) -> list[float]:
    """Heights at least a gap apart, from 0 to 1, as near as can be to the places (rising)."""
    from sklearn.isotonic import isotonic_regression

    steps = gap * np.arange(len(places))
    heights = isotonic_regression(np.asarray(places) - steps) + steps
    return [float(v) for v in np.clip(heights, steps, 1 - steps[::-1])]


def whole_ticks(axes: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers only: epochs and layers have no halves."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def plain_ticks(axes: Axes) -> None:
    """Take ticks and frame away: the points say where they are."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
