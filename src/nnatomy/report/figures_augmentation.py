"""A sheet of training images beside their varied versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nnatomy.errors import SettingError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels: TypeAlias = NDArray[np.float32]

ENDINGS = (".png", ".svg", ".pdf")
_CELL, _TITLE, _LABELS = 1.1, 0.75, 1.0
"""Inches: an image, the lines above, the labels at the left."""
_LONGEST = 14


def write_sheet(
    path: Path,
    originals: Pixels,
    versions: Pixels,
    *,
    labels: Sequence[Any],
    title: str,
) -> Path:
    """Write a file with originals in the first column and their versions beside them.

    Args:
        path: Where to.
        originals: (N, H, W, C) pixels from 0 to 1.
        versions: (N, V, H, W, C) likewise.
        labels: One an original.
        title: Above all of them.

    Raises:
        SettingError: The file's ending says no format that is written.
    """
    if path.suffix.lower() not in ENDINGS:
        hint = nearest(path.suffix, ENDINGS)
        raise SettingError(f"{path}: pictures are written as .png, .svg or .pdf: {hint}")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "nnatomy"}):
        rows, columns = versions.shape[:2]
        canvas = Figure(
            (_LABELS + _CELL * (columns + 1.25), _TITLE + _CELL * rows), layout="constrained"
        )
        draw_sheet(canvas, originals, versions, labels)
        canvas.suptitle(title, fontsize=13)
        path.parent.mkdir(parents=True, exist_ok=True)
        canvas.savefig(path, dpi=120, metadata={} if path.suffix.lower() == ".png" else None)
    return path


def draw_sheet(
    canvas: Figure,
    originals: Pixels,
    versions: Pixels,
    labels: Sequence[Any],
    names: Sequence[str] | None = None,
) -> None:
    """Draw the sheet on an empty matplotlib figure.

    Args:
        canvas: Empty.
        originals: (N, H, W, C) pixels from 0 to 1.
        versions: (N, V, H, W, C) likewise.
        labels: One an original.
        names: What stands above the columns of versions; by default "epoch 0" and so on.
    """
    names = names or [f"epoch {epoch}" for epoch in range(versions.shape[1])]
    rows, columns = versions.shape[:2]
    grid = canvas.add_gridspec(
        rows, columns + 2, width_ratios=[1, 0.15, *([1] * columns)], wspace=0.02, hspace=0.02
    )
    for row in range(rows):
        for column, image in [(0, originals[row]), *enumerate(versions[row], start=2)]:
            axes = canvas.add_subplot(grid[row, column])
            axes.imshow(
                image.squeeze(-1) if image.shape[-1] == 1 else image,
                cmap="grey",
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color("#8a8a8a")
            if column == 0:
                label = str(labels[row])
                short = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
                axes.set_ylabel(short, rotation=0, ha="right", va="center", fontsize=12)
            if row == 0:
                axes.set_title("original" if column == 0 else names[column - 2], fontsize=11)
