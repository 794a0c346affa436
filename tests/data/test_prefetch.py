from __future__ import annotations

import itertools
import threading
import time

import pytest

from nnatomy.data.prefetch import default_workers, in_order


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("nnatomy-prefetch")]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_results_come_in_order(workers, ahead):
    def slow_first(i: int) -> int:
        time.sleep(0.002 * (i % 3 == 0))
        return i * i

    results = list(in_order(slow_first, range(20), workers=workers, ahead=ahead))
    assert results == [i * i for i in range(20)]
    assert threads() == []


def test_no_more_than_asked_is_worked_ahead():
    taken = []
    items = (taken.append(i) or i for i in itertools.count())
    results = in_order(lambda i: i, items, workers=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 4
    results.close()
    assert threads() == []


def test_an_error_arrives_in_its_place_and_ends_the_threads():
    def fail_at_two(i: int) -> int:
        if i == 2:
            raise ValueError("two")
        return i

    results = in_order(fail_at_two, range(100), workers=2, ahead=5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert threads() == []


def test_there_is_always_a_worker():
    assert 1 <= default_workers() <= 8
