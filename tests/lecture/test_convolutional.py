"""Part C: numbers by hand, and by libraries that have nothing to do with the rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as Canvas
from scipy.ndimage import correlate, maximum_filter

from nnatomy.lecture import convolution, feature_maps, images
from nnatomy.lecture.catalog import EXPERIMENTS
from nnatomy.lecture.matrices import draw_matrix
from nnatomy.lecture.row import Row

ITEMS = ("C1", "C2", "C3", "C4", "C5", "C6")


def row_of(item: str, words: str) -> Row:
    (found,) = [row for row in EXPERIMENTS[item]().rows if words in row.what]
    return found


@pytest.mark.parametrize("item", ITEMS)
def test_all_rows_agree_but_the_formula_without_rounding(item: str) -> None:
    verdicts = [row.verdict for row in EXPERIMENTS[item]().rows]
    assert verdicts.count("erratum") == (item == "C3")
    assert verdicts.count("agrees") == len(verdicts) - (item == "C3")


def test_the_printed_pixels_are_bytes() -> None:
    # By hand: 71/255 = 0.27843137, 76/255 = 0.29803922, 82/255 = 0.32156863.
    first = [values[0][0] for values in images.PRINTED.values()]
    assert first == pytest.approx([71 / 255, 76 / 255, 82 / 255], abs=5e-8)
    assert all(len(row) == 10 for rows in images.PRINTED.values() for row in rows)
    shares = np.array([[[0.0, 1.0]], [[0.2, 0.4]], [[0.6, 0.8]]])
    assert images.read_back(shares) == pytest.approx(shares)


def test_the_example_by_hand_and_by_scipy() -> None:
    # Row 2, column 1: the windows 0 1 1 / 0 0 1 / 0 0 1 under 1 0 1 / 0 1 0 / 1 0 1 give 1 + 1.
    assert row_of("C2", "whole map").computed == "4 3 4 / 2 4 3 / 2 3 4"
    by_scipy = correlate(convolution.INPUT.numpy(), convolution.KERNEL.numpy())[1:-1, 1:-1]
    assert by_scipy.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_the_sharpened_example_by_hand_and_by_scipy() -> None:
    # 5·105 - 102 - 103 = 320 and, at the end, 5·98 - 100 - 99 = 291.
    row = row_of("C3", "sharpening example: the whole map")
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    by_scipy = correlate(convolution.SHARPENED.numpy(), kernel, mode="constant")
    assert row.computed == convolution.written(torch.tensor(by_scipy))
    assert str(row.computed).startswith("320 206 198")
    assert str(row.computed).endswith("291")
    assert row_of("C3", "first value of the map").slide == 320


def test_how_often_pixels_are_seen_is_counted() -> None:
    for padding in (0, 1):
        seen = np.zeros((6 + 2 * padding,) * 2, dtype=int)
        for top in range(len(seen) - 2):
            for left in range(len(seen) - 2):
                seen[top : top + 3, left : left + 3] += 1
        inner = seen[padding : padding + 6, padding : padding + 6]
        computed = row_of("C3", "that see a corner").computed
        assert isinstance(computed, list)
        assert computed[3 * padding : 3 * padding + 3] == [inner[0, 0], inner[0, 3], inner[3, 3]]


def test_the_size_without_rounding_is_the_slides_mistake() -> None:
    row = row_of("C3", "by the printed formula")
    assert (row.slide, row.computed) == (2.5, 2)
    assert "rounding down" in row.reason


def test_pooling_by_scipy() -> None:
    matrix = feature_maps.POOLED.numpy()
    largest = maximum_filter(matrix, 2, origin=-1)[::2, ::2]
    assert row_of("C5", "max pooling of 1 2 6 3").computed == convolution.written(
        torch.tensor(largest)
    )
    mean = correlate(matrix, np.full((2, 2), 0.25), origin=-1)[::2, ::2]
    assert row_of("C5", "average pooling of the same").computed == convolution.written(
        torch.tensor(mean)
    )


def test_flattening_goes_row_by_row() -> None:
    assert row_of("C6", "2 maps of 3×4").computed == [24, 24]
    assert row_of("C6", "flattened").computed == row_of("C4", "all values").slide


def test_a_drawn_matrix_has_its_numbers_padding_and_windows() -> None:
    axes = Canvas().subplots()
    draw_matrix(axes, [[0, -2], [1, 0.5]], "name", windows=[(0, 0, 1, 2)], padding=0)
    words = [text.get_text() for text in axes.texts]
    assert words == ["0", "−2", "1", "0.5", "name"]
    (window,) = axes.patches
    assert window.get_bbox().bounds == (-0.5, -0.5, 2.0, 1.0)
    pixels = axes.images[0].get_array()
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1, 0] > pixels[0, 1, 2]  # orange
    assert pixels[1, 0, 2] > pixels[1, 0, 0]  # blue
