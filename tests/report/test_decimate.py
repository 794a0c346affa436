from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.report.decimate import decimate, moving_mean

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.integers(1, 40))
def test_every_column_keeps_its_lowest_and_highest_point(values, columns):
    points = [(float(x), y) for x, y in enumerate(values)]
    kept = decimate(points, columns)
    width = (len(points) - 1) / columns

    def by_column(chosen):
        groups = {}
        for x, y in chosen:
            column = min(int(x / width), columns - 1) if width else 0
            groups.setdefault(column, []).append(y)
        return {column: (min(ys), max(ys)) for column, ys in groups.items()}

    assert by_column(kept) == by_column(points)
    assert len(kept) <= max(4 * columns, 1)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert kept == [point for point in points if point in set(kept)]


def test_a_single_peak_among_a_million_points_survives():
    points = [(float(x), 0.0) for x in range(100_000)]
    points[54_321] = (54_321.0, 7.0)
    kept = decimate(points, 600)
    assert (54_321.0, 7.0) in kept
    assert len(kept) <= 2400


@settings(deadline=None, max_examples=40)
@given(VALUES, st.integers(0, 10).map(lambda half: 2 * half + 1))
def test_a_moving_mean_stays_within_the_values_and_keeps_the_ends(values, window):
    means = moving_mean(values, window)
    assert len(means) == len(values)
    assert min(values) - 1e-6 <= min(means) <= max(means) <= max(values) + 1e-6
    assert means[0] == pytest.approx(values[0])
    assert means[-1] == pytest.approx(values[-1])


def test_a_moving_mean_of_three():
    assert moving_mean([0.0, 3.0, 6.0, 0.0], 3) == [0.0, 3.0, 3.0, 0.0]
