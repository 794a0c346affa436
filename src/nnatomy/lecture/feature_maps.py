"""C4, C5 and C6: what happens to a map: activation, pooling, flattening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnatomy.lecture.convolution import written
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.nn.activations import build_activation
from nnatomy.nn.convolution import convolve
from nnatomy.nn.pooling import average_as_convolution, mean_kernel, pool

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

BEFORE = torch.tensor(
    [[15, 20, -10, 35], [18, -110, 25, 100], [20, -15, 25, -10], [101, 75, 18, 23]]
).double()
AFTER = (15, 20, 0, 35, 18, 0, 25, 100, 20, 0, 25, 0, 101, 75, 18, 23)
POOLED = torch.tensor([[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]).double()
"""Of the slide on unpooling, which shows the places of the maxima: those on pooling are lost."""
UNPOOLED = (0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 4)


def relu_of_a_map() -> Experiment:
    """ReLU of the printed map."""
    found = build_activation("relu")(BEFORE)
    by_hand = [max(0.0, value) for value in BEFORE.flatten().tolist()]
    return Experiment(
        [
            compare(
                "C4",
                "ReLU of the 4×4 map: all values",
                slide=list(AFTER),
                computed=[int(value) for value in found.flatten().tolist()],
            ),
            claim(
                "C4",
                "values of it that become zero",
                found.flatten().tolist() == by_hand and int((found == 0).sum()) == 4,
                int((found == 0).sum()),
                reason="max(0, a), value by value",
            ),
        ]
    )


def pooling() -> Experiment:
    """Max and average pooling; the average as a strided convolution."""
    largest, mean = pool(POOLED), pool(POOLED, kind="average")
    halves = [POOLED[y : y + 2, x : x + 2] for y in (0, 2) for x in (0, 2)]
    assert largest.chosen is not None
    unpooled = torch.zeros(16)
    unpooled[largest.chosen.flatten()] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    rows = [
        claim(
            "C5",
            "max pooling of 1 2 6 3 / 3 5 2 1 / 1 2 2 1 / 7 3 4 8 with 2×2 windows",
            largest.map.flatten().tolist() == [half.max().item() for half in halves],
            written(largest.map[0]),
            slide="take a representative value from a certain area",
            reason="the matrix of the slide on unpooling; by hand the largest of each quarter",
        ),
        compare(
            "C5",
            "where its maxima were: 1 2 / 3 4 put back there, all 16 values",
            slide=list(UNPOOLED),
            computed=[int(value) for value in unpooled.tolist()],
            reason="unpooling uses the places that max pooling remembers",
        ),
        claim(
            "C5",
            "average pooling of the same",
            mean.map.flatten().tolist() == [half.sum().item() / 4 for half in halves],
            written(mean.map[0]),
            reason="by hand a quarter of each sum",
        ),
        _as_convolution(),
        _after_relu(),
    ]
    return Experiment(rows, [_figure()])


def _as_convolution() -> Row:
    generator = torch.Generator().manual_seed(0)
    images = [POOLED[None], torch.randn(3, 13, 17, generator=generator).double()]
    gap, layers = 0.0, 0
    for image in images:
        for size, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 0)):
            made = average_as_convolution(image, size, stride=stride, padding=padding)
            found = torch.stack([one.map for one in made])
            expected = functional.avg_pool2d(image[None], size, stride, padding)[0]
            gap = max(gap, (found - expected).abs().max().item())
            layers += 1
    return claim(
        "C5",
        "largest difference of average pooling from a strided convolution with weights 1/n",
        gap < 1e-12,
        f"{gap:.1e}",
        slide="average pooling is a special case of strided convolution: all weights are 1/n",
        reason=f"{layers} settings of size, stride and padding, against torch.nn.functional."
        "avg_pool2d; each channel is convolved by itself",
    )


def _after_relu() -> Row:
    activated = BEFORE.clamp(min=0)
    found = pool(activated).map
    before = pool(BEFORE).map.clamp(min=0)
    return claim(
        "C5",
        "max pooling of the map of C4 after ReLU, and ReLU after max pooling",
        torch.equal(found, before) and found.flatten().tolist() == [20, 100, 101, 25],
        f"{written(found[0])}, and {written(before[0])}",
        reason="ReLU never falls, so the order makes no difference",
    )


def flatten() -> Experiment:
    """A stack of maps as one vector, and the way back."""
    maps = torch.arange(24.0).reshape(2, 3, 4)
    vector = nn.Flatten()(maps[None])[0]
    return Experiment(
        [
            claim(
                "C6",
                "2 maps of 3×4 as a vector: its length, and where map 2, row 3, column 4 goes",
                vector.shape == (24,) and all(_place(maps, vector)),
                [len(vector), int((vector == maps[1, 2, 3]).nonzero().item()) + 1],
                slide="transform a 2D matrix or 3D tensor to a 1D vector",
                reason="value (c, y, x) goes to place c·H·W + y·W + x (from 0), tried for all 24",
            ),
            claim(
                "C6",
                "the map of C4 after ReLU, flattened",
                BEFORE.clamp(min=0).flatten().tolist() == list(AFTER),
                [int(value) for value in BEFORE.clamp(min=0).flatten().tolist()],
                reason="row by row; nothing is lost, as the shape brings it back",
            ),
        ]
    )


def _place(maps: Tensor, vector: Tensor) -> list[bool]:
    channels, height, width = maps.shape
    return [
        vector[c * height * width + y * width + x].item() == maps[c, y, x].item()
        for c in range(channels)
        for y in range(height)
        for x in range(width)
    ]


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.lecture.matrices import draw_matrix

        top, bottom = canvas.subplots(2, 4)
        largest, mean = pool(POOLED), pool(POOLED, kind="average")
        assert largest.chosen is not None
        places = [divmod(place, 4) for place in largest.chosen.flatten().tolist()]
        windows = [(row, column, 1, 1) for row, column in places]
        first = [(0, 0, 2, 2)]
        draw_matrix(top[0], POOLED, "input, its maxima", windows=windows, limit=8, room=4)
        draw_matrix(top[3], largest.map[0], "max pooling", limit=8, room=4)
        done = convolve(POOLED, mean_kernel(2), stride=2)
        draw_matrix(bottom[0], POOLED, "input", windows=first, limit=8, room=4)
        draw_matrix(bottom[1], mean_kernel(2)[0], "weights 1/4", limit=8, room=4)
        draw_matrix(bottom[2], done.at(0, 0).products[0], "products, sum 2.75", limit=8, room=4)
        draw_matrix(bottom[3], mean.map[0], "average pooling", limit=8, room=4)
        for axes in top[1:3]:
            axes.set_visible(False)

    return Figure(
        "C5_pooling",
        "Max pooling chooses, average pooling is a strided convolution",
        "2×2 windows side by side on the lecture's 4×4 matrix; the strongest blue is 8. Below the "
        "first window is worked out with weights 1/4.",
        draw,
        (14.0, 8.0),
    )
