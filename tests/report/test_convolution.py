"""Pictures and texts of convolutions."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from nnatomy.errors import SettingError
from nnatomy.nn.convolution import convolve
from nnatomy.nn.kernels import named_kernel
from nnatomy.nn.pooling import pool
from nnatomy.report.convolution_text import convolution_text, size_formula
from nnatomy.report.figures_convolution import WIDTH, convolution_figure, map_shade
from nnatomy.report.grids import Block, Shade, entries, png, shade_of, strongest
from nnatomy.report.svg import Drawing

SVG = "{http://www.w3.org/2000/svg}"
INPUT = torch.tensor(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
)
KERNEL = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def words_of(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def cells_of(svg: str) -> dict[str, int]:
    """Number of cells by color."""
    found: dict[str, int] = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        name = path.attrib["class"].removeprefix("cell ")
        found[name] = found.get(name, 0) + path.attrib["d"].count("M")
    return found


def images_of(svg: str) -> list[Image.Image]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}image")
    data = [element.attrib["href"].split(",")[1] for element in found]
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in data]


def test_the_picture_shows_all_numbers_of_the_example() -> None:
    svg = convolution_figure(convolve(INPUT, KERNEL))
    words = words_of(svg)
    assert {"input 5×5", "kernel 3×3", "products, sum 4", "map 3×3"} <= set(words)
    after = words[words.index("map 3×3") + 1 :]
    assert after[:9] == ["4", "3", "4", "2", "4", "3", "2", "3", "4"]
    assert after[9:] == ["−4", "4"]  # the legend of its colors
    assert sum(cells_of(svg).values()) == 25 + 9 + 9 + 9
    assert "row 1, column 1 of the map is 4" in ElementTree.fromstring(svg).attrib["aria-label"]


@pytest.mark.parametrize(("dilation", "marks"), [(1, 1), (2, 4)])
def test_the_window_is_marked_where_it_lies(dilation: int, marks: int) -> None:
    kernel = torch.ones(2, 2)
    svg = convolution_figure(
        convolve(torch.ones(5, 5), kernel, stride=2, dilation=dilation), (1, 0)
    )
    taps = [e for e in ElementTree.fromstring(svg).iter(f"{SVG}rect") if e.get("class") == "tap"]
    assert len(taps) == marks + 1  # and the value in the map
    left, top = 16.0, 16.0 + 24.0  # margin and title
    assert float(taps[0].attrib["x"]) == left
    assert float(taps[0].attrib["y"]) == top + 2 * 30
    assert float(taps[0].attrib["width"]) == (60 if dilation == 1 else 30)


def test_padding_is_set_apart() -> None:
    svg = convolution_figure(convolve(INPUT, KERNEL, padding=1))
    assert cells_of(svg)["void"] == 49 - 25
    svg = convolution_figure(pool(INPUT, padding=1))
    assert cells_of(svg)["void"] == 49 - 25 + 3  # and in the window
    assert words_of(svg).count("−∞") == 49 - 25 + 3


def test_channels_stand_below_each_other_and_further_ones_are_left_out() -> None:
    words = words_of(convolution_figure(convolve(torch.ones(2, 3, 3), torch.ones(2, 2, 2))))
    assert "input channel 2 of 2, 3×3" in words
    assert "sum of all 8, map 2×2" in words
    words = words_of(convolution_figure(pool(torch.ones(9, 3, 3))))
    assert "input channel 4 of 9, 3×3" in words
    assert "input channel 5 of 9, 3×3" not in words


def test_average_pooling_is_shown_as_the_convolution_that_it_is() -> None:
    words = words_of(convolution_figure(pool(torch.arange(16.0).reshape(4, 4), kind="average")))
    assert {"weights 1/4", "products, sum 2.5"} <= set(words)
    words = words_of(convolution_figure(pool(torch.arange(16.0).reshape(4, 4))))
    assert "window, max 5" in words


def test_large_inputs_are_pixels_with_the_window_below() -> None:
    photo = torch.arange(60 * 40).reshape(60, 40) % 256
    svg = convolution_figure(convolve(photo, named_kernel("sharpen")), picture=True)
    given, made = images_of(svg)
    assert (given.size, given.mode, made.size) == ((40, 60), "L", (38, 58))
    assert (np.asarray(given) == photo.numpy()).all()
    assert {"window", "kernel 3×3", "map 58×38"} <= set(words_of(svg))
    big = torch.ones(3000, 30)
    assert max(images_of(convolution_figure(pool(big)))[0].size) <= 680
    whole = convolution_figure(convolve(torch.ones(50, 50), torch.ones(30, 30)))
    assert words_of(whole)[0] == "input 50×50"
    assert "window" not in words_of(whole)


def test_no_picture_is_wider_than_a_page() -> None:
    wide = torch.arange(400.0).reshape(20, 20) * 1234.5
    svg = convolution_figure(convolve(wide, torch.ones(9, 9)))
    assert float(ElementTree.fromstring(svg).attrib["width"]) < 2 * WIDTH
    small = convolution_figure(convolve(torch.ones(12, 12), torch.ones(7, 7)))
    assert float(ElementTree.fromstring(small).attrib["width"]) <= WIDTH + 40


def test_colors_are_symmetric_around_zero() -> None:
    shade = shade_of(np.array([[-4.0, 2.0, -np.inf]]))
    assert shade.limit == 4
    assert [shade.level(v) for v in (-4.0, -0.1, 0.0, 0.1, 2.0, 4.0, 9.0)] == [
        *("m5", "m1", "z", "p1", "p3", "p5", "p5")
    ]
    pixels = shade.pixels(np.array([[-4.0, 0.0, 4.0]])).tolist()[0]
    assert pixels[1] == [255, 255, 255]
    assert pixels[0] == [194, 121, 56]  # 255 - 0.8 · (255 - 179, 255 - 88, 255 - 6)
    assert shade_of(np.zeros((2, 2))).level(0.0) == "z"
    grey = Shade(255, grey=True)
    assert [grey.level(v) for v in (-3, 0, 255, 400)] == ["g0", "g0", "g10", "g10"]


def test_every_pixel_of_a_drawn_map_has_the_color_of_its_value() -> None:
    values = np.linspace(-792, 769, 60 * 40).reshape(40, 60).round()
    block = Block("map", values, shade_of(values), raster=True)
    drawing = Drawing(block.width, block.height, "map", "")
    block.draw(drawing, 0, 0)
    (data,) = re.findall(r"base64,([^\"]+)", drawing.render())
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    np.testing.assert_array_equal(drawn, block.shade.pixels(values))


def test_a_picture_comes_out_grey_and_differences_in_color() -> None:
    photo = torch.full((4, 4), 200.0)
    assert map_shade(convolve(photo, named_kernel("blur")), picture=True).limit == pytest.approx(
        255
    )
    assert map_shade(convolve(photo, 2 * named_kernel("identity")), picture=True).limit == 510
    assert not map_shade(convolve(photo, named_kernel("edge")), picture=True).grey
    assert not map_shade(convolve(photo, named_kernel("blur")), picture=False).grey
    assert map_shade(pool(photo), picture=True).grey


def test_thin_lines_survive() -> None:
    values = np.zeros((1, 100))
    values[0, 10], values[0, 11], values[0, 99] = -5.0, 4.0, 1.0
    kept = strongest(values, 10)
    assert kept.shape == (1, 10)
    assert kept[0].tolist() == [0, -5, 0, 0, 0, 0, 0, 0, 0, 1]
    assert strongest(values, 100) is values
    assert Image.open(io.BytesIO(png(np.zeros((50, 100), np.uint8), most=20))).size == (20, 10)


def test_numbers_in_cells() -> None:
    found = entries([4.0, -0.0, 1 / 9, -2.5, 123456, 1e12, np.inf])
    assert found == ["4", "0", "0.1111", "−2.5", "123456", "1e+12", "∞"]
    values = np.array([[123456.0]])
    assert Block("", values, Shade(1.0)).cell[0] > Block("", values / 123456, Shade(1.0)).cell[0]


def test_the_text_of_the_example() -> None:
    text = convolution_text(convolve(INPUT, KERNEL), (1, 2))
    assert text.startswith("input 5×5, kernel 3×3, stride 1, padding 0: map 3×3\n")
    assert "row 2, column 3 of the map" in text
    assert "1 1 0        1 0 1        1 0 0\n1 1 1    ·   0 1 0    =   0 1 0\n" in text
    assert "sum: 1 + 0 + 0 + 0 + 1 + 0 + 1 + 0 + 0 = 3\n" in text
    assert text.endswith("map 3×3\n4 3 4\n2 4 3\n2 3 4")


def test_every_step_in_a_line() -> None:
    done = convolve(torch.tensor([[1, -2, 3]]), torch.tensor([[2, -1]]))
    lines = convolution_text(done, None).splitlines()
    assert "1,1: 1·2 + −2·(−1) = 4" in lines
    assert "1,2: −2·2 + 3·(−1) = −7" in lines
    pooled = convolution_text(pool(torch.tensor([[1, 2], [3, 6]]), kind="average"), None)
    assert "1,1: mean(1, 2, 3, 6) = 3" in pooled
    many = convolution_text(convolve(torch.ones(7, 7), torch.ones(6, 6)), None)
    assert "1,1: 36\n" in many


def test_sizes_are_reckoned() -> None:
    done = convolve(torch.ones(6, 5), torch.ones(3, 2), stride=2, padding=1, dilation=2)
    words = size_formula(done)
    assert words == (
        "rows: floor((6 + 2·1 - 2·(3 - 1) - 1) / 2) + 1 = 2; "
        "columns: floor((5 + 2·1 - 2·(2 - 1) - 1) / 2) + 1 = 3"
    )
    for formula, size in zip(words.split("; "), done.map.shape, strict=True):
        reckoned, stated = re.fullmatch(r".*?: (.*) = (\d+)", formula).groups()
        numbers = [int(number) for number in re.findall(r"\d+", reckoned)]
        assert (numbers[0] + 2 * numbers[2] - numbers[3] * (numbers[4] - 1) - 1) // numbers[
            -2
        ] + 1 == int(stated)
        assert int(stated) == size


def test_large_inputs_are_told_by_their_extremes() -> None:
    text = convolution_text(convolve(torch.arange(900.0).reshape(30, 30), torch.ones(2, 2)))
    assert "input 30×30: from 0 to 899, mean 449.5" in text
    assert "map 29×29: from 62 to 3534" in text
    assert "sum: 0 + 1 + 30 + 31 = 62" in text
    assert "row 1, column 1 of the map: 625" in convolution_text(
        convolve(torch.ones(30, 30), torch.ones(25, 25))
    )


def test_a_position_that_is_not_there() -> None:
    done = convolve(INPUT, KERNEL)
    for act in (convolution_figure, convolution_text):
        with pytest.raises(SettingError, match="no row 4, column 1"):
            act(done, (3, 0))
