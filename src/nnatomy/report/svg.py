"""Drawing in SVG: lean markup, text as text, colors by class so that a page's theme decides."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from matplotlib.ticker import LogLocator, MaxNLocator

from nnatomy.report.decimate import Point
from nnatomy.report.wording import plain

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from values to pixels.

    Args:
        low: Value at the pixel `start`.
        high: Value at the pixel `stop`; differs from `low`.
        start: Pixel of the lowest value.
        stop: Pixel of the highest value.
        log: Equal ratios are equal distances.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values within the scale, about `most` of them, at least 15 pixels apart."""
        locator: LogLocator | MaxNLocator
        if self.log:
            mantissas = (1.0, 2.0, 5.0) if self.high / self.low < 30 else (1.0,)
            locator = LogLocator(subs=mantissas, numticks=most + 2)
        else:
            locator = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10])
        top, bottom = sorted((self.start, self.stop))
        kept: list[float] = []
        for tick in locator.tick_values(self.low, self.high):
            inside = (tick > 0 or not self.log) and top - 0.01 <= self(tick) <= bottom + 0.01
            if inside and (not kept or abs(self(tick) - self(kept[-1])) >= 15):
                kept.append(float(tick))
        return kept


@dataclass(frozen=True)
class Box:
    """A rectangle of a drawing, in pixels from its left upper corner."""

    left: float
    top: float
    right: float
    bottom: float


class Drawing:
    """An SVG picture under construction.

    Elements carry classes ("grid", "train", "muted" …) that the style sheet colors. All text is
    escaped by the XML writer and freed of unprintable characters.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        title: Short name of the picture.
        alt: What the picture says, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str, alt: str) -> None:
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {_px(width)} {_px(height)}",
                "width": _px(width),
                "height": _px(height),
                "role": "img",
                "aria-label": plain(f"{title}. {alt}"),
            },
        )
        ElementTree.SubElement(self.root, "title").text = plain(title)

    def _add(self, tag: str, css: str, **attributes: float | str) -> ElementTree.Element:
        named = {"class": css} if css else {}
        written = {
            name.replace("_", "-"): value if isinstance(value, str) else _px(value)
            for name, value in attributes.items()
        }
        return ElementTree.SubElement(self.root, tag, named | written)

    def rect(self, box: Box, css: str) -> None:
        """A filled rectangle."""
        width, height = max(box.right - box.left, 0), max(box.bottom - box.top, 0)
        self._add("rect", css, x=box.left, y=box.top, width=width, height=height)

    def line(self, start: Point, end: Point, css: str) -> None:
        """A straight line."""
        self._add("line", css, x1=start[0], y1=start[1], x2=end[0], y2=end[1])

    def circle(self, center: Point, radius: float, css: str) -> None:
        """A disc."""
        self._add("circle", css, cx=center[0], cy=center[1], r=radius)

    def curve(self, points: Sequence[Point], css: str, *, closed: bool = False) -> None:
        """A line through points, or a filled outline when `closed`."""
        if points:
            steps = "L".join(f"{_px(x)} {_px(y)}" for x, y in points)
            self._add("path", css, d=f"M{steps}{'Z' if closed else ''}")

    def dots(self, points: Sequence[Point], css: str) -> None:
        """Many equal dots in one path: each a line of no length with round ends."""
        places = dict.fromkeys(f"M{_px(x)} {_px(y)}h0" for x, y in points)
        self._add("path", css, d="".join(places))

    def cells(
        self, corners: Sequence[Point], size: float, css: str, height: float | None = None
    ) -> None:
        """Many equal squares (or rectangles) in one path, given by their left upper corners."""
        side, down = _px(size), _px(size if height is None else height)
        outline = "".join(f"M{_px(x)} {_px(y)}h{side}v{down}h-{side}z" for x, y in corners)
        self._add("path", css, d=outline)

    def image(self, box: Box, png: bytes, css: str = "") -> None:
        """A picture of pixels, held in the drawing itself."""
        data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        width, height = box.right - box.left, box.bottom - box.top
        self._add("image", css, x=box.left, y=box.top, width=width, height=height, href=data)

    def style(self, sheet: str) -> None:
        """A style sheet of the drawing's own, for one that stands alone."""
        ElementTree.SubElement(self.root, "style").text = sheet

    def text(self, place: Point, words: str, css: str = "", anchor: Anchor = "start") -> None:
        """A line of text, its baseline at `place`; nothing where there are no words."""
        if not words:
            return
        element = self._add("text", css, x=place[0], y=place[1])
        if anchor != "start":
            element.set("text-anchor", anchor)
        element.text = plain(words)

    def turned_text(self, place: Point, words: str, css: str = "") -> None:
        """A line of text that reads upwards and ends at `place`."""
        turn = f"translate({_px(place[0])} {_px(place[1])})rotate(-90)"
        self._add("text", css, transform=turn).text = plain(words)

    def render(self) -> str:
        """The picture as SVG markup."""
        return ElementTree.tostring(self.root, encoding="unicode")


def tick_label(value: float) -> str:
    """A tick's value in its shortest form, with a true minus sign."""
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", "\N{MINUS SIGN}")


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move labels apart until neighbors are at least `gap` pixels from each other.

    Returns:
        The new places in the order of the old ones; their mean is kept.
    """
    order = sorted(range(len(places)), key=lambda position: places[position])
    moved = list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    drift = (sum(moved) - sum(places)) / len(places) if places else 0.0
    return [place - drift for place in moved]


def _px(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
