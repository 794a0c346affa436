"""How figures look on a projector: large type, strong strokes, labels where the lines end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

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

_GAP = 0.065


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name where it ends, moved apart where ends are close.

    Args:
        axes: With its limits and scale as they will be.
        ends: x, y, name and color of each line's end.
    """
    low, high = axes.get_ylim()
    to_axes = axes.transData + axes.transAxes.inverted()
    inside = [(x, min(max(y, min(low, high)), max(low, high)), n, c) for x, y, n, c in ends]
    places = sorted((float(to_axes.transform((x, y))[1]), n, c) for x, y, n, c in inside)
    height = -1.0
    for place, name, color in places:
        height = max(place, height + _GAP)
        axes.annotate(
            name,
            (1.0, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,
        )


def plain_ticks(axes: Axes) -> None:
    """Take ticks and frame away: the points say where they are."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
