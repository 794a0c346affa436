"""The order of records: a function of the seed and the epoch, of nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

_MIX = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads neighbouring epochs over the seed space


def permutation(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of 0..count-1 that depends on the seed and the epoch alone.

    Neither the number of workers nor a resumption can change it, because no state is carried
    from one epoch to the next.

    Shape: (count,) int64.
    """
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + epoch * _MIX) % 2**63)
    return torch.randperm(count, generator=generator)
