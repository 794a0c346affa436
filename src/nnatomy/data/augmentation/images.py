"""A batch of images varied, and the masks and boxes that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from nnatomy.data.augmentation.color import PixelScale, change_colors
from nnatomy.data.augmentation.draws import draw
from nnatomy.data.augmentation.geometry import move_boxes, move_images, move_masks
from nnatomy.data.augmentation.noise import add_noise, erase
from nnatomy.data.augmentation.settings import Augmentation

IGNORED = 255
"""The class of pixels in a mask that count for nothing."""


def augment_images(
    images: Tensor,
    augmentation: Augmentation,
    records: ArrayLike,
    *,
    seed: int = 0,
    epoch: int = 0,
    scale: PixelScale | None = None,
) -> Tensor:
    """Images as they are shown in an epoch; a function of the seed, the epoch and the record alone.

    Neither the other images of the batch nor their order plays a part, to the bit.

    Args:
        images: Normalized, so that 0 is the mean color and 1 the channel's standard deviation;
            they are left as they are.
        augmentation: What is done.
        records: (B,) number of each image in its data set.
        seed: Of the run.
        epoch: In which they are shown.
        scale: What the values stand for, where colors change; None takes them for pixels
            without limits.
    Shape: (B, C, H, W) floats -> (B, C, H, W).

    Example:
        >>> import torch
        >>> images = torch.arange(12.0).reshape(1, 1, 3, 4)
        >>> augment_images(images, Augmentation(flip=1.0), [0])[0, 0, 0]
        tensor([3., 2., 1., 0.])
    """
    height, width = images.shape[2:]
    draws = draw(augmentation, records, (height, width), seed=seed, epoch=epoch)
    own = move_images(images, draws, augmentation.fill) if augmentation.moves else images
    if augmentation.colors:
        own = change_colors(own, draws, scale or PixelScale())
    if own is images and augmentation.changes:
        own = images.clone()
    if augmentation.noise:
        own = add_noise(own.contiguous(), draws)
    own = erase(own, draws) if augmentation.erase else own
    if images.is_contiguous(memory_format=torch.channels_last):  # so networks compute faster
        return own.contiguous(memory_format=torch.channels_last)
    return own


def augment_masks(
    masks: Tensor,
    augmentation: Augmentation,
    records: ArrayLike,
    *,
    seed: int = 0,
    epoch: int = 0,
    ignore: int = IGNORED,
) -> Tensor:
    """The class of each pixel, moved as `augment_images` moves the image of the same record.

    Erased rectangles keep their classes: what is hidden is still asked for.

    Args:
        masks: Whole numbers.
        augmentation: As for the images; likewise records, seed and epoch.
        records: (B,) number of each image.
        seed: Of the run.
        epoch: In which they are shown.
        ignore: The class of pixels from outside the image.
    Shape: (B, H, W) -> (B, H, W).
    """
    height, width = masks.shape[1:]
    draws = draw(augmentation, records, (height, width), seed=seed, epoch=epoch)
    return move_masks(masks, draws, augmentation.fill, ignore=ignore)


def augment_boxes(
    boxes: Sequence[Tensor],
    augmentation: Augmentation,
    records: ArrayLike,
    size: tuple[int, int],
    *,
    seed: int = 0,
    epoch: int = 0,
    least: float = 0.0,
) -> list[tuple[Tensor, Tensor]]:
    """Boxes moved as `augment_images` moves the image of the same record.

    Args:
        boxes: One (n, 4) tensor of x0, y0, x1, y1 in pixels an image; the first pixel covers 0 to
            1.
        augmentation: As for the images; likewise records, seed and epoch.
        records: (B,) number of each image.
        size: Height and width of the images.
        seed: Of the run.
        epoch: In which they are shown.
        least: A box of which no more than this share is left is dropped.

    Returns:
        For each image the boxes that are left, cut at the edges, and their positions among those
        given.
    """
    draws = draw(augmentation, records, size, seed=seed, epoch=epoch)
    return move_boxes(boxes, draws, least=least)
