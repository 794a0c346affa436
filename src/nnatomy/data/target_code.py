"""What a network learns to answer, as numbers and back; the same for tables and for images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.table_cells import level_text
from nnatomy.data.task import Task
from nnatomy.errors import IntegrityError

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class TargetCode:
    """How answers become the targets of a network.

    Args:
        task: What is learned.
        mean: Mean of the training answers of a regression.
        std: Standard deviation of these answers; targets are (value - mean) / std.
    """

    task: Task
    mean: float = 0.0
    std: float = 1.0

    def encode(self, values: NDArray[Any]) -> torch.Tensor:
        """Targets from class indices or numbers (N,).

        Shape: (N,) int64 for classes, (N, 1) standardized float32 for numbers.
        """
        if self.task.kind == "classification":
            return torch.from_numpy(values.astype(np.int64))
        with np.errstate(over="ignore"):
            scaled = (values - self.mean) / self.std
        scaled = np.clip(scaled, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)
        return torch.from_numpy(scaled[:, None])

    def blank(self, count: int) -> torch.Tensor:
        """Targets of records without answers: zeros."""
        return self.encode(np.full(count, self.mean))

    def decode(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardized values of a regression, of any shape, in the units of the target."""
        return np.asarray(values, dtype=np.float64) * self.std + self.mean

    def values(self, labels: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Class indices (int64) or numbers (float64) of labels that are all known."""
        if self.task.kind == "regression":
            return np.array([float(label) for label in labels], dtype=np.float64)
        index = label_index(self.task)
        return np.array([find_label(index, label) for label in labels], dtype=np.int64)

    def match(self, cells: Sequence[Any] | NDArray[Any]) -> list[Any]:
        """Plain labels or numbers as the task knows them; None for those that it does not know."""
        if self.task.kind == "regression":
            return [float(cell) if isinstance(cell, (int, float)) else None for cell in cells]
        index = label_index(self.task)
        found = (None if cell is None else find_label(index, cell) for cell in cells)
        return [None if at is None else self.task.classes[at] for at in found]

    def to_json(self) -> dict[str, Any]:
        """The code as JSON-able values, for the description of a codec to take in."""
        return {
            "task": {**asdict(self.task), "classes": list(self.task.classes)},
            "target_mean": self.mean,
            "target_std": self.std,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TargetCode:
        """The inverse of `to_json`; to be called within `description`."""
        task = values["task"]
        return cls(
            Task(task["kind"], task["reason"], task["target"], tuple(task["classes"])),
            float(values["target_mean"]),
            float(values["target_std"]),
        )


@contextmanager
def description(values: Mapping[str, Any], kind: str) -> Iterator[None]:
    """Reading the JSON of a codec of this kind: whatever is wrong with it gets one typed error.

    Args:
        values: What is read.
        kind: The format that it must name.

    Raises:
        IntegrityError: The values are of another format or version, or cannot be read.
    """
    try:
        if (values["format"], values["version"]) != (kind, 1):
            raise ValueError("its format or version is not known")
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise IntegrityError(f"the description of the {kind} is not usable: {error}") from error


def label_index(task: Task) -> dict[Any, int]:
    """Class indices by label, and by the text of the label where that is not taken."""
    index: dict[Any, int] = {label: i for i, label in enumerate(task.classes)}
    for i, label in enumerate(task.classes):
        index.setdefault(level_text(label), i)
    return index


def find_label(index: Mapping[Any, int], cell: Any) -> int | None:
    """The class index of a cell that holds a label in any spelling (3, 3.0, "3"), or None."""
    return index[cell] if cell in index else index.get(level_text(cell))
