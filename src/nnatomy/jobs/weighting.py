"""Weights of the training records, by their class."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.samples import TensorSamples
from nnatomy.data.task import Task
from nnatomy.errors import SettingError
from nnatomy.types import Batch, Samples


class WeightedSamples:
    """Samples of any kind with a weight for each class.

    Args:
        samples: Their targets are class indices.
        weights: (K,) weight of a record of each class.
    """

    def __init__(self, samples: Samples, weights: Tensor) -> None:
        self.samples = samples
        self.weights = weights

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input as the network sees it."""
        return self.samples.input_shape

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Batches with the weight of each record."""
        for batch in self.samples.batches(order, size):
            yield batch._replace(weights=self.weights[batch.targets])


def weighted(train: Samples, class_weight: str | None, task: Task) -> Samples:
    """The training records, each class with the same total weight when that is asked for.

    The weight of a record of class k is N / (K n_k).

    Raises:
        SettingError: The task has no classes.
    """
    if class_weight is None:
        return train
    if task.kind != "classification":
        raise SettingError(f"class_weight: '{task.target}' is a number and has no classes")
    assert isinstance(train, TensorSamples | ImageFileSamples)
    counts = torch.bincount(train.targets, minlength=len(task.classes)).clamp(min=1)
    return WeightedSamples(train, len(train) / (len(task.classes) * counts))
