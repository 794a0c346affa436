"""Gaussian noise from a bank, and erased rectangles."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from nnatomy.data.augmentation.draws import Draws

_SHORTEST = 1 << 20
"""Numbers in the bank at least; at least four times those of an image."""


@functools.lru_cache(maxsize=4)
def noise_bank(length: int) -> Tensor:
    """Standard normal numbers, always the same; images take pieces of them at places drawn.

    To draw new ones for every image costs more than everything else that is done to it. Pieces may
    overlap; they are never at the same place for one image in two epochs but by chance.

    Shape: (length,) float32.
    """
    generator = np.random.Generator(np.random.Philox(key=0))
    return torch.from_numpy(generator.standard_normal(length, dtype=np.float32))


def add_noise(images: Tensor, draws: Draws) -> Tensor:
    """Add Gaussian noise of the standard deviation drawn for each image, in place.

    Shape: (B, C, H, W) contiguous floats -> the same.
    """
    values = images[0].numel() if len(images) else 0
    bank = noise_bank(max(_SHORTEST, 1 << (4 * values - 1).bit_length()))
    starts = (draws.place * (len(bank) - values)).astype(np.int64).tolist()
    scaled = torch.empty(values)
    for image, start, deviation in zip(images, starts, draws.noise.tolist(), strict=True):
        # Two operations: one that multiplies and adds may round once or twice.
        torch.mul(bank[start : start + values], deviation, out=scaled)
        image.view(-1).add_(scaled)
    return images


def erase(images: Tensor, draws: Draws) -> Tensor:
    """Set the rectangle drawn for each image to 0, the mean color, in place.

    Source: Zhong et al. 2020 (arXiv 1708.04896, algorithm 1), with one color instead of noise.

    Shape: (B, C, H, W) -> the same.
    """
    x0, y0, x1, y1 = draws.erased
    for i in np.flatnonzero(x1 > x0).tolist():
        images[i, :, y0[i] : y1[i], x0[i] : x1[i]] = 0
    return images
