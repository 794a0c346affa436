"""The records of the clinic: tables, images and sequences, real and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor


@dataclass(frozen=True)
class Data:
    """Records to learn from and to validate on.

    Shape: inputs (N, ...), targets (N,) class numbers or (N, 1) values.
    """

    name: str
    inputs: Tensor
    targets: Tensor
    valid_inputs: Tensor
    valid_targets: Tensor

    @property
    def outputs(self) -> int:
        """Output units that a network for them has."""
        return 1 if self.targets.dim() == 2 else int(self.targets.max()) + 1

    def few(self, count: int) -> Data:
        """The same with so many training records."""
        return replace(self, inputs=self.inputs[:count], targets=self.targets[:count])


def _split(name: str, x: np.ndarray, y: np.ndarray, seed: int) -> Data:
    order = np.random.default_rng(seed).permutation(len(x))
    inputs = torch.from_numpy(x[order]).float()
    targets = torch.from_numpy(y[order])
    targets = targets.float()[:, None] if targets.is_floating_point() else targets.long()
    held = max(60, len(x) // 4)
    return Data(name, inputs[held:], targets[held:], inputs[:held], targets[:held])


def _scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)


def digits(seed: int) -> Data:
    x, y = datasets.load_digits(return_X_y=True)
    return _split("digits", _scaled(x).clip(-4, 4), y, seed)


def cancer(seed: int) -> Data:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return _split("cancer", _scaled(x), y, seed)


def mixture(seed: int) -> Data:
    x, y = datasets.make_classification(
        1200, 16, n_informative=8, n_classes=3, class_sep=1.6, random_state=seed
    )
    return _split("mixture", _scaled(x), y, seed)


def moons(seed: int) -> Data:
    x, y = datasets.make_moons(800, noise=0.15, random_state=seed)
    return _split("moons", _scaled(x), y, seed)


def spirals(seed: int) -> Data:
    random = np.random.default_rng(seed)
    turn = np.sqrt(random.uniform(0.05, 1, 900)) * 2 * np.pi
    y = np.arange(900) % 2
    angle = turn + np.pi * y
    x = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1) + random.normal(0, 0.12, (900, 2))
    return _split("spirals", _scaled(x), y, seed)


def diabetes(seed: int) -> Data:
    x, y = datasets.load_diabetes(return_X_y=True)
    return _split("diabetes", _scaled(x), (y - y.mean()) / y.std(), seed)


def friedman(seed: int) -> Data:
    x, y = datasets.make_friedman1(900, noise=0.5, random_state=seed)
    return _split("friedman", _scaled(x), (y - y.mean()) / y.std(), seed)


def digit_images(seed: int) -> Data:
    x, y = datasets.load_digits(return_X_y=True)
    return _split("digit images", (x / 16).reshape(-1, 1, 8, 8), y, seed)


def shapes(seed: int) -> Data:
    """16 × 16 images of a disc, a square, a cross or a bar, somewhere, in noise."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 0.15, (900, 1, 16, 16))
    y = np.arange(900) % 4
    grid = np.mgrid[:16, :16]
    for image, kind in zip(x, y, strict=True):
        dy, dx = grid - random.integers(4, 12, 2)[:, None, None]
        size = random.integers(2, 5)
        inside = (
            dx**2 + dy**2 <= size**2,
            np.maximum(abs(dx), abs(dy)) <= size - 1,
            ((dx == 0) & (abs(dy) <= size)) | ((dy == 0) & (abs(dx) <= size)),
            (dy == 0) & (abs(dx) <= size + 1),
        )[kind]
        image[0][inside] += random.uniform(0.7, 1.2)
    return _split("shapes", x, y, seed)


def waves(seed: int) -> Data:
    """Sequences of 25 steps: which of three frequencies, in noise."""
    random = np.random.default_rng(seed)
    y = np.arange(700) % 3
    time = np.arange(25)
    frequency = np.array([0.25, 0.45, 0.7])[y][:, None]
    wave = np.sin(frequency * time + random.uniform(0, 2 * np.pi, (700, 1)))
    x = (wave + random.normal(0, 0.2, wave.shape))[..., None]
    return _split("waves", x, y, seed)


def totals(seed: int) -> Data:
    """Sequences of 12 numbers: the sum of those that are marked."""
    random = np.random.default_rng(seed)
    numbers = random.uniform(-1, 1, (900, 12))
    marks = random.integers(0, 2, (900, 12))
    total = (numbers * marks).sum(1)
    return _split("totals", np.stack([numbers, marks], 2), total / total.std(), seed)


TABLES: tuple[Callable[[int], Data], ...] = (digits, cancer, mixture, moons, spirals)
VALUES: tuple[Callable[[int], Data], ...] = (diabetes, friedman, totals)
IMAGES: tuple[Callable[[int], Data], ...] = (digit_images, shapes)
SEQUENCES: tuple[Callable[[int], Data], ...] = (waves, totals)
CLASSES = (*TABLES, *IMAGES, waves)
ALL = (*TABLES, diabetes, friedman, *IMAGES, *SEQUENCES)
