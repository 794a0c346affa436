"""Generated pictures of one shape on a noisy ground, whose place is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHAPES = ("disc", "square", "cross", "ring")
_GRAIN = 8
"""Pixels between the points that the ground is drawn from."""


@dataclass(frozen=True)
class Scenes:
    """Pictures, what is on each, and where.

    Shape: images (N, size, size, 3) bytes, labels (N,) indices of SHAPES, masks (N, size, size)
        true on the shape.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def boxes(self) -> NDArray[np.int64]:
        """(N, 4) left, top, and the first column and row beyond the shape."""
        rows: NDArray[np.bool_] = np.asarray(self.masks.any(2))
        columns: NDArray[np.bool_] = np.asarray(self.masks.any(1))
        ends = [axis.shape[1] - axis[:, ::-1].argmax(1) for axis in (columns, rows)]
        return np.stack([columns.argmax(1), rows.argmax(1), *ends], axis=1)


def scenes(n: int, *, size: int = 48, seed: int = 0) -> Scenes:
    """One shape of SHAPES at a random place, in a random color and size, on a cloudy ground.

    Ground and shape have colors of the same range and both are noisy, so that no single pixel
    tells one from the other.

    Args:
        n: Number of pictures; the shapes take turns.
        size: Side in pixels, at least 24.
        seed: Seed of the pictures.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(SHAPES)
    radius = rng.uniform(size / 8, size / 5, n)
    center = rng.uniform(radius[:, None] + 1, size - radius[:, None] - 1, (n, 2))
    masks = np.stack(
        [_mask(SHAPES[k], c, r, size) for k, c, r in zip(labels, center, radius, strict=True)]
    )
    images = _ground(n, size, rng)
    strength = rng.uniform(70, 110, (n, 1, 1, 1)) * rng.choice([-1, 1], (n, 1, 1, 1))
    color = strength * rng.uniform(0.6, 1.0, (n, 1, 1, 3))
    images += masks[..., None] * color + rng.normal(0, 12, images.shape)
    order = rng.permutation(n)
    bytes_ = images.clip(0, 255).astype(np.uint8)
    return Scenes(bytes_[order], labels[order], masks[order])


def _ground(n: int, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Colors that change slowly over the picture, (n, size, size, 3)."""
    points = size // _GRAIN + 2
    coarse = rng.uniform(90, 165, (n, points, points, 3))
    place = np.arange(size) / _GRAIN
    first = place.astype(int)
    share = place - first
    weights = np.zeros((size, points))
    weights[np.arange(size), first] = 1 - share
    weights[np.arange(size), first + 1] = share
    made: NDArray[np.float64] = np.einsum("yr,nrsc,xs->nyxc", weights, coarse, weights)
    return made


def _mask(shape: str, center: NDArray[np.float64], radius: float, size: int) -> NDArray[np.bool_]:
    rows = np.arange(size)[:, None] - center[0]
    columns = np.arange(size)[None, :] - center[1]
    away = np.hypot(rows, columns)
    wide = np.maximum(abs(rows), abs(columns))
    masks: dict[str, NDArray[np.bool_]] = {
        "disc": away <= radius,
        "square": wide <= 0.85 * radius,
        "cross": (wide <= radius) & (np.minimum(abs(rows), abs(columns)) <= radius / 3.5),
        "ring": (away <= radius) & (away >= 0.55 * radius),
    }
    return masks[shape]
