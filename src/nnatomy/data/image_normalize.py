"""Pixels to network inputs: statistics of the training images and their use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK_VALUES = 1 << 20
_NO_SPREAD = 1e-12


class Normalizer:
    """Brings every channel to mean 0 and standard deviation 1 over the training images.

    y = (x / 255 - mean) / std for bytes, (x - mean) / std for floats, as one multiply-add.

    Args:
        mean: Mean of each channel, for bytes in units of 255.
        std: Standard deviation of each channel, in the same units.
    Shape: (B, H, W, C) uint8 or float -> (B, C, H, W) float32, a view in channels_last order.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = tuple(mean)
        self.std = tuple(std)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize a batch of stored images."""
        batch, height, width, channels = images.shape
        unit = 255.0 if images.dtype == torch.uint8 else 1.0
        mean, std = torch.tensor([self.mean, self.std], dtype=torch.float64, device=images.device)
        # One scale and shift a row of pixels: with three channels alone the inner loop would be
        # three long and four times slower.
        scale = (1 / (unit * std)).float().repeat(width)
        shift = (-mean / std).float().repeat(width)
        rows = images.reshape(batch, height, width * channels).to(torch.float32, copy=True)
        torch.addcmul(shift, rows, scale, out=rows)
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


class ChannelMoments:
    """Mean and standard deviation of each channel, gathered image by image in float64.

    Parts are merged by the pairwise formula of Chan, Golub and LeVeque 1979, which does not
    cancel where the mean is large beside the spread.
    """

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._mean = np.zeros(channels)
        self._squares = np.zeros(channels)

    def add(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> None:
        """Take in images of shape (..., C); bytes count in units of 255."""
        pixels = images.reshape(-1, images.shape[-1])
        step = max(1, _CHUNK_VALUES // pixels.shape[1])
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step].astype(np.float64)
            if pixels.dtype == np.uint8:
                part /= 255
            self._merge(part)

    def _merge(self, part: NDArray[np.float64]) -> None:
        mean = part.mean(axis=0)
        squares = np.square(part - mean).sum(axis=0)
        total = self._count + len(part)
        step = mean - self._mean
        self._mean += step * len(part) / total
        self._squares += squares + step**2 * self._count * len(part) / total
        self._count = total

    def result(self) -> Normalizer:
        """The normalizer for what was taken in; a channel without spread is only shifted."""
        std = np.sqrt(self._squares / self._count)
        std[std <= _NO_SPREAD * np.maximum(1, np.abs(self._mean))] = 1
        return Normalizer(self._mean.tolist(), std.tolist())
