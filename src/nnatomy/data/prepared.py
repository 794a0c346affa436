"""Data ready for training: the common result of preparing a table or a set of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnatomy.data.quality import DataReport, Finding, Rejected
from nnatomy.data.task import Task
from nnatomy.types import Samples


@dataclass(frozen=True)
class Encoded:
    """Records of a new source in the form that a trained network takes.

    Args:
        samples: Network inputs; the targets are zeros where the source has no answers.
        names: One name a record: the row's line or the image's path.
        truth: The answers as they stand in the source (one a record), or None when it has none.
        rejected: Records of the source that cannot be used.
        findings: Unseen categories, missing columns that were filled, and the like.
        unknown: Labels of the source, each once, where none of them is known.
    """

    samples: Samples
    names: Sequence[str]
    truth: Sequence[Any] | None
    rejected: Sequence[Rejected]
    findings: Sequence[Finding]
    unknown: Sequence[Any] = ()


class Codec(Protocol):
    """Turns sources like the training source into network inputs; saved with the model as JSON."""

    task: Task

    def to_json(self) -> dict[str, Any]:
        """Everything needed to encode a new source, as JSON-able values."""
        ...

    def decode_value(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardized values of a regression, of any shape, in the units of the target."""
        ...

    def encode(self, source: Any, *, answers: bool = True) -> Encoded:
        """Read and encode a new source: a path, a frame, an array.

        Args:
            source: Data of the kind of the training source.
            answers: Read the answers too, where the source has them; records without a usable
                one are then rejected.

        Raises:
            DataError: The source lacks a column, cannot be read, or is of another kind.
        """
        ...


@dataclass(frozen=True)
class Prepared:
    """A data set, checked, split and encoded.

    Args:
        train: Training records. `valid`, `test`: the held-out ones.
        codec: Encodes further sources in the same way.
        report: What was found and done.
        input_shape: Shape of one network input: (features,) or (channels, height, width).
        test_names: One name a test record: its line, its row or its path.
        show: Gives the original view of test record i, for the report's examples: a dict with
            "name" and either "row" (column -> text) or "image" (PNG bytes).
    """

    train: Samples
    valid: Samples
    test: Samples
    codec: Codec
    report: DataReport
    input_shape: tuple[int, ...]
    test_names: Sequence[str]
    show: Callable[[int], dict[str, Any]]

    @property
    def task(self) -> Task:
        """The learning task."""
        return self.codec.task
