"""Names for the shapes of things that every part of nnatomy shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Label: TypeAlias = "str | int | float | bool"
Values: TypeAlias = "NDArray[np.floating[Any]]"
"""Numbers of single or double precision; what is computed from them keeps their precision."""


class Batch(NamedTuple):
    """A mini-batch.

    Shape: inputs (B, ...), targets (B,) int64 for classes or (B, K) float for values,
        weights (B,) float or None.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None

    def part(self, begin: int, end: int) -> Batch:
        """The records from `begin` to before `end`."""
        weights = None if self.weights is None else self.weights[begin:end]
        return Batch(self.inputs[begin:end], self.targets[begin:end], weights)


class Answers(NamedTuple):
    """What a network with auxiliary heads returns in training; otherwise it returns its outputs.

    Shape: outputs (B, K), and as much of each auxiliary head.
    """

    outputs: Tensor
    auxiliary: tuple[Tensor, ...]


class Samples(Protocol):
    """Something that can be trained on or evaluated: knows its size and yields mini-batches."""

    def __len__(self) -> int: ...

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input as the network sees it, without the batch axis."""
        ...

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Yield the records named by `order` (every record in turn when None), `size` at a time."""
        ...


@runtime_checkable
class VariedSamples(Protocol):
    """Samples that are learned from in another form in every epoch; `batches` gives them plain."""

    def in_epoch(self, seed: int, epoch: int) -> Samples:
        """The samples as this epoch shows them: a function of the seed and the epoch alone."""
        ...
