"""The handwritten digits, as rows of numbers for the experiments on depth and regularization."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.bundled import digits
from nnatomy.data.samples import TensorSamples


def digit_samples(
    count: int, held_out: int, *, seed: int = 0
) -> tuple[TensorSamples, TensorSamples]:
    """Training and validation digits, drawn without replacement.

    Shape: inputs (N, 64) with mean 0 and variance 1 over all pixels, targets (N,).
    """
    images, numbers = digits()
    order = np.random.default_rng(seed).permutation(len(numbers))
    pixels = torch.from_numpy(images.astype(np.float32)).reshape(len(order), -1)
    pixels = (pixels - pixels.mean()) / pixels.std()
    labels = torch.from_numpy(numbers)
    train, valid = order[:count], order[count : count + held_out]
    return _part(pixels, labels, train), _part(pixels, labels, valid)


def _part(pixels: Tensor, labels: Tensor, chosen: NDArray[np.int64]) -> TensorSamples:
    return TensorSamples(pixels[chosen], labels[chosen])


def digit_pictures(
    count: int, held_out: int, *, seed: int = 0
) -> tuple[TensorSamples, TensorSamples]:
    """The same digits as pictures, for convolutions.

    Shape: inputs (N, 1, 8, 8), targets (N,).
    """
    train, valid = digit_samples(count, held_out, seed=seed)
    return _pictures(train), _pictures(valid)


def _pictures(samples: TensorSamples) -> TensorSamples:
    return TensorSamples(samples.inputs.reshape(-1, 1, 8, 8), samples.targets)
