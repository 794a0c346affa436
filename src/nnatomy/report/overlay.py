"""Maps laid over images: blue for what speaks for a class, orange for what speaks against it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

BLUE, ORANGE = (8, 119, 189), (179, 88, 6)
_INK, _PAPER = (27, 30, 35), (255, 255, 255)
_STRONGEST = 0.8
"""How much of the color covers the image where the map is strongest."""
_LEGEND = 34
_TYPE = 13
_COLORS = 64
_GAP = 12


def overlay(pixels: NDArray[np.uint8], values: NDArray[Any], side: int) -> Image.Image:
    """The image in grey under its map.

    The color's strength is |value| / max |value|: the scale is symmetric around zero, and zero
    leaves the image as it is.

    Args:
        pixels: (H, W) or (H, W, C) bytes.
        values: (h, w) signed map; any size.
        side: The longer side of the picture; tiny images are enlarged to it by whole pixels.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    factor = max(1, side // max(image.size))
    size = (image.width * factor, image.height * factor)
    grey = np.asarray(image.convert("L").resize(size, Image.Resampling.NEAREST), np.float32)
    signed = Image.fromarray(np.ascontiguousarray(values, np.float32))
    shares = np.asarray(signed.resize(size, Image.Resampling.BILINEAR))
    shares = shares / (float(np.abs(shares).max()) or 1.0)
    return Image.fromarray(blend(grey, shares))


def blend(grey: NDArray[np.float32], shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Colors (H, W, 3) of shares in [-1, 1] over grey values in [0, 255]."""
    color = np.where(shares[..., None] > 0, np.array(BLUE), np.array(ORANGE))
    strength = (_STRONGEST * np.abs(shares))[..., None]
    mixed = grey[..., None] * (1 - strength) + color * strength
    colors: NDArray[np.uint8] = np.round(mixed).astype(np.uint8)
    return colors


def with_box(picture: Image.Image, box: Sequence[float], image_width: int) -> Image.Image:
    """A frame around pixels from left and top up to right and bottom, in pixels of the image."""
    factor = picture.width / image_width
    left, top, right, bottom = (round(edge * factor) for edge in box)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left, top, right - 1, bottom - 1), outline=_PAPER, width=3)
    pen.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=_INK, width=1)
    return picture


def with_legend(picture: Image.Image, strongest: float) -> Image.Image:
    """The picture over a scale from -strongest to +strongest."""
    made = Image.new("RGB", (picture.width, picture.height + _LEGEND), _PAPER)
    made.paste(picture, (0, 0))
    ramp = np.linspace(-1, 1, picture.width, dtype=np.float32)[None].repeat(10, axis=0)
    scale = blend(np.full(ramp.shape, 255, np.float32), ramp)
    made.paste(Image.fromarray(scale), (0, picture.height + 4))
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(_TYPE)
    ends = ((0, "l", f"-{strongest:.3g} against"), (picture.width, "r", f"for +{strongest:.3g}"))
    for place, side, words in ends:
        at = (place, picture.height + 16)
        pen.text(at, words, fill=_INK, font=font, anchor=f"{side}a")
    return made


def sheet(pictures: Sequence[Image.Image], columns: int = 4) -> Image.Image:
    """Pictures of one size in rows, on white."""
    width, height = (edge + _GAP for edge in pictures[0].size)
    across = min(columns, len(pictures))
    down = -(-len(pictures) // columns)
    made = Image.new("RGB", (across * width - _GAP, down * height - _GAP), _PAPER)
    for k, picture in enumerate(pictures):
        made.paste(picture, (k % columns * width, k // columns * height))
    return made


def png(picture: Image.Image, colors: int | None = None) -> bytes:
    """The picture as a PNG file, in so many colors at most."""
    stream = io.BytesIO()
    made = picture if colors is None else picture.quantize(colors)
    made.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def data_uri(content: bytes) -> str:
    """A PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def example_overlay(entry: Mapping[str, Any]) -> str:
    """An example's image under its map as a data URI; "" where it has none that can be drawn."""
    try:
        values = np.array(entry["map"]["values"], np.float32)
        content = base64.b64decode(str(entry["image"]).partition(",")[2])
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (KeyError, TypeError, ValueError, OSError):
        return ""
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        return ""
    return data_uri(png(overlay(pixels, values, 0), _COLORS))
