"""Occlusion: what a network says when a part of the image is covered."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.explain.curves import Judge
from nnatomy.explain.explanation import Explanation
from nnatomy.explain.undisturbed import (
    called,
    chosen_targets,
    plain_network,
    prepared_images,
    undisturbed,
)

_IMAGES = 64
"""Images of a pass."""


def occlusion(
    network: nn.Module,
    images: Tensor,
    target: Any = None,
    *,
    size: int | None = None,
    stride: int | None = None,
) -> Explanation:
    """Map by how much the class score falls when a square patch is covered.

    m(p) = S_c(image) - S_c(image with patch p in the image's mean color); a pixel has the mean over
    the patches that cover it. Slow and without assumptions: one pass a patch, of any network.

    Source: Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2; they show the probability, which
    hides what changes beyond certainty.

    Args:
        network: Any module from images to class scores.
        images: Normalized as the network takes them.
        target: Output to explain, one for all or one for each image; the highest one by default.
        size: Side of the patch; a quarter of the shorter side by default.
        stride: Step between patches; half of their side by default.

    Shape: images (N, C, H, W) -> values (N, H, W), maps (N, rows, columns of patches).

    Raises:
        DataError: The images are no batch that the network can take.
        SettingError: There is no such output, or patch or step do not fit the image.

    Example:
        >>> from nnatomy.models import mlp
        >>> occlusion(mlp((1, 8, 8), 3), torch.rand(2, 1, 8, 8), size=2, stride=2).maps.shape
        torch.Size([2, 4, 4])
    """
    network = plain_network(network)
    images = prepared_images(network, images)
    height, width = images.shape[2:]
    size = max(1, min(height, width) // 4) if size is None else size
    stride = max(1, size // 2) if stride is None else stride
    if not 1 <= size <= min(height, width) or not 1 <= stride <= size:
        raise SettingError(
            f"size {size} and stride {stride} do not fit images of {height}×{width}: the patch "
            "must be inside, and the step from 1 to its side, so that no pixel is left out"
        )
    rows, columns = _starts(height, size, stride), _starts(width, size, stride)
    with undisturbed(network):
        scores = called(network, images)
        targets = chosen_targets(scores, target)
        places = [(top, left) for top in rows for left in columns]
        covered = _covered_scores(network, images, targets, places, size)
    falls = scores.gather(1, targets[:, None]) - covered
    maps = falls.reshape(len(images), len(rows), len(columns))
    enlarge = partial(
        spread_patches, rows=_cover(height, rows, size), columns=_cover(width, columns, size)
    )
    judge = Judge(network, images, enlarge)
    return Explanation(enlarge(maps), maps, targets, "occlusion", scores, None, judge)


def _covered_scores(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    places: list[tuple[int, int]],
    size: int,
) -> Tensor:
    """Score of the target with each patch covered, (N, patches)."""
    mean = images.mean((2, 3))[:, :, None, None]
    at_once = max(1, _IMAGES // len(images))
    found = []
    for first in range(0, len(places), at_once):
        part = places[first : first + at_once]
        copies = images.expand(len(part), *images.shape).clone()
        for copy, (top, left) in zip(copies, part, strict=True):
            copy[:, :, top : top + size, left : left + size] = mean
        scores = called(network, copies.flatten(0, 1))
        chosen = scores.gather(1, targets.repeat(len(part))[:, None])
        found.append(chosen.reshape(len(part), len(images)))
    return torch.cat(found).T


def _starts(side: int, size: int, stride: int) -> list[int]:
    """First rows of the patches; the last one ends with the image."""
    starts = list(range(0, side - size + 1, stride))
    return starts if starts[-1] == side - size else [*starts, side - size]


def _cover(side: int, starts: list[int], size: int) -> Tensor:
    """(side, patches): 1 where a patch covers a row."""
    places = torch.arange(side)[:, None] - torch.tensor(starts)
    return ((places >= 0) & (places < size)).float()


def spread_patches(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each pixel's mean over the patches that cover it.

    Shape: maps (N, r, c), rows (H, r), columns (W, c) -> (N, H, W).
    """
    rows, columns = rows.to(maps), columns.to(maps)
    return rows @ maps @ columns.T / (rows.sum(1)[:, None] * columns.sum(1))
