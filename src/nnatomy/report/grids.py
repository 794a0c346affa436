"""Matrices in a drawing: cells with their numbers, or pixels where there are too many."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nnatomy.report.decimate import Point
from nnatomy.report.svg import Box, Drawing
from nnatomy.report.wording import signed

Grid: TypeAlias = NDArray[np.float64]

CELL = 30.0  # height of a cell in pixels, and its least width
HEAD, FOOT = 24.0, 26.0  # above a block for its title, below it for its colors
LEVELS = 5  # steps of color on either side of zero
STRENGTH = 0.8  # of orange or blue in the strongest color, so that dark digits stay readable
DARK_UP_TO = 4  # grey levels (of 0 to 10) that need light digits
_LETTER = 8.0
_SMALL = 200.0  # pixels above which a raster is twice as fine as it is shown
_ORANGE, _BLUE = np.array([179.0, 88.0, 6.0]), np.array([8.0, 119.0, 189.0])


def entries(values: Iterable[float]) -> list[str]:
    """Numbers as they are written into cells: whole ones in full, others with four digits.

    >>> entries([4.0, -0.0, 1 / 9, -math.inf])
    ['4', '0', '0.1111', '−∞']
    """
    return [_entry(float(value)) for value in values]


def _entry(value: float) -> str:
    if math.isinf(value):
        return signed("-∞" if value < 0 else "∞")
    if value == int(value) and abs(value) < 1e7:
        return signed(str(int(value)))
    return signed(f"{value:.4g}")


@dataclass(frozen=True)
class Shade:
    """Which color stands for which value.

    Args:
        limit: The value of the strongest color (signed) or of white (grey).
        grey: From black for 0 to white; otherwise orange below zero, white at it, blue above.
    """

    limit: float
    grey: bool = False

    def level(self, value: float) -> str:
        """The style class of a cell."""
        share = value / self.limit if self.limit else 0.0
        if self.grey:
            return f"g{round(10 * min(max(share, 0.0), 1.0))}"
        step = math.ceil(round(LEVELS * min(abs(share), 1.0), 9))
        return f"{'p' if value > 0 else 'm'}{step}" if step else "z"

    def pixels(self, values: Grid) -> NDArray[np.uint8]:
        """(H, W) bytes of grey, or (H, W, 3) of color."""
        share = values / (self.limit or 1.0)
        if self.grey:
            return np.round(255 * share.clip(0, 1)).astype(np.uint8)
        strength = np.abs(share).clip(0, 1)[..., None]
        ends = np.where(share[..., None] < 0, _ORANGE, _BLUE)
        colors: NDArray[np.uint8] = np.round(255 + STRENGTH * (ends - 255) * strength).astype(
            np.uint8
        )
        return colors


def shade_of(values: Grid, *, white: float | None = None) -> Shade:
    """Grey up to `white`; without it signed colors, symmetric around zero."""
    if white is not None:
        return Shade(white, grey=True)
    inside = np.abs(values[np.isfinite(values)])
    return Shade(float(inside.max(initial=0.0)))


@dataclass(frozen=True)
class Block:
    """A matrix with its title.

    Args:
        title: What it is.
        values: (H, W).
        shade: Its colors.
        padding: Rows and columns at each border that are padding.
        marks: Windows to mark, as (row, column, height, width) in cells.
        raster: Drawn as pixels, without numbers.
        side: Longest side of a raster.
    """

    title: str
    values: Grid
    shade: Shade
    padding: int = 0
    marks: Sequence[tuple[int, int, int, int]] = ()
    raster: bool = False
    side: float = 340.0

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in pixels."""
        if self.raster:
            size = self.side / int(max(self.values.shape))
            return size, size
        longest = max(len(text) for text in entries(self.values.flat))
        return max(CELL, _LETTER * longest + 8), CELL

    @property
    def width(self) -> float:
        """Of all that is drawn."""
        return max(self.cell[0] * int(self.values.shape[1]), 8.3 * len(self.title), 130.0)

    @property
    def height(self) -> float:
        """Of all that is drawn."""
        return HEAD + self.cell[1] * int(self.values.shape[0]) + FOOT

    def draw(self, drawing: Drawing, left: float, top: float) -> None:
        """Draw it with its left upper corner there."""
        drawing.text((left, top + 14), self.title, "strong")
        if self.raster:
            self._draw_pixels(drawing, left, top + HEAD)
        else:
            self._draw_cells(drawing, left, top + HEAD)
        self._draw_marks(drawing, left, top + HEAD)
        self._draw_legend(drawing, left, top + self.height - FOOT + 8)

    def _draw_cells(self, drawing: Drawing, left: float, top: float) -> None:
        wide, high = self.cell
        rows, columns = self.values.shape
        corners: dict[str, list[Point]] = {}
        numbers: list[tuple[Point, str, str]] = []
        texts = iter(entries(self.values.flat))
        for row in range(rows):
            for column in range(columns):
                place = (left + column * wide, top + row * high)
                value = self.values[row, column]
                inside = (
                    _is_inside(row, rows, self.padding)
                    and _is_inside(column, columns, self.padding)
                    and bool(np.isfinite(value))
                )
                level = self.shade.level(value) if inside else "void"
                corners.setdefault(level, []).append(place)
                dark = self.shade.grey and inside and int(level[1:]) <= DARK_UP_TO
                css = "n light" if dark else "n" if inside else "n pad"
                numbers.append(((place[0] + wide / 2, place[1] + high / 2 + 5), next(texts), css))
        for level, places in sorted(corners.items()):
            drawing.cells(places, wide, f"cell {level}", high)
        for place, text, css in numbers:
            drawing.text(place, text, css)

    def _draw_pixels(self, drawing: Drawing, left: float, top: float) -> None:
        size = self.cell[0]
        rows, columns = self.values.shape
        box = Box(left, top, left + size * columns, top + size * rows)
        most = int(self.side * (2 if self.side > _SMALL else 1))
        values = self.values if self.shade.grey else strongest(self.values, most)
        drawing.image(box, png(self.shade.pixels(values), most=most))
        drawing.rect(box, "frame")

    def _draw_marks(self, drawing: Drawing, left: float, top: float) -> None:
        wide, high = self.cell
        for row, column, height, width in self.marks:
            x, y = left + column * wide, top + row * high
            on_grey = self.raster or self.shade.grey
            # On a picture a window may be smaller than its own outline.
            grown = max(0.0, 6.0 - width * wide) / 2 if self.raster else 0.0
            box = Box(x - grown, y - grown, x + width * wide + grown, y + height * high + grown)
            drawing.rect(box, "tap on-picture" if on_grey else "tap")

    def _draw_legend(self, drawing: Drawing, left: float, top: float) -> None:
        limit = _entry(self.shade.limit)
        low = "0" if self.shade.grey else _entry(-self.shade.limit)
        names = (
            [f"g{i}" for i in range(11)]
            if self.shade.grey
            else [f"m{i}" for i in range(LEVELS, 0, -1)]
            + ["z"]
            + [f"p{i}" for i in range(1, LEVELS + 1)]
        )
        x = left + 7.5 * len(low) + 6
        drawing.text((left, top + 10), low, "muted small")
        for position, name in enumerate(names):
            drawing.rect(Box(x + 6 * position, top, x + 6 * position + 6, top + 11), name)
        drawing.rect(Box(x, top, x + 66, top + 11), "frame")
        drawing.text((x + 71, top + 10), limit, "muted small")


def _is_inside(position: int, count: int, padding: int) -> bool:
    return padding <= position < count - padding


def strongest(values: Grid, most: int) -> Grid:
    """A matrix of at most `most` rows and columns: of neighbors the one farthest from zero stays.

    A mean would let thin edges, dark on one side and light on the other, cancel out.
    """
    step = math.ceil(max(values.shape) / most)
    if step == 1:
        return values
    rows, columns = (math.ceil(size / step) for size in values.shape)
    filled = np.zeros((rows * step, columns * step))
    filled[: values.shape[0], : values.shape[1]] = values
    blocks = filled.reshape(rows, step, columns, step)
    low, high = blocks.min((1, 3)), blocks.max((1, 3))
    kept: Grid = np.where(-low > high, low, high)
    return kept


def png(pixels: NDArray[np.uint8], *, most: int | None = None) -> bytes:
    """Pixels as a PNG file that keeps every color as it is.

    Args:
        pixels: (H, W) of grey or (H, W, 3) of color.
        most: Longest side that it is made smaller to.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    if most is not None and max(image.size) > most:
        image.thumbnail((most, most), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "png", optimize=True)
    return stream.getvalue()
