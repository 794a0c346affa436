"""What every epoch of a run was like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class History(Sequence[dict[str, Any]]):
    """A list of rows, one dict an epoch, kept column by column.

    Runs of many thousand short epochs, and many of them side by side, would otherwise spend their
    time on making and sweeping dicts.

    Args:
        rows: What came before, after a resumption.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._length = 0
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add the row of an epoch; what earlier rows did not have is None in them."""
        self.extend({name: [value] for name, value in row.items()}, 1)

    def extend(self, columns: Mapping[str, list[Any]], count: int) -> None:
        """Add many rows.

        Args:
            columns: The values of the new rows by name.
            count: How many new rows there are.
        """
        for name, values in columns.items():
            self._columns.setdefault(name, [None] * self._length).extend(values)
        self._length += count
        for column in self._columns.values():
            column.extend([None] * (self._length - len(column)))

    def extend_by_steps(
        self,
        epoch: int,
        step: int,
        *,
        loss: NDArray[np.float64],
        lr: NDArray[np.float64],
        grad_norm: NDArray[np.float64],
        seconds: NDArray[np.floating[Any]],
    ) -> None:
        """Add the rows of epochs of one step each, without validation.

        Args:
            epoch: Epochs before them.
            step: Steps before them.
            loss: (n,) like the following: the values of the rows.
            lr: Learning rates.
            grad_norm: Norms of the gradient.
            seconds: Time since the beginning.
        """
        count = len(loss)
        columns: dict[str, list[Any]] = {
            "epoch": list(range(epoch + 1, epoch + count + 1)),
            "step": list(range(step + 1, step + count + 1)),
            "loss": loss.tolist(),
            "valid_loss": [None] * count,
            "valid_score": [None] * count,
            "lr": lr.tolist(),
            "grad_norm": grad_norm.tolist(),
            "seconds": seconds.tolist(),
        }
        self.extend(columns, count)

    def column(self, name: str) -> list[Any]:
        """One value of every epoch."""
        return list(self._columns[name])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = tuple(self._columns)
        for values in zip(*self._columns.values(), strict=True):
            yield dict(zip(names, values, strict=True))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"epoch {index} of {self._length}")
        return {name: values[index] for name, values in self._columns.items()}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History | list):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"History({list(self)!r})"
