"""C1: images as tensors."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from nnatomy.data.image_decode import Framing, decode_image
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PRINTED: dict[str, tuple[tuple[float, ...], ...]] = {
    "red": (
        (*(0.2784314,) * 2, *(0.2745098,) * 4, *(0.2705882,) * 2, 0.2862745, 0.2901961),
        (*(0.2745098,) * 8, 0.2666667, 0.2705882),
        (0.2745098,) * 10,
    ),
    "green": (
        (*(0.2980392,) * 2, *(0.2941176,) * 4, *(0.2901961,) * 2, 0.2980392, 0.3019608),
        (*(0.2941176,) * 8, 0.2784314, 0.2823529),
        (*(0.2941176,) * 8, 0.2823529, 0.2862745),
    ),
    "blue": (
        (*(0.3215686,) * 2, *(0.3176471,) * 4, *(0.3137255,) * 2, 0.3254902, 0.3294118),
        (*(0.3176471,) * 8, 0.3058824, 0.3098039),
        (*(0.3176471,) * 8, 0.3098039, 0.3137255),
    ),
}
"""The first three rows of each channel as the slide prints them: 3 × 10 values."""

_HALF_DIGIT = 5e-8


def image_tensors() -> Experiment:
    """The printed values as a picture, written to a file and read back as data."""
    printed = np.array(list(PRINTED.values()))  # (channels, rows, columns)
    tensor = read_back(printed)
    rows = [
        compare(
            "C1",
            f"first row of the {name} channel, of ten pixels, through an image file and back",
            slide=list(PRINTED[name][0]),
            computed=[float(value) for value in tensor[i, 0]],
            tolerance=_HALF_DIGIT,
            reason="the printed values times 255 were written as bytes into a PNG file",
        )
        for i, name in enumerate(PRINTED)
    ]
    return Experiment([*rows, _levels(printed), _shape(tensor), _weights()], [_figure()])


def read_back(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of white as the project reads them from a PNG file.

    Shape: (3, H, W) -> (3, H, W).
    """
    pixels = np.round(255 * channels).astype(np.uint8).transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    height, width = pixels.shape[:2]
    read = decode_image(stream.getvalue(), Framing((height, width), 3))
    tensor: NDArray[np.float64] = read.transpose(2, 0, 1) / 255
    return tensor


def _levels(printed: NDArray[np.float64]) -> Row:
    gap = float(np.abs(printed - np.round(255 * printed) / 255).max())
    found = np.unique(np.round(255 * printed).astype(int))
    return claim(
        "C1",
        "levels (of 0 to 255) that the printed values are, and their largest distance from one",
        gap <= _HALF_DIGIT,
        f"{', '.join(map(str, found))}; {gap:.1e}",
        slide="values from 0 to 1 with seven decimals",
        reason="90 values, the first three rows of each channel; some further rows have eleven "
        "values for ten columns, and those are left out",
    )


def _shape(tensor: NDArray[np.float64]) -> Row:
    return claim(
        "C1",
        "the three rows as a network gets them: channels × height × width",
        tensor.shape == (3, 3, 10),
        list(tensor.shape),
        slide="a color image is a tensor of width × height × 3",
        reason="the same numbers in another order: PyTorch puts the channels first",
    )


def _weights() -> Row:
    dense = nn.Linear(224 * 224 * 3, 1).weight.numel()
    filtered = nn.Conv2d(3, 1, kernel_size=3).weight.numel()
    return claim(
        "C1",
        "weights of one unit that sees all of a 224×224 color image, and of one 3×3 filter",
        dense == 150_528 and filtered == 27,
        [dense, filtered],
        slide="if all pixels are connected to the first hidden layer, there are too many weights",
        reason="by hand 224·224·3 and 3·3·3; biases are not counted",
    )


def photo() -> NDArray[np.uint8]:
    """A photograph of a dahlia that comes with scikit-learn (427 × 640 × 3)."""
    from sklearn.datasets import load_sample_image

    pixels: NDArray[np.uint8] = load_sample_image("flower.jpg")
    return pixels


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        pixels = photo()
        all_axes = canvas.subplots(2, 2).ravel()
        all_axes[0].imshow(pixels)
        height, width, channels = pixels.shape
        all_axes[0].set_title(f"{height} × {width} × {channels} bytes")
        row, column = 120, 300
        for i, (axes, name) in enumerate(zip(all_axes[1:], PRINTED, strict=True)):
            axes.imshow(pixels[..., i], cmap="gray", vmin=0, vmax=255)
            axes.set_title(
                f"{name}: {pixels[row, column, i] / 255:.3f} in row {row}, column {column}"
            )
        for axes in all_axes:
            axes.set_axis_off()

    return Figure(
        "C1_channels",
        "A color image is three matrices",
        "A photograph and its three channels, black for 0 and white for 1: what is orange has much "
        "red, less green and little blue.",
        draw,
        (12.0, 9.0),
    )
