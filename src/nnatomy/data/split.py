"""Dividing records into training, validation and test sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SplitPlan:
    """How to divide the records.

    Args:
        valid: Share of the records for validation.
        test: Share of the records for the final test.
        seed: Seed of the shuffle.
        group: Column whose equal values must stay in one split.
        time: Column by which the records are ordered: the newest are the test set.
    """

    valid: float = 0.15
    test: float = 0.2
    seed: int = 0
    group: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Split:
    """Positions of the records of each set, and how they were chosen, in words."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    method: str
