"""Convolution against torch's, nested loops and hand calculations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nnatomy.errors import DataError, SettingError
from nnatomy.nn.convolution import convolve, output_size
from nnatomy.nn.kernels import KERNELS, named_kernel

SIZES = {
    "channels": st.integers(1, 3),
    "height": st.integers(1, 9),
    "width": st.integers(1, 9),
    "rows": st.integers(1, 4),
    "columns": st.integers(1, 4),
    "stride": st.integers(1, 4),
    "padding": st.integers(0, 3),
    "dilation": st.integers(1, 3),
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def by_loops(image: Tensor, kernel: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """The sum written out, position by position, with zeros outside the input."""
    channels, rows, columns = kernel.shape
    found = []
    for top in range(-padding, image.shape[1] + padding - dilation * (rows - 1), stride):
        line = []
        for left in range(-padding, image.shape[2] + padding - dilation * (columns - 1), stride):
            total = 0.0
            for c in range(channels):
                for f in range(rows):
                    for g in range(columns):
                        y, x = top + f * dilation, left + g * dilation
                        if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                            total += kernel[c, f, g].item() * image[c, y, x].item()
            line.append(total)
        found.append(line)
    return torch.tensor(found, dtype=torch.float64)


@given(**SIZES)
def test_the_map_is_that_of_torch_and_of_nested_loops(
    channels: int,
    height: int,
    width: int,
    rows: int,
    columns: int,
    stride: int,
    padding: int,
    dilation: int,
) -> None:
    image, kernel = draw(channels, height, width), draw(channels, rows, columns, seed=1)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    reach = [dilation * (side - 1) + 1 for side in (rows, columns)]
    if reach[0] > height + 2 * padding or reach[1] > width + 2 * padding:
        with pytest.raises(SettingError, match="does not fit"):
            convolve(image, kernel, **options)
        return
    done = convolve(image, kernel, **options)
    of_torch = functional.conv2d(image[None], kernel[None], **options)[0, 0]
    torch.testing.assert_close(done.map, of_torch)
    torch.testing.assert_close(done.map, by_loops(image, kernel, stride, padding, dilation))
    torch.testing.assert_close(done.products.sum((2, 3, 4)), done.map)
    assert done.map.shape == (
        output_size(height, rows, **options),
        output_size(width, columns, **options),
    )
    last = done.at(done.map.shape[0] - 1, done.map.shape[1] - 1)
    assert last.products.sum().item() == pytest.approx(last.sum)
    assert torch.equal(last.products, last.window * kernel)
    unfolded = functional.unfold(image[None], (rows, columns), dilation, padding, stride)[0]
    assert torch.equal(done.windows.flatten(2).flatten(0, 1).T, unfolded)


def test_a_window_by_hand() -> None:
    image = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    done = convolve(image, torch.tensor([[1, 0], [0, -1]]), padding=1, stride=2)
    # Padded, the upper left window is 0 0 / 0 1, the lower right one 5 6 / 8 9.
    assert done.map.tolist() == [[-1, -3], [-7, -4]]
    step = done.at(1, 1)
    assert step.window.tolist() == [[[5, 6], [8, 9]]]
    assert step.products.tolist() == [[[5, 0], [0, -9]]]
    assert (step.row, step.column, step.sum) == (1, 1, -4)
    assert done.padded.tolist()[0][0] == [0] * 5
    assert done.map.dtype == torch.float64


def test_a_true_convolution_turns_the_kernel() -> None:
    image, kernel = draw(1, 6, 7), draw(1, 3, 2, seed=1)
    from scipy.signal import convolve2d, correlate2d

    found = convolve(image, kernel).map.numpy()
    assert found == pytest.approx(correlate2d(image[0], kernel[0], "valid"))
    assert found != pytest.approx(convolve2d(image[0], kernel[0], "valid"))
    turned = convolve(image, kernel.flip(1, 2)).map.numpy()
    assert turned == pytest.approx(convolve2d(image[0], kernel[0], "valid"))


def test_the_input_is_left_alone_and_its_precision_kept() -> None:
    image = draw(4, 4).float()
    before = image.clone()
    assert convolve(image, torch.ones(2, 2)).map.dtype == torch.float32
    assert convolve(image, torch.ones(2, 2).double()).map.dtype == torch.float64
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    ("size", "kernel", "options", "expected"),
    [
        (5, 3, {}, 3),
        (6, 3, {"padding": 1}, 6),
        (6, 3, {"stride": 2}, 2),  # 2.5 without rounding down
        (224, 11, {"stride": 4, "padding": 2}, 55),  # AlexNet's first layer
        (224, 7, {"stride": 2, "padding": 3}, 112),  # ResNet's
        (7, 3, {"dilation": 3}, 1),
        (1, 1, {}, 1),
    ],
)
def test_output_sizes(size: int, kernel: int, options: dict[str, int], expected: int) -> None:
    assert output_size(size, kernel, **options) == expected


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (lambda: output_size(5, 3, stride=0), SettingError, "stride must be .* at least 1, got 0"),
        (lambda: output_size(5, 3, padding=-1), SettingError, "padding must be .* at least 0"),
        (lambda: output_size(5, 3, dilation=0), SettingError, "dilation must be"),
        (lambda: output_size(0, 3), SettingError, "input size must be"),
        (lambda: output_size(5, 0), SettingError, "kernel size must be"),
        (lambda: output_size(5, 3, stride=1.5), SettingError, "whole number"),  # type: ignore[arg-type]
        (lambda: output_size(5, 3, stride=True), SettingError, "whole number"),
        (lambda: output_size(3, 4), SettingError, "kernel of 4 does not fit into 3 pixels"),
        (lambda: output_size(4, 3, dilation=2), SettingError, "reach 5 with dilation 2"),
        (lambda: convolve(draw(2, 3, 3), draw(2, 2)), SettingError, "1 channels .* input has 2"),
        (lambda: convolve(draw(3), draw(2, 2)), DataError, r"input of shape \(3,\)"),
        (lambda: convolve(draw(3, 0), draw(2, 2)), DataError, "input of shape"),
        (lambda: convolve(draw(3, 3), draw(1, 1, 2, 2)), DataError, "kernel of shape"),
        (lambda: convolve(draw(3, 3), draw(2, 2)).at(2, 0), SettingError, "no row 3, column 1"),
        (lambda: convolve(draw(3, 3), draw(2, 2)).at(0, -1), SettingError, "no row 1, column 0"),
        (lambda: named_kernel("sharpn"), SettingError, "did you mean 'sharpen'"),
    ],
)
def test_mistakes(act: Callable[[], object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        act()


def test_what_named_kernels_make_of_a_flat_picture_and_of_edges() -> None:
    flat, step = torch.full((5, 5), 7.0), torch.zeros(5, 6)
    step[:, 3:] = 1.0
    sums = {"identity": 1, "sharpen": 1, "blur": 1, "emboss": 1, "edge": 0}
    for name in KERNELS:
        expected = 7.0 * sums.get(name, 0)
        assert convolve(flat, named_kernel(name)).map.numpy() == pytest.approx(expected), name
    raised = torch.zeros(9, 9)
    raised[3:6, 3:6] = 1.0
    relief = convolve(raised, named_kernel("emboss")).map
    # What lights a relief makes the slopes that face it bright and the others dark.
    assert relief[2, 2] == relief.max()
    assert relief[1, 1] > 0 > relief[5, 5]
    assert convolve(step, named_kernel("sobel-x")).map[0].tolist() == [0, 4, 4, 0]
    assert convolve(step, named_kernel("sobel-y")).map[0].tolist() == [0, 0, 0, 0]
    assert convolve(step.T, named_kernel("sobel-y")).map[:, 0].tolist() == [0, 4, 4, 0]
