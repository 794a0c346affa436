"""The order and the form of records: functions of the seed and the epoch, of nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from nnatomy.types import Samples, VariedSamples

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


def shown(samples: Samples, seed: int, epoch: int) -> Samples:
    """The samples as they are learned from in an epoch: augmented images anew in each."""
    return samples.in_epoch(seed, epoch) if isinstance(samples, VariedSamples) else samples
