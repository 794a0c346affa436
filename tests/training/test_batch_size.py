"""How many records a step takes, so that every batch can be normalized."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nnatomy.errors import DataError, SettingError
from nnatomy.training.batch_size import batch_size_for

PLAIN = nn.Linear(3, 2)
NORMAL = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def filters(size: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, size), nn.BatchNorm2d(4), nn.Flatten())


@settings(max_examples=200, deadline=None)
@given(count=st.integers(2, 300), wanted=st.integers(2, 300) | st.none())
def test_no_batch_has_one_record(count: int, wanted: int | None) -> None:
    size = batch_size_for(NORMAL, (3,), count, wanted)
    lengths = [len(part) for part in torch.arange(count).split(size)]
    assert min(lengths) > 1
    plain = min(wanted or count, count)
    assert batch_size_for(PLAIN, (3,), count, wanted) == plain
    between = range(plain, size)  # none of which would have done
    assert all(len(torch.arange(count).split(other)[-1]) == 1 for other in between)


def test_a_record_alone_is_refused() -> None:
    with pytest.raises(SettingError, match="batch_size 1 leaves batch normalization no spread"):
        batch_size_for(NORMAL, (3,), 20, 1)
    for wanted in (None, 1, 64):
        with pytest.raises(DataError, match="one training record"):
            batch_size_for(NORMAL, (3,), 1, wanted)
        assert batch_size_for(PLAIN, (3,), 1, wanted) == 1


@pytest.mark.parametrize(
    ("network", "shape", "alone"),
    [
        (filters(3), (1, 8, 8), True),
        (filters(8), (1, 8, 8), False),
        (nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)), (2, 5), True),
        (nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)), (2, 1), False),
        (nn.BatchNorm1d(3), (3,), False),
        (nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)), (3,), True),
        (nn.Sequential(nn.Embedding(5, 1), nn.Flatten(), nn.BatchNorm1d(3)), (3,), False),
    ],
)
def test_values_a_channel_decide(network: nn.Module, shape: tuple[int, ...], alone: bool) -> None:
    takes_indices = any(isinstance(module, nn.Embedding) for module in network.modules())
    record = torch.ones((1, *shape), dtype=torch.int64 if takes_indices else torch.float32)
    if alone:
        network.train()(record)
        assert batch_size_for(network, shape, 9, 1) == 1
        assert batch_size_for(network, shape, 9, 8) == 8
    else:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            network.train()(record)
        assert batch_size_for(network, shape, 9, 8) == 9
        with pytest.raises(SettingError):
            batch_size_for(network, shape, 9, 1)
