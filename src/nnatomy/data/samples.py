"""Training samples that lie in memory (or in a memory-mapped file)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.types import Batch

_GATHER_BYTES = 8 << 20
"""Records are gathered in pieces of about this size: large enough to make the cost of the call
vanish, small enough to stay in the cache and to hold no second copy of the data."""
_ALIGNMENT = 64


class TensorSamples:
    """Records held as tensors; batches are slices of records gathered many batches at a time.

    Args:
        inputs: (N, ...) records, tensor or array, in any dtype that `transform` (or the network)
            takes.
        targets: (N,) int64 class indices, or (N, K) float values.
        weights: (N,) float importance of each record, best with mean 1; None for equal weights.
        transform: Turns a batch of stored inputs into network inputs, e.g. bytes into
            normalised floats. None when they are stored as the network takes them.
    """

    def __init__(
        self,
        inputs: Tensor | NDArray[Any],
        targets: Tensor | NDArray[Any],
        weights: Tensor | NDArray[Any] | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.inputs = _tensor(inputs)
        self.targets = _tensor(targets)
        self.weights = None if weights is None else _tensor(weights)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input as the network sees it."""
        first = self.inputs[:1]
        return tuple((self.transform(first) if self.transform else first).shape[1:])

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Yield mini-batches of `size` records (the last may be smaller) in the given order."""
        if order is None:
            yield from self._slices(self.inputs, self.targets, self.weights, size)
            return
        record_bytes = max(1, self.inputs[0].nbytes) if len(self) else 1
        piece = max(1, _GATHER_BYTES // (record_bytes * size)) * size
        for indices in torch.split(order, piece):
            # index_select copies whole records; indexing by brackets copies value by value.
            inputs = self.inputs.index_select(0, indices)
            targets = self.targets.index_select(0, indices)
            weights = None if self.weights is None else self.weights.index_select(0, indices)
            yield from self._slices(inputs, targets, weights, size)

    def _slices(
        self, inputs: Tensor, targets: Tensor, weights: Tensor | None, size: int
    ) -> Iterator[Batch]:
        parts = None if weights is None else torch.split(weights, size)
        for i, (x, y) in enumerate(
            zip(torch.split(inputs, size), torch.split(targets, size), strict=True)
        ):
            x = _aligned(self.transform(x) if self.transform else x)
            yield Batch(x, y, None if parts is None else parts[i])


def _tensor(values: Tensor | NDArray[Any]) -> Tensor:
    """A tensor on the same memory; NumPy's double precision becomes single, as networks have it."""
    if isinstance(values, Tensor):
        return values
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _aligned(inputs: Tensor) -> Tensor:
    """The inputs at an address that is a multiple of 64.

    Matrix kernels round differently at other addresses, and where in a piece a batch lies depends
    on where a run was resumed.
    """
    return inputs if inputs.data_ptr() % _ALIGNMENT == 0 else inputs.clone()
