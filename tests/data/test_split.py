"""Dividing records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nnatomy.data.split import Split, SplitPlan, split_records
from nnatomy.errors import DataError, SettingError

LAWS = settings(max_examples=60, deadline=None, derandomize=True)
SHARES = st.sampled_from([0.0, 0.1, 0.15, 0.2, 0.4])


def parts(split: Split) -> list[np.ndarray]:
    return [split.train, split.valid, split.test]


def check_partition(split: Split, count: int) -> None:
    assert np.sort(np.concatenate(parts(split))).tolist() == list(range(count))
    assert len(split.train) > 0
    assert all((np.diff(part) > 0).all() for part in parts(split))


@LAWS
@given(st.integers(10, 300), SHARES, SHARES, st.integers(0, 9))
def test_random_sets_have_their_sizes(count: int, valid: float, test: float, seed: int) -> None:
    plan = SplitPlan(valid, test, seed)
    split = split_records(count, plan)
    check_partition(split, count)
    for part, share in ((split.valid, valid), (split.test, test)):
        assert len(part) == (max(1, round(share * count)) if share else 0)
    again = split_records(count, plan)
    assert all((a == b).all() for a, b in zip(parts(split), parts(again), strict=True))


@LAWS
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), SHARES, SHARES, st.integers(0, 9))
def test_classes_are_shared_evenly(counts: list[int], valid: float, test: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    count = len(labels)
    assume(count >= 10)
    split = split_records(count, SplitPlan(valid, test, seed), labels=labels)
    check_partition(split, count)
    assert set(labels[split.train]) == set(labels)
    for part, share in ((split.valid, valid), (split.test, test)):
        wanted = max(1, round(share * count)) if share else 0
        room = count - len(counts) - (len(split.test) if part is split.valid else 0)
        assert len(part) == min(wanted, room)
    tested = np.bincount(labels[split.test], minlength=len(counts))
    ideal = np.array(counts) * (len(split.test) / count)
    roomy = np.array(counts) - 1 >= np.ceil(ideal)  # every class keeps a training record
    if roomy.all():
        assert (np.abs(tested - ideal) < 1.0).all()
    validated = np.bincount(labels[split.valid], minlength=len(counts))
    ideal = np.array(counts) * (len(split.valid) / count)
    if (np.array(counts) - 1 - tested >= np.ceil(ideal)).all():
        assert (np.abs(validated - ideal) < 1.0).all()


@LAWS
@given(st.lists(st.integers(1, 40), min_size=3, max_size=30), st.integers(0, 9))
def test_groups_stay_together(sizes: list[int], seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    assume(len(groups) >= 10)
    split = split_records(len(groups), SplitPlan(seed=seed), groups=groups)
    check_partition(split, len(groups))
    held = [set(groups[part].tolist()) for part in parts(split)]
    assert all(held)
    assert sum(map(len, held)) == len(set(groups.tolist()))


@LAWS
@given(st.lists(st.integers(0, 20), min_size=10, max_size=80))
def test_time_runs_from_train_to_test(times: list[int]) -> None:
    values = np.array(times)
    assume(len(set(times)) >= 3)
    split = split_records(len(values), SplitPlan(), times=values)
    check_partition(split, len(values))
    assert values[split.train].max() < values[split.valid].min()
    assert values[split.valid].max() < values[split.test].min()


def test_two_times_are_too_few() -> None:
    with pytest.raises(DataError, match="2 different times; 3 are needed"):
        split_records(12, SplitPlan(), times=np.arange(12) % 2)


def test_sizes_by_time_without_ties() -> None:
    split = split_records(100, SplitPlan(0.1, 0.2), times=np.arange(100)[::-1])
    assert split.test.tolist() == list(range(20))
    assert split.valid.tolist() == list(range(20, 30))


def test_seeds_differ() -> None:
    first, second = (split_records(100, SplitPlan(seed=seed)) for seed in (0, 1))
    assert first.test.tolist() != second.test.tolist()


def test_unusable_plans() -> None:
    with pytest.raises(DataError, match="10 are needed"):
        split_records(9, SplitPlan())
    with pytest.raises(SettingError, match="from 0 to below 1"):
        SplitPlan(valid=-0.1)
    with pytest.raises(SettingError, match=r"test must be a share .* not nan"):
        SplitPlan(test=float("nan"))
    for seed in (-1, 0.5):
        with pytest.raises(SettingError, match="whole number from 0"):
            SplitPlan(seed=seed)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="nothing to train on"):
        SplitPlan(valid=0.5, test=0.5)
    with pytest.raises(DataError, match="none to train on"):
        split_records(10, SplitPlan(valid=0.5, test=0.49))
    with pytest.raises(DataError, match="2 groups; 3 are needed"):
        split_records(12, SplitPlan(), groups=np.repeat([0, 1], 6))
    with pytest.raises(SettingError, match="not by both"):
        split_records(12, SplitPlan(), groups=np.arange(12), times=np.arange(12))
