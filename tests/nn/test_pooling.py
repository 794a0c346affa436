"""Pooling against torch's and nested loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nnatomy.errors import DataError, SettingError
from nnatomy.nn.pooling import average_as_convolution, mean_kernel, pool


def draw(*shape: int) -> Tensor:
    """Values of which many are equal, so that it matters which maximum is chosen."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-3, 4, shape, generator=generator).double()


def by_loops(image: Tensor, size: int, stride: int, padding: int, kind: str) -> list[float]:
    found = []
    channels, height, width = image.shape
    for c in range(channels):
        for top in range(-padding, height + padding - size + 1, stride):
            for left in range(-padding, width + padding - size + 1, stride):
                inside = [
                    image[c, y, x].item()
                    for y in range(max(top, 0), min(top + size, height))
                    for x in range(max(left, 0), min(left + size, width))
                ]
                found.append(max(inside) if kind == "max" else sum(inside) / size**2)
    return found


@given(
    channels=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    size=st.integers(1, 4),
    stride=st.one_of(st.none(), st.integers(1, 4)),
    padding=st.integers(0, 2),
)
def test_maps_are_those_of_torch_of_loops_and_of_a_convolution(
    channels: int, height: int, width: int, size: int, stride: int | None, padding: int
) -> None:
    image = draw(channels, height, width)
    if 2 * padding > size or size > min(height, width) + 2 * padding:
        with pytest.raises(SettingError):
            pool(image, size, stride=stride, padding=padding)
        return
    step = stride or size
    largest = pool(image, size, stride=stride, padding=padding)
    expected, places = functional.max_pool2d(
        image[None], size, stride, padding, return_indices=True
    )
    assert torch.equal(largest.map, expected[0])
    assert torch.equal(largest.chosen, places[0])
    assert largest.map.flatten().tolist() == by_loops(image, size, step, padding, "max")

    mean = pool(image, size, kind="average", stride=stride, padding=padding)
    torch.testing.assert_close(
        mean.map, functional.avg_pool2d(image[None], size, stride, padding)[0]
    )
    assert mean.map.flatten().numpy() == pytest.approx(
        by_loops(image, size, step, padding, "average")
    )
    convolved = average_as_convolution(image, size, stride=stride, padding=padding)
    torch.testing.assert_close(torch.stack([one.map for one in convolved]), mean.map)

    for done in (largest, mean):
        last = done.at(done.map.shape[1] - 1, done.map.shape[2] - 1)
        pooled = last.window.amax((1, 2)) if done is largest else last.window.mean((1, 2))
        torch.testing.assert_close(last.values, pooled)
        assert torch.equal(last.values, done.map[:, -1, -1])


def test_not_a_number_is_the_largest_as_in_torch() -> None:
    image = draw(1, 4, 4)
    image[0, 1, 2] = torch.nan
    expected, places = functional.max_pool2d(image[None], 2, return_indices=True)
    done = pool(image)
    torch.testing.assert_close(done.map, expected[0], equal_nan=True)
    assert torch.equal(done.chosen, places[0])


def test_what_is_chosen_is_never_padding() -> None:
    image = torch.full((1, 4, 4), -torch.inf)
    image[0, 2, 3] = 1.0
    done = pool(image, 3, stride=2, padding=1)
    largest, places = functional.max_pool2d(image, 3, 2, 1, return_indices=True)
    assert done.chosen is not None
    assert torch.equal(done.map, largest)
    assert torch.equal(done.chosen, places)


def test_by_hand() -> None:
    image = torch.tensor([[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])
    done = pool(image)
    assert done.map.tolist() == [[[5, 6], [7, 8]]]
    assert done.chosen is not None
    assert done.chosen.tolist() == [[[5, 2], [12, 15]]]
    mean = pool(image, kind="average")
    assert mean.map.tolist() == [[[2.75, 3.0], [3.25, 3.75]]]
    assert mean.chosen is None
    assert mean_kernel(2).tolist() == [[[0.25, 0.25], [0.25, 0.25]]]


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (lambda: pool(draw(4, 4), kind="maximum"), SettingError, "did you mean 'max'"),  # type: ignore[arg-type]
        (lambda: pool(draw(4, 4), 5), SettingError, "kernel of 5 does not fit"),
        (lambda: pool(draw(4, 4), 0), SettingError, "at least 1, got 0"),
        (lambda: pool(draw(4, 4), 2, stride=0), SettingError, "stride must be"),
        (lambda: pool(draw(4, 4), 3, padding=2), SettingError, "more than half of the window"),
        (lambda: pool(draw(4)), DataError, "input of shape"),
        (lambda: pool(draw(4, 4)).at(2, 0), SettingError, "no row 3"),
        (lambda: mean_kernel(0), SettingError, "at least 1"),
        (lambda: average_as_convolution(draw(2, 2), 3), SettingError, "does not fit"),
    ],
)
def test_mistakes(act: Callable[[], object], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        act()
