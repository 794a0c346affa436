"""Random numbers without a state: each is a function of a key and a counter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counters: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Philox-4x32-10: ten rounds that mix four words of a counter with two of a key.

    (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)), the key
    growing by the Weyl constants each round. Different counters give different numbers under a key,
    in any order and in any number of processes.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (SC11, 3.3).

    Args:
        counters: Words below 2^32.
        key: Two words below 2^32.
    Shape: (4, ...) -> (4, ...), words below 2^32.

    Example:
        >>> [hex(word) for word in philox(np.zeros(4, np.uint64), (0, 0)).tolist()]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counters
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (second >> _HALF) ^ c1 ^ np.uint64(k0),
            second & _LOW,
            (first >> _HALF) ^ c3 ^ np.uint64(k1),
            first & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def uniforms(
    records: NDArray[np.int64], count: int, *, seed: int, epoch: int
) -> NDArray[np.float64]:
    """Numbers from 0 to below 1 that belong to a record in an epoch of a seed.

    The key is the seed, the counter is (record, epoch, block of four numbers); seeds count modulo
    2^64, epochs modulo 2^32.

    Shape: records (B,) -> (count, B).
    """
    blocks = -(-count // 4)
    numbers = records.astype(np.uint64)
    counters = np.empty((4, blocks, len(records)), np.uint64)
    counters[0], counters[1] = numbers & _LOW, numbers >> _HALF
    counters[2] = epoch % 2**32
    counters[3] = np.arange(blocks, dtype=np.uint64)[:, None]
    words = philox(counters, (seed % 2**32, seed // 2**32 % 2**32))
    return words.transpose(1, 0, 2).reshape(4 * blocks, -1)[:count] / 2.0**32
