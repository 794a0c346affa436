"""What a network sees of training images when they are varied: a sheet of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.augmentation import Augmentation, AugmentedSamples, augmentation_from
from nnatomy.data.augmentation.settings import augmentation_text, flips_characters
from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.images import ImageSettings
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.errors import SettingError
from nnatomy.jobs.augmenting import augmented
from nnatomy.types import Label, Samples

MOST = 64
"""Images, and versions of each, that fit on a sheet."""


@dataclass(frozen=True)
class AugmentationSheet:
    """A few training images and what the first epochs show of them.

    Args:
        augmentation: What was done.
        labels: (N,) one an image.
        records: (N,) their numbers among the training images.
        originals: (N, H, W, C) pixels from 0 to 1.
        versions: (N, V, H, W, C) likewise, version v being that of epoch v.
        flips_characters: Whether images of characters are flipped, which is hardly meant.
    """

    augmentation: Augmentation
    labels: tuple[Label, ...]
    records: tuple[int, ...]
    originals: NDArray[np.float32]
    versions: NDArray[np.float32]
    flips_characters: bool

    def write(self, path: str | Path) -> Path:
        """Draw the sheet: originals in the first column, versions beside them.

        Args:
            path: A file that ends in .png, .svg or .pdf.

        Raises:
            SettingError: The ending is another one.
        """
        from nnatomy.report.figures_augmentation import write_sheet

        return write_sheet(
            Path(path),
            self.originals,
            self.versions,
            labels=self.labels,
            title=f"What the network sees: {augmentation_text(self.augmentation)}",
        )

    def to_json(self) -> dict[str, Any]:
        """What is on the sheet, without the pixels."""
        return {
            "augment": augmentation_text(self.augmentation),
            "images": len(self.labels),
            "versions": self.versions.shape[1],
            "size": list(self.originals.shape[1:]),
            "labels": list(self.labels),
            "records": list(self.records),
            "flips_characters": self.flips_characters,
        }


def augment(
    source: Any,
    augment: Augmentation | str | Mapping[str, Any] = "standard",
    *,
    target: str | None = None,
    count: int = 6,
    versions: int = 7,
    images: ImageSettings | None = None,
    seed: int = 0,
) -> AugmentationSheet:
    """Show what training with an augmentation sees: the images of `train` with the same seed.

    Args:
        source: Images, as in `nnatomy.train`.
        augment: A preset, settings, or an Augmentation.
        target: Column with the answers, where the source is a list.
        count: Images, one of each class in turn.
        versions: Of each image: those of the first epochs.
        images: How images are read.
        seed: Of the split and of everything that is drawn.

    Raises:
        DataError: The data cannot be used.
        SettingError: A setting cannot be used, or the data are no images.
    """
    augmentation = augmentation_from(augment)
    for name, number in (("count", count), ("versions", versions)):
        if not 1 <= number <= MOST:
            raise SettingError(f"{name} is from 1 to {MOST}, got {number}")
    plan, read = SplitPlan(seed=seed), images or ImageSettings()
    prepared = augmented(
        prepare(source, target=target, task=None, kinds={}, plan=plan, images=read, scratch=None),
        augmentation,
    )
    train, codec = prepared.train, prepared.codec
    assert isinstance(train, AugmentedSamples)
    assert isinstance(codec, ImageCodec)
    targets = torch.cat([batch.targets for batch in train.batches(None, 1024)])
    order = torch.from_numpy(one_of_each(targets.numpy(), count))
    wanted: list[Samples] = [train, *(train.in_epoch(seed, epoch) for epoch in range(versions))]
    shown = [next(iter(samples.batches(order, count))) for samples in wanted]
    pictures = [_pixels(batch.inputs, codec) for batch in shown]
    classes = prepared.task.classes
    values: list[Label] = (
        [classes[k] for k in targets[order].tolist()]
        if classes
        else codec.decode_value(targets[order][:, 0].double().numpy()).tolist()
    )
    return AugmentationSheet(
        augmentation,
        tuple(values),
        tuple(order.tolist()),
        pictures[0],
        np.stack(pictures[1:], axis=1),
        flips_characters(augmentation, classes),
    )


def one_of_each(targets: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Positions of records: the first of each class in turn, then the second, and so on."""
    if targets.ndim > 1:
        return np.arange(min(count, len(targets)))
    turn = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        own = targets == label
        turn[own] = np.arange(own.sum())
    return np.lexsort((targets, turn))[:count].astype(np.int64)


def _pixels(inputs: torch.Tensor, codec: ImageCodec) -> NDArray[np.float32]:
    """Network inputs as pixels from 0 to 1; floats of another scale are spread over it."""
    mean, std = np.array(codec.normalizer.mean), np.array(codec.normalizer.std)
    pixels = inputs.permute(0, 2, 3, 1).double().numpy() * std + mean
    if codec.floats:
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / ((high - low) or 1)
    clipped: NDArray[np.float32] = np.clip(pixels, 0, 1).astype(np.float32)
    return clipped
