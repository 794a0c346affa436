"""The order of records: a permutation, a function of seed and epoch, the same in every release."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.data import samples as samples_module
from nnatomy.data.samples import TensorSamples
from nnatomy.training.order import permutation

SEEDS = st.integers(0, 2**40)
EPOCHS = st.integers(0, 10_000)


@given(st.integers(0, 300), SEEDS, EPOCHS)
def test_it_is_a_permutation(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(count, seed, epoch).tolist()) == list(range(count))


@given(SEEDS, EPOCHS)
def test_it_is_a_function_of_seed_and_epoch(seed: int, epoch: int) -> None:
    first = permutation(50, seed, epoch)
    torch.rand(3)
    assert torch.equal(first, permutation(50, seed, epoch))
    assert not torch.equal(first, permutation(50, seed, epoch + 1))
    assert not torch.equal(first, permutation(50, seed + 1, epoch))


def test_the_global_random_state_is_untouched() -> None:
    before = torch.get_rng_state()
    permutation(10, 1, 2)
    assert torch.equal(before, torch.get_rng_state())


def test_every_place_is_equally_likely() -> None:
    """Chi-square of record 0's place over 2000 epochs: 9 degrees of freedom, 99.9 % at 27.9."""
    places = [permutation(10, 7, epoch).tolist().index(0) for epoch in range(2000)]
    expected = 200.0
    chi_square = sum((places.count(p) - expected) ** 2 / expected for p in range(10))
    assert chi_square < 27.9


def test_golden_value() -> None:
    """Saved runs resume in this order: a change here breaks them."""
    assert permutation(10, seed=3, epoch=5).tolist() == [0, 9, 4, 2, 7, 1, 5, 8, 3, 6]


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 25),
    gather_bytes=st.integers(1, 400),
    chosen=st.integers(1, 60),
    weighted=st.booleans(),
    seed=st.integers(0, 100),
)
def test_batches_are_naive_indexing(
    count: int, size: int, gather_bytes: int, chosen: int, weighted: bool, seed: int
) -> None:
    """Pieces of any size (a record has 12 bytes), also the rest of an epoch."""
    inputs = torch.arange(3.0 * count).reshape(count, 3)
    weights = torch.arange(1.0, count + 1) if weighted else None
    samples = TensorSamples(inputs, torch.arange(count), weights)
    order = permutation(count, seed, 0)[:chosen]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples_module, "_GATHER_BYTES", gather_bytes)
        batches = list(samples.batches(order, size))
    expected = [order[start : start + size] for start in range(0, len(order), size)]
    assert len(batches) == len(expected)
    for batch, indices in zip(batches, expected, strict=True):
        assert torch.equal(batch.targets, indices)
        assert torch.equal(batch.inputs, inputs[indices])
        if weights is None:
            assert batch.weights is None
        else:
            assert torch.equal(batch.weights, weights[indices])


@given(count=st.integers(1, 60), size=st.integers(1, 70))
def test_no_order_is_every_record_in_turn(count: int, size: int) -> None:
    samples = TensorSamples(torch.arange(count)[:, None], torch.arange(count))
    batches = list(samples.batches(None, size))
    assert torch.cat([b.targets for b in batches]).tolist() == list(range(count))
    assert [len(b.targets) for b in batches[:-1]] == [size] * (len(batches) - 1)


def test_transform_is_applied_to_each_batch() -> None:
    stored = torch.arange(24, dtype=torch.uint8).reshape(6, 4)
    samples = TensorSamples(
        stored, torch.arange(6), transform=lambda x: x.float().reshape(-1, 1, 2, 2) / 255
    )
    assert samples.input_shape == (1, 2, 2)
    for order in (None, torch.tensor([4, 1, 0, 5])):
        rows = torch.cat([b.inputs for b in samples.batches(order, 4)])
        chosen = stored if order is None else stored[order]
        assert torch.equal(rows, chosen.float().reshape(-1, 1, 2, 2) / 255)


@given(
    size=st.integers(1, 25),
    start=st.integers(0, 40),
    width=st.integers(1, 9),
    ordered=st.booleans(),
)
def test_batches_begin_at_aligned_addresses(
    size: int, start: int, width: int, ordered: bool
) -> None:
    """Else the rounding of matrix products would depend on where a run was resumed."""
    samples = TensorSamples(torch.randn(41, width)[1:], torch.arange(40))
    order = torch.arange(40)[start:] if ordered else None
    assert all(batch.inputs.data_ptr() % 64 == 0 for batch in samples.batches(order, size))


def test_arrays_are_taken_as_single_precision() -> None:
    samples = TensorSamples(np.eye(3), np.arange(3), np.ones(3))
    assert samples.inputs.dtype == torch.float32
    assert samples.targets.dtype == torch.int64
    assert samples.weights is not None
    assert samples.weights.dtype == torch.float32
