"""Random numbers that belong to a record: published vectors, independence, ranges."""

from __future__ import annotations

import numpy as np
import pytest

from nnatomy.data.augmentation.draws import draw
from nnatomy.data.augmentation.philox import philox, uniforms
from nnatomy.data.augmentation.settings import Augmentation

ALL = Augmentation(0.5, 0.3, 40, 0.5, 0.4, 0.2, 0.3, 0.4, 0.5, 0.2, 0.6)
MANY = np.arange(20_000)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        # Published with the authors' implementation (Random123, kat_vectors, philox 4x32 10).
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_numbers(counter: list[int], key: list[int], words: str) -> None:
    found = philox(np.array(counter, np.uint64), (key[0], key[1]))
    assert " ".join(f"{word:08x}" for word in found.tolist()) == words


def test_numbers_depend_on_seed_epoch_and_record_only() -> None:
    whole = uniforms(MANY[:50], 20, seed=3, epoch=2)
    assert (whole[:, [7, 3]] == uniforms(np.array([7, 3]), 20, seed=3, epoch=2)).all()
    assert (whole[:5] == uniforms(MANY[:50], 5, seed=3, epoch=2)).all()
    for other in (
        uniforms(MANY[:50], 20, seed=4, epoch=2),
        uniforms(MANY[:50], 20, seed=3 + 2**32, epoch=2),
        uniforms(MANY[:50], 20, seed=3, epoch=3),
        uniforms(MANY[:50] + 2**32, 20, seed=3, epoch=2),
    ):
        assert not (whole == other).any()


def test_numbers_are_uniform_and_uncorrelated() -> None:
    u = uniforms(MANY, 8, seed=0, epoch=0)
    assert u.min() >= 0
    assert u.max() < 1
    assert np.abs(u.mean(1) - 0.5).max() < 5 * np.sqrt(1 / 12 / len(MANY))
    correlations = np.corrcoef(u)[np.triu_indices(8, 1)]
    neighbors = [np.corrcoef(row[1:], row[:-1])[0, 1] for row in u]
    assert max(np.abs(correlations).max(), np.abs(neighbors).max()) < 5 / np.sqrt(len(MANY))


def test_draws_fill_their_ranges() -> None:
    draws = draw(ALL, MANY, (10, 20), seed=1, epoch=1)
    for values, low, high in (
        (np.rad2deg(draws.angle), -40, 40),
        (np.log(draws.factor), -np.log(1.5), np.log(1.5)),
        (draws.window, 0.6, 1),
        (draws.brightness, 0.7, 1.3),
        (draws.contrast, 0.6, 1.4),
        (draws.saturation, 0.5, 1.5),
        (draws.noise, 0, 0.2),
    ):
        width = high - low
        assert low <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.02 * width
    assert abs(draws.flip.mean() - 0.5) < 0.02
    assert abs(draws.flip_vertical.mean() - 0.3) < 0.02


def test_shifts_are_whole_pixels_all_equally_often() -> None:
    shift = draw(Augmentation(shift=0.2), MANY, (10, 20)).shift
    for axis, reach in ((0, 4), (1, 2)):
        values, counts = np.unique(shift[axis], return_counts=True)
        assert values.tolist() == list(range(-reach, reach + 1))
        assert np.abs(counts / len(MANY) - 1 / len(values)).max() < 0.012


def test_shifts_are_of_any_length_where_pixels_are_interpolated_anyway() -> None:
    shift = draw(ALL, MANY, (10, 20)).shift
    for axis, reach in ((0, 4), (1, 2)):
        assert -reach <= shift[axis].min() < -0.99 * reach
        assert 0.99 * reach < shift[axis].max() <= reach
        assert len(np.unique(shift[axis])) > 19_000


def test_crops_lie_inside_the_image() -> None:
    draws = draw(ALL, MANY, (10, 20))
    for axis, side in ((0, 20), (1, 10)):
        low = side / 2 + draws.center[axis] - draws.window * side / 2
        assert low.min() > -1e-9
        assert (low + draws.window * side).max() < side + 1e-9


def test_erased_rectangles() -> None:
    x0, y0, x1, y1 = draw(ALL, MANY, (32, 48)).erased
    erased = x1 > x0
    assert abs(erased.mean() - 0.6) < 0.02
    assert min(x0.min(), y0.min()) == 0
    assert x1.max() == 48
    assert y1.max() == 32
    shares = ((x1 - x0) * (y1 - y0))[erased] / (32 * 48)
    assert 0.015 < shares.min() < 0.03
    assert 0.28 < shares.max() < 0.36  # sides are whole pixels
    assert 0.16 < shares.mean() < 0.18


def test_erased_rectangles_reach_every_edge() -> None:
    x0, y0, x1, y1 = draw(Augmentation(erase=1.0), MANY, (32, 48)).erased
    for low, high, side in ((x0, x1, 48), (y0, y1, 32)):
        small = high - low < side / 2
        places = low[small] / (side - (high - low)[small])
        assert abs((low[small] == 0).mean() - (high[small] == side).mean()) < 0.02
        assert abs(places.mean() - 0.5) < 0.02


def test_every_operation_has_numbers_of_its_own() -> None:
    draws = draw(ALL, MANY, (32, 48))
    erased = draws.erased[2] > draws.erased[0]
    numbers = [draws.flip, draws.flip_vertical, draws.angle, draws.factor, *draws.shift]
    numbers += [draws.window, *draws.center, draws.brightness, draws.contrast, draws.saturation]
    numbers += [draws.noise, draws.place, erased]
    found = np.corrcoef(np.array(numbers, np.float64))[np.triu_indices(len(numbers), 1)]
    assert np.abs(found).max() < 5 / np.sqrt(len(MANY))


def test_an_operation_does_not_move_the_draws_of_another() -> None:
    alone = draw(Augmentation(rotate=40), MANY[:99], (10, 20))
    assert (alone.angle == draw(ALL, MANY[:99], (10, 20)).angle).all()
    assert (alone.factor == 1).all()
    assert not alone.erased.any()
    assert not alone.shift.any()
