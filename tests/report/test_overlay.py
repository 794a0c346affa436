"""Overlays: the color of a value, its strength, the frame, and what cannot be drawn."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from nnatomy.report.overlay import (
    BLUE,
    ORANGE,
    blend,
    example_overlay,
    overlay,
    png,
    sheet,
    with_box,
    with_legend,
)
from report.cases import picture


def test_blue_is_for_and_orange_against_by_strength():
    grey = np.full((1, 5), 200, np.float32)
    colors = blend(grey, np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]])).astype(int)[0]
    for color, end, share in zip(colors, (ORANGE, ORANGE, BLUE, BLUE, BLUE),
                                 (0.8, 0.4, 0.0, 0.4, 0.8), strict=True):  # fmt: skip
        expected = [200 * (1 - share) + share * part for part in end]
        np.testing.assert_allclose(color, expected, atol=0.5)


def test_the_scale_is_symmetric_and_tiny_images_are_enlarged_by_whole_pixels():
    pixels = np.zeros((8, 8, 3), np.uint8)
    values = np.zeros((8, 8))
    values[0, 0], values[7, 7] = 2.0, -1.0
    made = overlay(pixels, values, 64)
    assert made.size == (64, 64)
    strong, weak = made.getpixel((0, 0)), made.getpixel((63, 63))
    np.testing.assert_allclose(strong, [0.8 * part for part in BLUE], atol=1)
    np.testing.assert_allclose(weak, [0.4 * part for part in ORANGE], atol=1)
    assert made.getpixel((0, 63)) == (0, 0, 0)
    assert overlay(pixels[..., :1], np.zeros((2, 2)), 8).getpixel((3, 3)) == (0, 0, 0)


def test_frame_legend_and_sheet():
    made = with_box(overlay(np.zeros((8, 8, 3), np.uint8), np.zeros((2, 2)), 64), (2, 1, 4, 8), 8)
    assert made.getpixel((16, 8)) == made.getpixel((31, 63)) == (255, 255, 255)
    assert made.getpixel((15, 8)) == made.getpixel((32, 30)) == (0, 0, 0)
    scaled = with_legend(made, 0.5)
    assert scaled.width == 64
    assert scaled.height > 64
    red = [scaled.getpixel((x, 70))[0] for x in (0, 32, 63)]
    assert red[0] > red[2]
    assert red[1] > 240
    assert sheet([scaled] * 5).width == 4 * 64 + 3 * 12
    with Image.open(io.BytesIO(png(scaled))) as read:
        assert read.size == scaled.size


def test_an_example_with_a_map_is_drawn():
    entry = {"image": picture(0), "map": {"values": [[1.0, -1.0], [0.0, 0.5]]}}
    content = base64.b64decode(example_overlay(entry).partition(",")[2])
    with Image.open(io.BytesIO(content)) as read:
        assert read.size == (8, 8)


@pytest.mark.parametrize(
    "entry",
    [
        {"image": picture(0)},
        {"image": picture(0), "map": None},
        {"image": picture(0), "map": {"values": []}},
        {"image": picture(0), "map": {"values": [[1.0], [1.0, 2.0]]}},
        {"image": picture(0), "map": {"values": [["x"]]}},
        {"image": picture(0), "map": {"values": [[float("nan")]]}},
        {"image": "data:image/png;base64,AAAA", "map": {"values": [[1.0]]}},
        {"image": "", "map": {"values": [[1.0]]}},
    ],
)
def test_an_example_that_cannot_be_drawn_has_none(entry):
    assert example_overlay(entry) == ""
