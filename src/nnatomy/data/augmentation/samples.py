"""Training images that are varied anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nnatomy.data.augmentation.color import PixelScale
from nnatomy.data.augmentation.images import augment_images
from nnatomy.data.augmentation.settings import Augmentation
from nnatomy.errors import SettingError
from nnatomy.types import Batch, Samples


@dataclass(frozen=True)
class AugmentedSamples:
    """Samples that training sees varied, and everybody else as they are.

    `batches` gives the images themselves, so that what is measured, judged or compared on training
    records does not change; `in_epoch` gives what the network learns from.

    Args:
        samples: Normalized images, in memory or from files.
        augmentation: How they are varied.
        scale: What their values stand for.

    Raises:
        SettingError: The records are no images.
    """

    samples: Samples
    augmentation: Augmentation
    scale: PixelScale = field(default_factory=PixelScale)

    def __post_init__(self) -> None:
        if len(self.samples.input_shape) != 3:
            raise SettingError(
                "augment: images are varied, and these records are no images: leave it out"
            )

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return self.samples.input_shape

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Batches of the images as they are."""
        return self.samples.batches(order, size)

    def in_epoch(self, seed: int, epoch: int) -> EpochSamples:
        """The images as they are learned from in an epoch."""
        return EpochSamples(self, seed, epoch)


@dataclass(frozen=True)
class EpochSamples:
    """The images of `AugmentedSamples` as an epoch shows them; see there."""

    whole: AugmentedSamples
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.whole)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return self.whole.input_shape

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """Batches of the varied images."""
        records = torch.arange(len(self)) if order is None else order
        batches = self.whole.samples.batches(order, size)
        for batch, own in zip(batches, torch.split(records, size), strict=True):
            images = augment_images(
                batch.inputs,
                self.whole.augmentation,
                own.numpy(),
                seed=self.seed,
                epoch=self.epoch,
                scale=self.whole.scale,
            )
            yield batch._replace(inputs=images)
