"""Toy problems in the plane: two coordinates x1, x2 and a label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_TURNS = 1.5


def xor(n: int = 400, *, noise: float = 0.15, seed: int = 0) -> pd.DataFrame:
    """Four clouds around (±1, ±1); the label is 1 where the signs differ.

    Args:
        n: Number of points.
        noise: Standard deviation of a cloud.
        seed: Seed of the points.
    """
    rng = np.random.default_rng(seed)
    corner = np.arange(n) % 4
    center = np.stack([2.0 * (corner % 2) - 1, 2.0 * (corner // 2) - 1], axis=1)
    points = center + rng.normal(0, noise, (n, 2))
    return _frame(points, (corner % 2 != corner // 2).astype(np.int64), rng)


def spirals(n: int = 600, *, noise: float = 0.02, seed: int = 0) -> pd.DataFrame:
    """Two interleaved spirals of one and a half turns in the unit disc.

    φ = 3πr + π·label, with r² uniform in (0.01, 1) to spread the points evenly along the arm.
    After Lang and Witbrock 1988, "Learning to tell two spirals apart".

    Args:
        n: Number of points.
        noise: Standard deviation of the points around their arm.
        seed: Seed of the points.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    radius = np.sqrt(rng.uniform(0.01, 1, n))
    angle = 2 * np.pi * _TURNS * radius + np.pi * label
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _frame(points + rng.normal(0, noise, (n, 2)), label, rng)


def circles(n: int = 400, *, noise: float = 0.08, seed: int = 0) -> pd.DataFrame:
    """A ring (label 0) around a smaller ring (label 1)."""
    from sklearn.datasets import make_circles

    points, label = make_circles(n, noise=noise, factor=0.5, random_state=seed)
    return _columns(points, label)


def moons(n: int = 400, *, noise: float = 0.15, seed: int = 0) -> pd.DataFrame:
    """Two interleaved half circles."""
    from sklearn.datasets import make_moons

    points, label = make_moons(n, noise=noise, random_state=seed)
    return _columns(points, label)


def blobs(n: int = 300, *, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Three clouds with centers at fixed corners of a triangle."""
    from sklearn.datasets import make_blobs

    centers = np.array([[0.0, 3.0], [-3.0, -2.0], [3.0, -2.0]])
    points, label = make_blobs(n, centers=centers, cluster_std=noise, random_state=seed)
    return _columns(points, label)


def _frame(
    points: NDArray[np.float64], label: NDArray[np.int64], rng: np.random.Generator
) -> pd.DataFrame:
    order = rng.permutation(len(points))
    return _columns(points[order], label[order])


def _columns(points: NDArray[np.float64], label: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame({"x1": points[:, 0], "x2": points[:, 1], "label": label.astype(np.int64)})
