"""The records of several compiled steps, seen to and converted once."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.errors import DataError
from nnatomy.types import Batch


class Block:
    """Records that compiled steps read in place.

    Compiled code reads where it is told to: sizes and class numbers must be right.

    Args:
        batch: Records of several steps, in order.
        sizes: Input and output units.
        dtype: In which the steps compute.
        classes: Whether targets are class numbers.

    Attributes:
        batch: As given.
        arrays: (B, inputs), (B, targets) and (B,) weights, the last empty where there are none.

    Raises:
        DataError: They do not fit the network.
    """

    def __init__(
        self, batch: Batch, sizes: tuple[int, int], dtype: torch.dtype, *, classes: bool
    ) -> None:
        _check(batch, *sizes, classes=classes)
        self.batch, count = batch, len(batch.targets)
        weights = torch.empty(0) if batch.weights is None else batch.weights.reshape(count)
        self.arrays = (
            numbers(batch.inputs.reshape(count, -1), dtype),
            numbers(batch.targets.reshape(count, -1), dtype),
            numbers(weights, dtype),
        )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def part(self, begin: int, end: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The arrays of the records from `begin` to before `end`."""
        inputs, targets, weights = self.arrays
        return inputs[begin:end], targets[begin:end], weights[begin:end]


def numbers(values: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """As an array of one precision that lies in one piece."""
    converted: NDArray[Any] = values.to(dtype).contiguous().numpy()
    return converted


def _check(batch: Batch, inputs: int, outputs: int, *, classes: bool) -> None:
    count = len(batch.targets)
    weighted = count if batch.weights is None else batch.weights.numel()
    if {len(batch.inputs), weighted} != {count}:
        raise DataError(
            f"a batch has {len(batch.inputs)} records, {count} targets and {weighted} weights"
        )
    width = batch.inputs.numel() // count
    if width != inputs:
        raise DataError(f"records have {width} values, the network takes {inputs}")
    targets = batch.targets
    if classes:
        low, high = int(targets.min()), int(targets.max())
        if low < 0 or high >= outputs:
            raise DataError(
                f"class number {low if low < 0 else high} does not fit {outputs} output units: "
                f"classes are numbered from 0 to {outputs - 1}"
            )
    elif targets.numel() != outputs * count:
        raise DataError(
            f"targets of shape {tuple(targets.shape)} do not fit {outputs} output units: give "
            "one value for each"
        )
