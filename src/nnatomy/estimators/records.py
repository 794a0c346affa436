"""Records and their weights, checked and brought into the form that training takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array
from torch import Tensor

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import DataError


@dataclass(frozen=True)
class Records:
    """Checked records: inputs (N, d), targets (N,) classes or (N, D) values, weights (N,)."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, positions: NDArray[Any]) -> Records:
        """The records at these positions, or where this mask is True."""
        weights = None if self.weights is None else self.weights[positions]
        return Records(self.inputs[positions], self.targets[positions], weights)

    def weighted(self) -> Records:
        """The records without those of weight 0."""
        if self.weights is None or self.weights.all():
            return self
        return self.take(self.weights > 0)

    def samples(self) -> TensorSamples:
        """The records as training takes them, with weights of mean 1."""
        weights = None
        if self.weights is not None:
            weights = torch.from_numpy(self.weights / self.weights.mean()).float()
        return TensorSamples(tensor_of(self.inputs), tensor_of(self.targets), weights)


def check_weights(sample_weight: Any, count: int) -> NDArray[np.float64] | None:
    """Weights as (count,) float64, or None for equal weights.

    Raises:
        DataError: There is not one weight a record, one is negative, or all are zero.
    """
    if sample_weight is None:
        return None
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (count,):
        raise DataError(f"sample_weight has shape {weights.shape}; {count} records need ({count},)")
    if weights.min() < 0:
        raise DataError("sample_weight has negative values: weights are 0 or more")
    if not weights.any():
        raise DataError("sample_weight is zero for every record: none is left to learn from")
    checked: NDArray[np.float64] = weights
    return checked


def distinct_records(
    inputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge equal records: a record of weight 2 is the record twice.

    What comes back depends neither on the order of the records nor on whether they are repeated
    or weighted, so that whatever is learned from it does not either, to the last bit.

    Args:
        inputs: (N, d).
        targets: (N,) or (N, D); records of unlike targets stay apart.
        weights: (N,), or None for 1 each.

    Returns:
        The position of one record of each kind, and the sum of weights of the kind.
    """
    rows = np.column_stack([inputs, targets]) + 0.0  # -0.0 becomes 0.0: keys compare by bytes
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    return first, np.bincount(kind, weights).astype(np.float64)


def hold_out(
    targets: NDArray[Any], share: float, random: np.random.RandomState, *, stratify: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the records to learn from, and of those to validate on.

    Args:
        targets: (N,) or (N, D).
        share: Of the records, for validation.
        random: Draws them.
        stratify: Keep the proportions of the classes.

    Raises:
        DataError: Fewer than two records would be left to validate on.
    """
    train, valid = train_test_split(
        np.arange(len(targets)),
        test_size=share,
        random_state=random,
        stratify=targets if stratify else None,
    )
    if len(valid) < 2:
        raise DataError(
            f"validation_fraction {share} of {len(targets)} records is fewer than two: raise it, "
            "or give more records"
        )
    return train, valid


def tensor_of(array: NDArray[Any]) -> Tensor:
    """A tensor on the array's memory; of a copy where the array may not be written to."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
