"""Slow and obvious: one pixel after the other, one operation after the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnatomy.data.augmentation.draws import Draws

Image = NDArray[np.float64]


def fold(index: int, length: int, fill: str) -> int | None:
    """The pixel that stands for one outside; None where the mean color does."""
    while fill == "mirror" and not 0 <= index < length:
        index = -1 - index if index < 0 else 2 * length - 1 - index
    if fill == "edge":
        index = min(max(index, 0), length - 1)
    return index if 0 <= index < length else None


def pixel(image: Image, x: int, y: int, fill: str) -> Image:
    """The color (C,) of pixel (x, y) of an image (C, H, W)."""
    row, column = fold(y, image.shape[1], fill), fold(x, image.shape[2], fill)
    return np.zeros(len(image)) if row is None or column is None else image[:, row, column]


def source(draws: Draws, i: int, x: float, y: float) -> tuple[float, float]:
    """Where a point of picture i comes from: every operation undone, the last one first."""
    height, width = draws.size
    x, y = x - draws.shift[0, i], y - draws.shift[1, i]
    x, y = x - width / 2, y - height / 2
    x, y = x / draws.factor[i], y / draws.factor[i]
    cos, sin = math.cos(draws.angle[i]), math.sin(draws.angle[i])
    x, y = cos * x - sin * y, sin * x + cos * y
    x, y = (-x if draws.flip[i] else x), (-y if draws.flip_vertical[i] else y)
    x, y = x * draws.window[i] + draws.center[0, i], y * draws.window[i] + draws.center[1, i]
    return x + width / 2, y + height / 2


def bilinear(image: Image, x: float, y: float, fill: str) -> Image:
    """The color at a point: the four pixels around it by their nearness."""
    x, y = x - 0.5, y - 0.5  # from corners to centers
    left, top = math.floor(x), math.floor(y)
    color = np.zeros(len(image))
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            color += across * down * pixel(image, column, row, fill)
    return color


def moved(images: Image, draws: Draws, fill: str) -> Image:
    """(B, C, H, W) -> the same."""
    pictures = np.empty_like(images)
    for i, y, x in np.ndindex(len(images), *draws.size):
        pictures[i, :, y, x] = bilinear(images[i], *source(draws, i, x + 0.5, y + 0.5), fill)
    return pictures


def moved_masks(
    masks: NDArray[np.int64], draws: Draws, fill: str, ignore: int
) -> NDArray[np.int64]:
    """(B, H, W) -> the same."""
    pictures = np.empty_like(masks)
    height, width = draws.size
    for i, y, x in np.ndindex(len(masks), height, width):
        across, down = source(draws, i, x + 0.5, y + 0.5)
        row = fold(math.floor(down), height, fill)
        column = fold(math.floor(across), width, fill)
        outside = row is None or column is None
        pictures[i, y, x] = ignore if outside else masks[i, row, column]
    return pictures


def colored(images: Image, draws: Draws, mean: Image, std: Image, *, limited: bool) -> Image:
    """Brightness, then contrast, then saturation, on pixels."""
    weights = np.array([0.299, 0.587, 0.114]) if images.shape[1] == 3 else np.ones(1)
    changed = np.empty_like(images)
    for i, image in enumerate(images):
        pixels = image * std[:, None, None] + mean[:, None, None]
        pixels = draws.brightness[i] * pixels
        middle = sum(w * plane for w, plane in zip(weights, pixels, strict=True)).mean()
        pixels = middle + draws.contrast[i] * (pixels - middle)
        grey = sum(w * plane for w, plane in zip(weights, pixels, strict=True))
        pixels = grey + draws.saturation[i] * (pixels - grey)
        if limited:
            pixels = np.clip(pixels, 0, 1)
        changed[i] = (pixels - mean[:, None, None]) / std[:, None, None]
    return changed
