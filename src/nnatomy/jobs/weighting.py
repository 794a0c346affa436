"""Weights of records, by their class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nnatomy.data.augmentation import AugmentedSamples
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.prepared import Prepared
from nnatomy.data.samples import TensorSamples
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


def weighted(prepared: Prepared, class_weight: str | None) -> tuple[Samples, Samples]:
    """Training and validation records, each class with the same total weight when that is asked.

    The weight of a record of class k is N / (K n_k), counted in the training records. Validation
    records are weighted alike, so that the best epoch is chosen by what training makes small.

    Raises:
        SettingError: The task has no classes.
    """
    train, task = prepared.train, prepared.task
    if class_weight is None:
        return train, prepared.valid
    if task.kind != "classification":
        raise SettingError(f"class_weight: '{task.target}' is a number and has no classes")
    plain = train.samples if isinstance(train, AugmentedSamples) else train
    assert isinstance(plain, TensorSamples | ImageFileSamples)
    counts = torch.bincount(plain.targets, minlength=len(task.classes)).clamp(min=1)
    weights = len(train) / (len(task.classes) * counts)
    learned: Samples = WeightedSamples(plain, weights)
    if isinstance(train, AugmentedSamples):
        learned = replace(train, samples=learned)
    return learned, WeightedSamples(prepared.valid, weights)
