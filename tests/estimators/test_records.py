"""Merging, dividing and weighting records."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.estimators.records import Records, distinct_records, hold_out, tensor_of


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), count=st.integers(1, 60), weighted=st.booleans(),
    columns=st.sampled_from([0, 1, 2]),
)  # fmt: skip
def test_merged_records_are_the_same_multiset(seed, count, weighted, columns):
    random = np.random.default_rng(seed)
    inputs = random.integers(-1, 2, (count, 2)).astype(np.float32) * np.float32(0.1)
    targets = random.integers(0, 2, (count, columns) if columns else count)
    weights = random.integers(0, 5, count).astype(float) if weighted else None
    kept, totals = distinct_records(inputs, targets, weights)

    def table(positions, amounts):
        found = {}
        for i, amount in zip(positions, amounts, strict=True):
            key = (*inputs[i].tolist(), *np.atleast_1d(targets[i]).tolist())
            key = tuple(0.0 if value == 0 else value for value in key)
            found[key] = found.get(key, 0.0) + amount
        return found

    expected = table(range(count), np.ones(count) if weights is None else weights)
    assert table(kept, totals) == expected
    assert len(kept) == len(expected)


def test_merged_records_have_an_order_of_their_own():
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(30, 3)), random.integers(0, 3, 30)
    mixed = random.permutation(30)
    first, _ = distinct_records(inputs, targets, None)
    second, _ = distinct_records(inputs[mixed], targets[mixed], None)
    np.testing.assert_array_equal(inputs[first], inputs[mixed][second])


def test_minus_zero_is_zero():
    kept, totals = distinct_records(np.array([[0.0], [-0.0]]), np.array([0, 0]), None)
    assert len(kept) == 1
    assert totals.tolist() == [2.0]


def test_held_out_records_keep_the_proportions():
    targets = np.repeat([0, 1], [90, 10])
    train, valid = hold_out(targets, 0.2, np.random.RandomState(0), stratify=True)
    assert sorted([*train, *valid]) == list(range(100))
    assert np.bincount(targets[valid]).tolist() == [18, 2]


def test_records_of_no_weight_are_left_out():
    records = Records(np.arange(3.0)[:, None], np.arange(3), np.array([0.0, 2.0, 1.0]))
    left = records.weighted()
    assert left.targets.tolist() == [1, 2]
    assert left.weights.tolist() == [2.0, 1.0]
    assert left.weighted() is left


def test_read_only_memory_is_copied_and_other_memory_is_not():
    array = np.zeros(3)
    tensor_of(array)[0] = 5
    assert array[0] == 5
    array.flags.writeable = False
    tensor_of(array)[1] = 7
    assert array[1] == 0
