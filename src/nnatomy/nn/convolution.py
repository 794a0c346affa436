"""Convolution with every intermediate: padded input, windows, products, sums, map.

Networks train with torch.nn.Conv2d; these functions are the formula, to look at and to check by.
As everywhere in the field, it is cross-correlation: the kernel is not turned by 180 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from nnatomy.errors import DataError, SettingError


def output_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """How many windows fit along one side: floor((H + 2P - D(F - 1) - 1) / S) + 1.

    Source: Dumoulin and Visin 2016, arXiv 1603.07285, relationship 15. With D = 1 it is the
    (H + 2P - F) / S + 1 of the textbooks, rounded down: a last window that would reach beyond the
    border is left out.

    Args:
        size: H, pixels of the input along this side.
        kernel: F, pixels of the kernel along this side.
        stride: S, pixels from one window to the next.
        padding: P, pixels added at both ends.
        dilation: D, pixels from one weight of the kernel to the next.

    Raises:
        SettingError: A number is out of range, or the kernel does not fit into the padded input.

    >>> output_size(6, 3), output_size(6, 3, stride=2, padding=1), output_size(7, 3, dilation=2)
    (4, 3, 3)
    """
    for name, value, least in (
        ("input size", size, 1),
        ("kernel size", kernel, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingError(f"{name} must be a whole number of at least {least}, got {value!r}")
    reach = dilation * (kernel - 1) + 1
    if reach > size + 2 * padding:
        apart = f" (reach {reach} with dilation {dilation})" if dilation > 1 else ""
        raise SettingError(
            f"a kernel of {kernel}{apart} does not fit into {size + 2 * padding} pixels (input "
            f"{size}, padding {padding}): take a smaller kernel or more padding"
        )
    return (size + 2 * padding - reach) // stride + 1


@dataclass(frozen=True)
class Position:
    """One window and what becomes of it.

    Args:
        row: Of the map, from 0.
        column: Of the map, from 0.
        window: What the kernel lies on.
        products: Window times kernel, value by value.
        sum: Of all products, over all channels.

    Shape: window and products (C, F, G).
    """

    row: int
    column: int
    window: Tensor
    products: Tensor
    sum: float


@dataclass(frozen=True)
class Convolution:
    """A convolution and all that it goes through.

    Args:
        input: As given.
        kernel: As given.
        stride: Pixels from one window to the next.
        padding: Zeros added at every border.
        dilation: Pixels from one weight of the kernel to the next.
        padded: The input with its zeros around it.
        windows: At each position of the map what the kernel lies on; a view of `padded`.
        map: The sums.

    Shape: input (C, H, W), kernel (C, F, G), padded (C, H + 2P, W + 2P), windows (h, w, C, F, G),
        map (h, w).
    """

    input: Tensor
    kernel: Tensor
    stride: int
    padding: int
    dilation: int
    padded: Tensor
    windows: Tensor
    map: Tensor

    @property
    def products(self) -> Tensor:
        """Window times kernel at every position, (h, w, C, F, G); made anew at each call."""
        return self.windows * self.kernel

    def at(self, row: int, column: int) -> Position:
        """The step that makes one value of the map; rows and columns count from 0.

        Raises:
            SettingError: The map has no such position.
        """
        check_position(self.map, row, column)
        window = self.windows[row, column]
        products = window * self.kernel
        return Position(row, column, window, products, self.map[row, column].item())


def convolve(
    input: Tensor,  # noqa: A002 - the field's name for it
    kernel: Tensor,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Convolution:
    """Lay a kernel on every window of the input, multiply, and sum.

    m[y, x] = Σ_c Σ_f Σ_g k[c, f, g] p[c, yS + fD, xS + gD], p being the padded input.
    Source: Dumoulin and Visin 2016, arXiv 1603.07285. Equal to torch.nn.functional.conv2d with one
    filter; a layer of several filters does this once for each.

    Args:
        input: One channel or several; whole numbers are taken as float64.
        kernel: As many channels as the input.
        stride: S, pixels from one window to the next.
        padding: P, zeros added at every border.
        dilation: D, pixels from one weight of the kernel to the next.

    Shape: input (H, W) or (C, H, W), kernel (F, G) or (C, F, G).

    Raises:
        DataError: Input or kernel is not a matrix or a stack of them, or is empty.
        SettingError: The channels differ, a number is out of range, or the kernel does not fit.

    >>> convolve(torch.eye(3), torch.ones(2, 2)).map.tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    image, weights = stack("input", input), stack("kernel", kernel)
    if len(image) != len(weights):
        raise SettingError(
            f"the kernel has {len(weights)} channels where the input has {len(image)}: a kernel "
            "needs one matrix for each channel"
        )
    dtype = torch.promote_types(image.dtype, weights.dtype)
    image, weights = image.to(dtype), weights.to(dtype)
    count = partial(output_size, stride=stride, padding=padding, dilation=dilation)
    rows, columns = weights.shape[1:]
    height, width = count(image.shape[1], rows), count(image.shape[2], columns)
    padded = functional.pad(image, (padding,) * 4)
    made = torch.zeros(height, width, dtype=dtype)
    for f in range(rows):
        for g in range(columns):
            # What weight (f, g) lies on, at all positions at once.
            seen = padded[:, f * dilation :: stride, g * dilation :: stride][:, :height, :width]
            made += (weights[:, f, g, None, None] * seen).sum(0)
    seen_by = windows(padded, (height, width), (rows, columns), stride, dilation)
    return Convolution(image, weights, stride, padding, dilation, padded, seen_by, made)


def windows(
    padded: Tensor, positions: tuple[int, int], size: tuple[int, int], stride: int, dilation: int
) -> Tensor:
    """All windows of a padded input as a view that copies nothing.

    Shape: padded (C, H, W) -> (*positions, C, *size).
    """
    channel, row, column = padded.stride()
    return padded.as_strided(
        (*positions, len(padded), *size),
        (stride * row, stride * column, channel, dilation * row, dilation * column),
    )


def stack(name: str, values: Tensor) -> Tensor:
    """A matrix as a stack of one channel, in floating point; a stack as it is.

    Raises:
        DataError: It is neither, or is empty.
    """
    if values.dim() not in (2, 3) or not values.numel():
        raise DataError(
            f"{name} of shape {tuple(values.shape)}: give a matrix (height, width) or a stack of "
            "them (channels, height, width)"
        )
    stacked = values[None] if values.dim() == 2 else values
    return (stacked if stacked.is_floating_point() else stacked.double()).contiguous()


def check_position(made: Tensor, row: int, column: int) -> None:
    """Refuse a position outside a map.

    Raises:
        SettingError: The map has no such position; the message counts from 1, as people do.
    """
    height, width = made.shape[-2:]
    if not (0 <= row < height and 0 <= column < width):
        raise SettingError(
            f"the map has no row {row + 1}, column {column + 1}: it has {height} rows and {width} "
            "columns, counted from 1"
        )
