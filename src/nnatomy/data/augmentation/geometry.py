"""Images, masks and boxes moved by one affine map a record.

Points are (x, y) from the upper left corner of the image in pixels: pixel j covers j to j + 1, its
center is j + 1/2, and y points downwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nnatomy.data.augmentation.draws import Draws, Numbers
from nnatomy.data.augmentation.settings import Fill

_PADDING = {"mean": "zeros", "edge": "border", "mirror": "reflection"}


def source_map(draws: Draws) -> Numbers:
    """Where in the image each point of the picture comes from: p = M o + v.

    The picture's point o is c + s R F (p - c - d) / k + t, with c the center, d and k the center
    and the share of the crop, F the flips, R the rotation, s the scale and t the shift; hence
    p = (k / s) F Rᵀ (o - c - t) + c + d.

    Shape: (B, 2, 3), the matrix M and beside it v.
    """
    height, width = draws.size
    ratio = draws.window / draws.factor
    across, down = (np.where(flip, -ratio, ratio) for flip in (draws.flip, draws.flip_vertical))
    cos, sin = np.cos(draws.angle), np.sin(draws.angle)
    matrix = np.empty((len(draws), 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = across * cos, -across * sin
    matrix[:, 1, 0], matrix[:, 1, 1] = down * sin, down * cos
    center = np.array([width / 2, height / 2])
    moved = center + draws.shift.T
    # A sum of two products, not a matrix product, whose rounding may depend on the batch.
    turned = matrix[:, :, 0] * moved[:, :1] + matrix[:, :, 1] * moved[:, 1:]
    matrix[:, :, 2] = center + draws.center.T - turned
    return matrix


def picture_map(draws: Draws) -> Numbers:
    """Where each point of the image goes to: the inverse of `source_map`.

    Shape: (B, 2, 3).
    """
    matrix = source_map(draws)
    inverse = np.linalg.inv(matrix[:, :, :2])
    return np.concatenate([inverse, -inverse @ matrix[:, :, 2:]], axis=2)


def move_images(images: Tensor, draws: Draws, fill: Fill) -> Tensor:
    """Flip, turn, scale, crop and shift in one bilinear resampling; exact where pixels suffice.

    Shape: (B, C, H, W) floats -> (B, C, H, W), a new tensor.
    """
    if not draws.between:
        return _take(images, draws, fill)
    return functional.grid_sample(
        images,
        _grid(draws).to(images.dtype),
        mode="bilinear",
        padding_mode=_PADDING[fill],
        align_corners=False,
    )


def move_masks(masks: Tensor, draws: Draws, fill: Fill, *, ignore: int) -> Tensor:
    """Move the class of each pixel as the image: that of the nearest pixel, never a mixture.

    Pixels from outside the image have the class of the pixel whose color they repeat, or `ignore`
    where they have the mean color.

    Shape: (B, H, W) whole numbers -> (B, H, W).
    """
    rows, columns = _nearest(draws)
    height, width = draws.size
    (rows, inside_y), (columns, inside_x) = (
        _folded(rows, height, fill),
        _folded(columns, width, fill),
    )
    records = np.arange(len(draws))[:, None, None]
    flat = torch.from_numpy((records * height + rows) * width + columns)
    moved = masks.reshape(-1).index_select(0, flat.reshape(-1)).reshape(masks.shape)
    return moved.masked_fill_(torch.from_numpy(~(inside_y & inside_x)), ignore)


def move_boxes(
    boxes: Sequence[Tensor], draws: Draws, *, least: float = 0.0
) -> list[tuple[Tensor, Tensor]]:
    """Move boxes as the images: the box around the moved corners, cut at the picture's edges.

    Args:
        boxes: One (n, 4) tensor of x0, y0, x1, y1 an image; whole numbers are rounded to such.
        draws: What is done to the images.
        least: A box of which no more than this share is left inside the picture is dropped.

    Returns:
        For each image the boxes (m, 4) that are still there, and their positions (m,) among those
        given, by which their classes are found.
    """
    height, width = draws.size
    limits = np.array([width, height], np.float64)
    moved = []
    for own, matrix in zip(boxes, picture_map(draws), strict=True):
        x0, y0, x1, y1 = own.double().numpy().T
        corners = np.array([[x0, x1, x0, x1], [y0, y0, y1, y1]])  # (2, 4, n)
        turned = np.einsum("ij,jkn->ikn", matrix[:, :2], corners) + matrix[:, 2:, None]
        low, high = turned.min(1), turned.max(1)  # (2, n)
        inside = [np.clip(side, 0, limits[:, None]) for side in (low, high)]
        whole, left = np.prod(high - low, axis=0), np.prod(inside[1] - inside[0], axis=0)
        kept = np.flatnonzero(left > least * whole)
        found = np.concatenate(inside)[:, kept].T
        if not own.is_floating_point():
            found = np.round(found)
        moved.append((torch.from_numpy(found).to(own.dtype), torch.from_numpy(kept)))
    return moved


def _grid(draws: Draws) -> Tensor:
    """The points of `source_map` for all pixels, in -1 to 1 from edge to edge.

    Shape: (B, H, W, 2) float32.
    """
    height, width = draws.size
    matrix = source_map(draws) * np.array([[2 / width], [2 / height]])
    matrix[:, :, 2] -= 1
    across = matrix[:, :, :1] * (np.arange(width) + 0.5)  # (B, 2, W)
    down = matrix[:, :, 1:2] * (np.arange(height) + 0.5) + matrix[:, :, 2:]  # (B, 2, H)
    columns, rows = (torch.from_numpy(part.astype(np.float32)) for part in (across, down))
    grid = torch.empty(len(draws), height, width, 2)
    for axis in (0, 1):
        torch.add(columns[:, axis, None, :], rows[:, axis, :, None], out=grid[..., axis])
    return grid


def _take(images: Tensor, draws: Draws, fill: Fill) -> Tensor:
    """The pixels that flips and shifts by whole pixels bring to each place, as they are."""
    batch, channels, height, width = images.shape
    (rows, inside_y), (columns, inside_x) = (
        _folded(_sources(length, shift, flip), length, fill)
        for length, shift, flip in (
            (height, draws.shift[1], draws.flip_vertical),
            (width, draws.shift[0], draws.flip),
        )
    )
    starts = (np.arange(batch)[:, None] * height + rows) * width
    flat = torch.from_numpy(starts)[:, :, None] + torch.from_numpy(columns)[:, None, :]
    pixels = images.permute(0, 2, 3, 1).reshape(-1, channels)  # rows of one pixel's channels
    taken = pixels.index_select(0, flat.reshape(-1)).view(batch, height, width, channels)
    if fill == "mean" and draws.shift.any():
        outside = ~(inside_y[:, :, None] & inside_x[:, None, :])
        taken.masked_fill_(torch.from_numpy(outside)[..., None], 0)
    return taken.permute(0, 3, 1, 2)


def _sources(length: int, shift: Numbers, flip: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The row or column that comes to each place: j - t, or L - 1 - (j - t) where flipped."""
    forward = np.arange(length) - shift[:, None].astype(np.int64)
    return np.where(flip[:, None], length - 1 - forward, forward)


def _nearest(draws: Draws) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the pixel in which the source of each pixel's center lies, (B, H, W)."""
    height, width = draws.size
    matrix = source_map(draws)[..., None, None]
    x, y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
    column, row = (
        np.floor(matrix[:, i, 0] * x + matrix[:, i, 1] * y + matrix[:, i, 2]).astype(np.int64)
        for i in (0, 1)
    )
    return row, column


def _folded(
    indices: NDArray[np.int64], length: int, fill: Fill
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Indices brought into 0 to length - 1 as the fill says, and whether they count as inside."""
    if fill == "mirror":
        around = indices % (2 * length)
        return np.minimum(around, 2 * length - 1 - around), np.ones_like(indices, bool)
    nearest = np.clip(indices, 0, length - 1)
    return nearest, (nearest == indices) if fill == "mean" else np.ones_like(indices, bool)
