"""C2 and C3: convolution, stride, padding, output sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.signal import convolve2d
from torch import Tensor
from torch.nn import functional

from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.nn.convolution import convolve, output_size
from nnatomy.nn.kernels import named_kernel

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

INPUT = torch.tensor(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
).double()
KERNEL = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]]).double()
PADDED_INPUT = torch.tensor(
    [
        [3, 1, 1, 2, 8, 4],
        [1, 0, 7, 3, 2, 6],
        [2, 3, 5, 1, 1, 3],
        [1, 4, 1, 2, 6, 5],
        [3, 2, 1, 3, 7, 2],
        [9, 2, 6, 2, 5, 1],
    ]
).double()
PRINTED_PADDED = (
    *(0, 0, 0, 0, 0, 0, 0, 0),
    *(0, 3, 1, 1, 2, 8, 4, 0),
    *(0, 1, 0, 7, 3, 2, 6, 0),
    *(0, 2, 3, 5, 1, 1, 3, 0),
    *(0, 1, 4, 1, 2, 6, 5, 0),
    *(0, 3, 2, 1, 3, 7, 2, 0),
    *(0, 9, 2, 6, 2, 5, 1, 0),
    *(0, 0, 0, 0, 0, 0, 0, 0),
)
SHARPENED = torch.tensor(
    [
        [105, 102, 100, 97, 96],
        [103, 99, 103, 101, 102],
        [101, 98, 104, 102, 100],
        [99, 101, 106, 104, 99],
        [104, 104, 104, 100, 98],
    ]
).double()


def convolution() -> Experiment:
    """The 5×5 example: first value, whole map, and what the field calls convolution."""
    done = convolve(INPUT, KERNEL)
    first = done.at(0, 0)
    rows = [
        compare(
            "C2",
            "5×5 input, kernel 1 0 1 / 0 1 0 / 1 0 1: first value of the map",
            slide=4,
            computed=first.sum,
            reason=f"the products {written(first.products[0])}",
        ),
        claim(
            "C2",
            "the whole map",
            torch.equal(done.map, plain_loops(INPUT, KERNEL)) and _is_that_of_torch(INPUT, KERNEL),
            written(done.map),
            reason="equal to four nested loops and to torch.nn.functional.conv2d",
        ),
        _turned(),
    ]
    return Experiment(rows, [_example_figure(), _kernels_figure()])


def plain_loops(image: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """The definition, a value at a time: slow and obvious.

    Shape: image (H, W), kernel (F, G) -> (h, w).
    """
    (height, width), (rows, columns) = image.shape, kernel.shape
    return torch.tensor(
        [
            [
                sum(
                    kernel[f, g].item() * image[y + f, x + g].item()
                    for f in range(rows)
                    for g in range(columns)
                )
                for x in range(0, width - columns + 1, stride)
            ]
            for y in range(0, height - rows + 1, stride)
        ],
        dtype=torch.float64,
    )


def written(values: Tensor) -> str:
    """A matrix of whole numbers in a line: "4 3 4 / 2 4 3 / 2 3 4"."""
    return " / ".join(" ".join(f"{value + 0.0:g}" for value in row) for row in values.tolist())


def _is_that_of_torch(image: Tensor, kernel: Tensor, padding: int = 0) -> bool:
    expected = functional.conv2d(image[None, None], kernel[None, None], padding=padding)
    return torch.equal(convolve(image, kernel, padding=padding).map, expected[0, 0])


def _turned() -> Row:
    gaps = []
    for kernel, sign in ((KERNEL, 1), (named_kernel("sobel-x")[0], -1)):
        ours, strict = convolve(INPUT, kernel).map.numpy(), convolve2d(INPUT, kernel, "valid")
        gaps.append(float(np.abs(ours - sign * strict).max()))
    return claim(
        "C2",
        "convolution in the strict sense turns the kernel by 180 degrees first: largest difference "
        "from it for this kernel, and for Sobel's of vertical edges from its opposite",
        gaps == [0.0, 0.0],
        gaps,
        slide="convolution",
        reason="what networks compute is cross-correlation. A kernel that looks the same when "
        "turned gives the same map, Sobel's one of opposite sign (scipy.signal.convolve2d); as "
        "kernels are learned, the name makes no difference",
    )


def sizes() -> Experiment:
    """Padding and its sharpening example, stride, and the size of the map."""
    sharpen = named_kernel("sharpen")[0]
    done = convolve(SHARPENED, sharpen, padding=1)
    by_loops = plain_loops(functional.pad(SHARPENED, (1, 1, 1, 1)), sharpen)
    padded = convolve(PADDED_INPUT, torch.ones(3, 3), padding=1).padded[0]
    rows = [
        compare(
            "C3",
            "6×6 example, padded by 1: all 64 values",
            slide=list(PRINTED_PADDED),
            computed=[int(value) for value in padded.flatten().tolist()],
        ),
        _chances(),
        compare(
            "C3",
            "sharpening example with padding 1: first value of the map",
            slide=320,
            computed=done.at(0, 0).sum,
            reason=f"the products {written(done.at(0, 0).products[0])}",
        ),
        claim(
            "C3",
            "sharpening example: the whole map",
            torch.equal(done.map, by_loops) and _is_that_of_torch(SHARPENED, sharpen, 1),
            written(done.map),
            reason="equal to four nested loops and to torch.nn.functional.conv2d",
        ),
        _stride(),
        compare(
            "C3",
            "side of the map of a 6×6 input with F = 3, P = 0, S = 2: by the printed formula, and "
            "as it is",
            slide=(6 + 0 - 3) / 2 + 1,
            computed=output_size(6, 3, stride=2),
            erratum="(H + 2P - F)/S + 1 is printed without rounding down and gives 2.5; a window "
            "that would reach beyond the border is left out, here the last column and row",
        ),
        _sizes_of_torch(),
    ]
    return Experiment(rows, [_sizes_figure()])


def _chances() -> Row:
    """How many windows see a corner, an edge and a middle pixel."""
    found = []
    for padding in (0, 1):
        # Laying ones on ones backwards: each window adds 1 to every pixel it sees.
        side = output_size(6, 3, padding=padding)
        maps = torch.ones(1, 1, side, side)
        seen = functional.conv_transpose2d(maps, torch.ones(1, 1, 3, 3), padding=padding)[0, 0]
        found += [int(seen[0, 0]), int(seen[0, 3]), int(seen[3, 3])]
    return claim(
        "C3",
        "3×3 windows of the 6×6 input that see a corner, an edge, a middle pixel: without padding, "
        "and with padding 1",
        found == [1, 3, 9, 4, 6, 9],
        found,
        slide="pixels at the edge have fewer opportunities; the solution is padding",
        reason="by hand 1·1, 1·3, 3·3 and 2·2, 2·3, 3·3",
    )


def _stride() -> Row:
    ones = torch.ones(3, 3).double()
    every, second = (convolve(PADDED_INPUT, ones, stride=stride).map for stride in (1, 2))
    holds = torch.equal(every[::2, ::2], second)
    by_loops = torch.equal(second, plain_loops(PADDED_INPUT, ones, 2))
    return claim(
        "C3",
        "6×6 example, kernel of ones: positions with stride 1 and 2",
        holds and by_loops,
        [every.numel(), second.numel()],
        slide="moving by one pixel takes too long; the solution is a stride",
        reason=f"stride 2 keeps every second value of every second row: {written(second)}",
    )


def _sizes_of_torch() -> Row:
    checked = 0
    agree = True
    for size in range(1, 10):
        for kernel in range(1, 6):
            for stride in (1, 2, 3):
                for padding in (0, 1, 2):
                    if kernel > size + 2 * padding:
                        continue
                    line = torch.ones(1, 1, size)
                    weights = torch.ones(1, 1, kernel)
                    made = functional.conv1d(line, weights, stride=stride, padding=padding)
                    found = output_size(size, kernel, stride=stride, padding=padding)
                    agree &= made.shape[-1] == found
                    checked += 1
    return claim(
        "C3",
        "combinations of H, F, S and P in which floor((H + 2P - F)/S) + 1 is the size torch gives",
        agree,
        checked,
        reason="H from 1 to 9, F to 5, S to 3, P to 2, wherever the kernel fits",
    )


def _example_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.lecture.matrices import draw_matrix

        done = convolve(INPUT, KERNEL)
        all_axes = canvas.subplots(2, 4)
        for line, (row, column) in zip(all_axes, ((0, 0), (1, 2)), strict=True):
            step, total = done.at(row, column), f"products, sum {done.map[row, column]:g}"
            seen, found = [(row, column, 3, 3)], [(row, column, 1, 1)]
            draw_matrix(line[0], INPUT, "input", windows=seen, limit=1, room=5)
            draw_matrix(line[1], KERNEL, "kernel", limit=1, room=5)
            draw_matrix(line[2], step.products[0], total, limit=1, room=5)
            draw_matrix(line[3], done.map, "map", windows=found, limit=4, room=5)

    return Figure(
        "C2_convolution",
        "A kernel is laid on every window: multiply, sum, next",
        "Above the first window of the lecture's example, below the one of row 2, column 3. White "
        "is zero; the strongest blue is 1, in the map 4.",
        draw,
        (14.0, 8.0),
    )


def _kernels_figure() -> Figure:
    names = ("identity", "sharpen", "blur", "edge", "sobel-x", "sobel-y")

    def draw(canvas: Canvas) -> None:
        from nnatomy.lecture.images import photo
        from nnatomy.report.projector import SIGNED

        grey = torch.tensor(photo()[60:380, 160:480].mean(-1))
        for axes, name in zip(canvas.subplots(2, 3).ravel(), names, strict=True):
            kernel = named_kernel(name)[0]
            made = convolve(grey, kernel).map.numpy()
            if kernel.sum() > 0.5:
                axes.imshow(made, cmap="gray", vmin=0, vmax=255)
                axes.set_title(f"{name}, grey 0 … 255")
            else:
                limit = float(np.quantile(np.abs(made), 0.995))
                axes.imshow(made, cmap=SIGNED, vmin=-limit, vmax=limit)
                axes.set_title(f"{name}, ±{limit:.0f}")
            axes.set_axis_off()

    return Figure(
        "C2_kernels",
        "Each kernel shows another feature of the same picture",
        "A photograph under six 3×3 kernels. Kernels whose weights sum to zero show differences: "
        "white for none, orange below zero, blue above; colors end at the 99.5 % quantile.",
        draw,
        (13.0, 9.5),
    )


def _sizes_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.lecture.matrices import draw_matrix

        ones = torch.ones(3, 3).double()
        all_axes = canvas.subplots(2, 3)
        settings = ((1, 0), (2, 0), (1, 1))
        for (top, bottom), (stride, padding) in zip(all_axes.T, settings, strict=True):
            done = convolve(PADDED_INPUT, ones, stride=stride, padding=padding)
            side, seen = len(done.map), [(0, 0, 3, 3), (0, stride, 3, 3)]
            title, below = f"stride {stride}, padding {padding}", f"map {side}×{side}"
            given, found = done.padded[0], [(0, 0, 1, 1), (0, 1, 1, 1)]
            draw_matrix(top, given, title, windows=seen, padding=padding, limit=9, room=8)
            draw_matrix(bottom, done.map, below, windows=found, limit=50, room=8)

    return Figure(
        "C3_sizes",
        "A stride makes the map smaller, padding keeps its size",
        "The lecture's 6×6 matrix under a 3×3 kernel of ones; the first two windows and their "
        "values are outlined. The strongest blue is 9 above and 50 below.",
        draw,
        (14.0, 10.0),
    )
