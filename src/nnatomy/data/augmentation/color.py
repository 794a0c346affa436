"""Brightness, contrast and saturation of normalized images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.augmentation.draws import Draws
from nnatomy.data.image_normalize import Normalizer

_LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey: ITU-R BT.601."""


@dataclass(frozen=True)
class PixelScale:
    """What the values of normalized images stand for: pixel = std · value + mean.

    Args:
        mean: Of each channel.
        std: Of each channel.
        limits: Black and white, beyond which no pixel goes; None where pixels have no limits.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    limits: tuple[float, float] | None = None

    @classmethod
    def of(cls, normalizer: Normalizer, *, floats: bool) -> PixelScale:
        """The scale of images that a normalizer made from bytes, or from floats."""
        return cls(normalizer.mean, normalizer.std, None if floats else (0.0, 1.0))

    def statistics(self, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of every channel, (C,) each."""
        both = (self.mean, self.std)
        mean, std = (np.broadcast_to(np.array(v, np.float64), channels) for v in both)
        return mean, std


def grey_weights(channels: int) -> NDArray[np.float64]:
    """The share of each channel in grey: luma for three, else all alike."""
    return np.array(_LUMA) if channels == 3 else np.full(channels, 1 / channels)


def change_colors(images: Tensor, draws: Draws, scale: PixelScale) -> Tensor:
    """Multiply brightness, contrast and saturation by the factors drawn.

    For pixels p with grey g = w · p and mean grey m of the image, in this order:
    p ← b p;  p ← m + c (p - m);  p ← g + s (p - g), each with the g and m of its p, and in the end
    p is cut at black and white. Together: p ← b c (s p + (1 - s) g) + b (1 - c) m.

    Source: as torchvision's ColorJitter, which draws the order too and cuts after each.

    Args:
        images: Normalized.
        draws: Of each image.
        scale: What their values stand for.
    Shape: (B, C, H, W) floats -> (B, C, H, W).
    """
    channels = images.shape[1]
    mean, std = scale.statistics(channels)
    weights = grey_weights(channels)
    # Products and sums one by one: each is rounded once, however many images there are.
    grey = images[:, 0] * float(weights[0] * std[0])
    for channel in range(1, channels):
        grey += images[:, channel] * float(weights[channel] * std[channel])
    # By NumPy: PyTorch divides the sum of a large image among its threads.
    middle = np.array([plane.double().numpy().mean() for plane in grey]) + weights @ mean
    both, offset = draws.brightness * draws.contrast, draws.brightness * (1 - draws.contrast)
    share = (both * (1 - draws.saturation))[:, None] / std
    shift = both[:, None] * (draws.saturation[:, None] * mean)
    shift += (both * (1 - draws.saturation) * (weights @ mean))[:, None]
    shift = (shift + (offset * middle)[:, None] - mean) / std
    changed = images * _of((both * draws.saturation)[:, None], images)
    changed += grey[:, None] * _of(share, images)
    changed += _of(shift, images)
    if scale.limits is not None:
        low, high = ((limit - mean) / std for limit in scale.limits)
        changed.clamp_(_of(low[None], images), _of(high[None], images))
    return changed


def _of(values: NDArray[np.float64], images: Tensor) -> Tensor:
    """(B, C) values that multiply (B, C, H, W) images."""
    return torch.from_numpy(values).to(images.dtype)[:, :, None, None]
