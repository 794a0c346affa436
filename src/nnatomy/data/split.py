"""Dividing records into training, validation and test sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.errors import DataError, SettingError


@dataclass(frozen=True)
class SplitPlan:
    """How to divide the records.

    Args:
        valid: Share of the records for validation.
        test: Share of the records for the final test.
        seed: Seed of the shuffle.
        group: Column whose equal values must stay in one split.
        time: Column by which the records are ordered: the newest are the test set.

    Raises:
        SettingError: The shares or the seed are not usable.
    """

    valid: float = 0.15
    test: float = 0.2
    seed: int = 0
    group: str | None = None
    time: str | None = None

    def __post_init__(self) -> None:
        for name, share in (("valid", self.valid), ("test", self.test)):
            if not (isinstance(share, (int, float)) and 0 <= share < 1):
                raise SettingError(f"{name} must be a share from 0 to below 1, not {share!r}")
        if self.valid + self.test >= 1:
            total = self.valid + self.test
            raise SettingError(
                f"valid and test shares take {total:g} of the records: nothing to train on"
            )
        if not isinstance(self.seed, (int, np.integer)) or self.seed < 0:
            raise SettingError(f"seed must be a whole number from 0, not {self.seed!r}")


@dataclass(frozen=True)
class Split:
    """Positions of the records of each set, and how they were chosen, in words."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    method: str


MIN_RECORDS = 10
"""Fewer records cannot be divided into three sets that mean anything."""


def split_records(
    count: int,
    plan: SplitPlan,
    *,
    labels: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    times: NDArray[Any] | None = None,
) -> Split:
    """Divide the records, the same way for the same plan and data.

    Args:
        count: Number of records.
        plan: Shares and seed.
        labels: (count,) classes; each set then has about the same share of every class, and
            a class with one record stays in the training set.
        groups: (count,) group ids; no group is in two sets. The largest group is for training.
        times: (count,) times; the newest records are the test set, the next ones the validation
            set, and records of the same time stay together.

    Raises:
        SettingError: Both groups and times are given.
        DataError: There are too few records, groups or different times.
    """
    if groups is not None and times is not None:
        raise SettingError("split by group or by time, not by both; leave one of them out")
    if count < MIN_RECORDS:
        raise DataError(f"{count} usable records are too few to split; {MIN_RECORDS} are needed")
    wanted = _sizes(count, plan)
    if times is not None:
        return _by_time(np.asarray(times), wanted)
    rng = np.random.default_rng(plan.seed)
    if groups is not None:
        return _by_group(np.asarray(groups), wanted, rng)
    if labels is not None:
        return _stratified(np.asarray(labels), wanted, rng)
    order = rng.permutation(count)
    valid, test = wanted
    return _split(order[valid + test :], order[test : valid + test], order[:test], "at random")


def _sizes(count: int, plan: SplitPlan) -> tuple[int, int]:
    """Records of the validation and test sets: at least one where a share is wanted."""
    valid, test = (
        max(1, round(share * count)) if share else 0 for share in (plan.valid, plan.test)
    )
    if valid + test >= count:
        raise DataError(f"{count} records leave none to train on; lower the valid or test share")
    return valid, test


def _split(train: Any, valid: Any, test: Any, method: str) -> Split:
    parts = [np.sort(np.asarray(part, dtype=np.int64)) for part in (train, valid, test)]
    return Split(parts[0], parts[1], parts[2], method)


def _stratified(labels: NDArray[Any], wanted: tuple[int, int], rng: np.random.Generator) -> Split:
    """Draw each class on its own; largest remainders bring the totals to the wanted sizes."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    tests = _shares(counts, wanted[1], counts - 1)
    valids = _shares(counts, wanted[0], counts - 1 - tests)
    order = rng.permutation(len(labels))
    order = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    in_test = rank < np.repeat(tests, counts)
    in_valid = ~in_test & (rank < np.repeat(tests + valids, counts))
    train = order[~in_test & ~in_valid]
    return _split(train, order[in_valid], order[in_test], "at random, with equal shares of classes")


def _shares(counts: NDArray[np.int64], size: int, room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Records that each class gives to a set of the wanted size, at most its room."""
    ideal = counts * (size / counts.sum())
    given = np.minimum(np.floor(ideal).astype(np.int64), room)
    by_need = np.argsort(given - ideal, kind="stable")
    while given.sum() < size and (given < room).any():
        with_room = by_need[(given < room)[by_need]]
        given[with_room[: size - given.sum()]] += 1
    return np.asarray(given, dtype=np.int64)


def _by_group(groups: NDArray[Any], wanted: tuple[int, int], rng: np.random.Generator) -> Split:
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    needed = 1 + sum(size > 0 for size in wanted)
    if len(counts) < needed:
        raise DataError(f"there are {len(counts)} groups; {needed} are needed, one for each set")
    shuffled = rng.permutation(len(counts))
    held_out = [group for group in shuffled if group != int(np.argmax(counts))]
    part = np.zeros(len(counts), np.int64)
    valid, test = wanted
    sizes = [0, 0, 0]
    for position, group in enumerate(held_out):
        left = len(held_out) - position
        into = 2 if sizes[2] < test and (left > 1 or sizes[1] or not valid) else 0
        if not into and sizes[1] < valid:
            into = 1
        part[group] = into
        sizes[into] += int(counts[group])
    of = part[codes]
    train, in_valid, in_test = (np.flatnonzero(of == i) for i in range(3))
    return _split(train, in_valid, in_test, f"{len(counts)} groups at random, each in one set")


def _by_time(times: NDArray[Any], wanted: tuple[int, int]) -> Split:
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    valid, test = wanted
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    needed = 1 + sum(size > 0 for size in wanted)
    if len(starts) < needed:
        raise DataError(f"there are {len(starts)} different times; {needed} are needed to split")
    count = len(times)
    test_from = _cut(starts[needed - 1 :], count - test) if test else count
    valid_from = test_from
    if valid:
        valid_from = _cut(starts[1:][starts[1:] < test_from], test_from - valid)
    parts = order[:valid_from], order[valid_from:test_from], order[test_from:]
    return _split(*parts, "by time: the newest records are the test set")


def _cut(starts: NDArray[np.int64], wanted: int) -> int:
    """The start of a run of equal times that is nearest to the wanted position."""
    return int(starts[np.argmin(np.abs(starts - wanted))])
