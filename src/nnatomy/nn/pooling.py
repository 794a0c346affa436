"""Pooling with every intermediate; average pooling also as what it is, a strided convolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from nnatomy.errors import SettingError, nearest
from nnatomy.nn.convolution import (
    Convolution,
    check_position,
    convolve,
    output_size,
    stack,
    windows,
)

Kind = Literal["max", "average"]


@dataclass(frozen=True)
class Pooled:
    """One window of each channel and the value that stands for it.

    Args:
        row: Of the map, from 0.
        column: Of the map, from 0.
        window: The values that are pooled; -inf in the padding of max pooling.
        values: One for each channel.

    Shape: window (C, F, F), values (C,).
    """

    row: int
    column: int
    window: Tensor
    values: Tensor


@dataclass(frozen=True)
class Pooling:
    """A pooling and all that it goes through.

    Args:
        input: As given.
        kind: "max" or "average".
        size: Side of the window.
        stride: Pixels from one window to the next.
        padding: Pixels added at every border.
        padded: The input with its padding: zeros for the average, -inf for the maximum.
        windows: At each position what is pooled; a view of `padded`.
        map: The pooled values.
        chosen: Of max pooling where in the input each maximum stands, as row times W plus column
            (the first of equal ones, as torch counts); unpooling puts values back there. None for
            average pooling.

    Shape: input (C, H, W), windows (h, w, C, F, F), map (C, h, w), chosen (C, h, w).
    """

    input: Tensor
    kind: Kind
    size: int
    stride: int
    padding: int
    padded: Tensor
    windows: Tensor
    map: Tensor
    chosen: Tensor | None

    def at(self, row: int, column: int) -> Pooled:
        """The step that makes one value of each channel's map; rows and columns count from 0.

        Raises:
            SettingError: The map has no such position.
        """
        check_position(self.map, row, column)
        return Pooled(row, column, self.windows[row, column], self.map[:, row, column])


def pool(
    input: Tensor,  # noqa: A002 - the field's name for it
    size: int = 2,
    *,
    kind: Kind = "max",
    stride: int | None = None,
    padding: int = 0,
) -> Pooling:
    """One value for each window: its maximum, or its mean.

    m[c, y, x] = max or mean over f, g < F of p[c, yS + f, xS + g], p being the padded input.
    Equal to torch.nn.functional.max_pool2d and avg_pool2d (which counts the zeros of its padding).

    Args:
        input: One channel or several; each is pooled by itself.
        size: F, side of the window.
        kind: "max" or "average".
        stride: S; None for windows side by side, S = F.
        padding: P, at most half the window, so that no window lies in the padding alone.

    Shape: input (H, W) or (C, H, W) -> map (C, h, w).

    Raises:
        DataError: The input is not a matrix or a stack of them, or is empty.
        SettingError: A number is out of range, the kind is unknown, or the window does not fit.

    >>> pool(torch.tensor([[1, 2], [3, 4]])).map.tolist()
    [[[4.0]]]
    """
    if kind not in get_args(Kind):
        raise SettingError(f"pooling '{kind}' is unknown: {nearest(kind, get_args(Kind))}")
    image = stack("input", input)
    step = size if stride is None else stride
    height, width = (output_size(n, size, stride=step, padding=padding) for n in image.shape[1:])
    if 2 * padding > size:
        raise SettingError(
            f"padding {padding} is more than half of the window ({size}): some windows would hold "
            "nothing of the input"
        )
    ground = -math.inf if kind == "max" else 0.0
    padded = functional.pad(image, (padding,) * 4, value=ground)
    seen = windows(padded, (height, width), (size, size), step, 1)
    taps = [
        padded[:, f::step, g::step][:, :height, :width] for f in range(size) for g in range(size)
    ]
    if kind == "average":
        made = sum(taps, torch.zeros_like(taps[0])) / size**2
        return Pooling(image, kind, size, step, padding, padded, seen, made, None)
    inside = functional.pad(torch.ones_like(image, dtype=torch.bool), (padding,) * 4)
    real = [
        inside[:, f::step, g::step][:, :height, :width] for f in range(size) for g in range(size)
    ]
    made, places = _largest(taps, real)
    chosen = _in_input(places, image.shape[2], size, step, padding)
    return Pooling(image, kind, size, step, padding, padded, seen, made, chosen)


def _largest(taps: list[Tensor], real: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest of the taps everywhere, and which of them it is; the first of equal ones.

    Only those of the input itself: -inf that is given is not the -inf of the padding.
    """
    best, place = taps[0].clone(), torch.zeros(taps[0].shape, dtype=torch.int64)
    found = real[0].clone()
    for number, (tap, here) in enumerate(zip(taps[1:], real[1:], strict=True), start=1):
        better = here & ((tap > best) | tap.isnan() | ~found)
        best[better], place[better] = tap[better], number
        found |= here
    return best, place


def _in_input(places: Tensor, width: int, size: int, stride: int, padding: int) -> Tensor:
    """Places within windows as places within the input."""
    height, across = places.shape[1:]
    rows = torch.arange(height)[:, None] * stride + places // size - padding
    columns = torch.arange(across) * stride + places % size - padding
    return rows * width + columns


def mean_kernel(size: int, *, channels: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """The kernel that makes a convolution average pooling: every weight is 1/n, n = size².

    Shape: -> (channels, size, size).

    Raises:
        SettingError: The size is below 1.
    """
    if size < 1:
        raise SettingError(f"kernel size must be a whole number of at least 1, got {size!r}")
    return torch.full((channels, size, size), 1.0 / size**2, dtype=dtype)


def average_as_convolution(
    input: Tensor,  # noqa: A002 - the field's name for it
    size: int = 2,
    *,
    stride: int | None = None,
    padding: int = 0,
) -> list[Convolution]:
    """Average pooling as a strided convolution of each channel with weights 1/n.

    Args:
        input: (H, W) or (C, H, W).
        size: Side of the window.
        stride: None for windows side by side.
        padding: Zeros at every border.

    Returns:
        One convolution for each channel; their maps are those of `pool(…, kind="average")`.

    Raises:
        DataError: The input is not a matrix or a stack of them, or is empty.
        SettingError: A number is out of range, or the window does not fit.

    >>> average_as_convolution(torch.tensor([[1, 2], [3, 6]]))[0].map.tolist()
    [[3.0]]
    """
    image, step = stack("input", input), size if stride is None else stride
    kernel = mean_kernel(size, dtype=image.dtype)
    return [convolve(channel, kernel, stride=step, padding=padding) for channel in image]
