"""Boxes around what a map shows, and how many things it shows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnatomy.errors import SettingError
from nnatomy.explain.explanation import Explanation

_NEIGHBOURS = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong together."""


class Box(NamedTuple):
    """Pixels from left and top up to, not including, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


def boxes(explanation: Explanation, share: float = 0.2) -> list[Box | None]:
    """The box around the largest connected region of each map.

    A region is where the map has at least `share` of its maximum, 20 % by default as in Zhou et
    al. 2016, arXiv 1512.04150, section 3.2. None for a map without anything positive.

    Args:
        explanation: Of N images.
        share: Of the maximum, above 0 and at most 1.

    Raises:
        SettingError: The share is not usable.
    """
    found: list[Box | None] = []
    for values in _arrays(explanation):
        regions, sizes = _regions(values, share)
        if not len(sizes):
            found.append(None)
            continue
        rows, columns = np.nonzero(regions == 1 + int(sizes.argmax()))
        left, top = int(columns.min()), int(rows.min())
        found.append(Box(left, top, int(columns.max()) + 1, int(rows.max()) + 1))
    return found


def count(
    explanation: Explanation, share: float = 0.5, *, smallest: float = 0.0
) -> NDArray[np.int64]:
    """How many connected regions each map has, (N,): a count of things that stand apart.

    Things whose regions touch count as one: the maps of a network are coarser than its images.

    Args:
        explanation: Of N images.
        share: Of the maximum that a region has at least, above 0 and at most 1.
        smallest: Share of the image that a region must cover to count.

    Raises:
        SettingError: A share is not usable.
    """
    if not 0 <= smallest < 1:
        raise SettingError(f"smallest must be at least 0 and below 1, got {smallest}")
    maps = _arrays(explanation)
    least = smallest * maps[0].size
    return np.array([(_regions(values, share)[1] >= least).sum() for values in maps], np.int64)


def _arrays(explanation: Explanation) -> NDArray[np.float32]:
    arrays: NDArray[np.float32] = explanation.values.detach().float().cpu().numpy()
    return arrays


def _regions(values: NDArray[Any], share: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number of the region of each pixel, 0 outside of all, and the pixels of each region."""
    from scipy.ndimage import label

    if not 0 < share <= 1:
        raise SettingError(f"share must be above 0 and at most 1, got {share}")
    highest = float(values.max())
    if highest <= 0:
        return np.zeros(values.shape, int), np.zeros(0, int)
    regions, number = label(values >= share * highest, _NEIGHBOURS)
    return regions, np.bincount(regions.ravel(), minlength=number + 1)[1:]
