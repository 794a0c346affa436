"""Whether a map is true to the network: deletion and insertion against random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.explain.undisturbed import called, probabilities_of, undisturbed, versions

if TYPE_CHECKING:
    from nnatomy.explain.explanation import Explanation

STEPS = 8
"""Portions in which the pixels are deleted or inserted."""
ORDERS = 4
"""Random orders."""
_IMAGES = 64
"""Images of a pass."""
_BLUR = 0.1
"""Standard deviation of the blur, as a share of the longer side."""


@dataclass(frozen=True)
class Curves:
    """Class probability as pixels go or come, those with the highest value first.

    Args:
        deletion: (N, STEPS + 1) from the whole image to its mean color.
        insertion: (N, STEPS + 1) from the blurred image to the whole one.
        random_deletion: (ORDERS, N, STEPS + 1) the same in the order of maps moved away.
        random_insertion: (ORDERS, N, STEPS + 1).
    """

    deletion: Tensor
    insertion: Tensor
    random_deletion: Tensor
    random_insertion: Tensor

    @property
    def faithfulness(self) -> Tensor:
        """See `Explanation.faithfulness`; (N,)."""
        gained = area(self.insertion) - area(self.random_insertion).mean(0)
        lost = area(self.random_deletion).mean(0) - area(self.deletion)
        return (gained + lost) / 2


def join_curves(parts: Sequence[Curves]) -> Curves:
    """Curves of several batches as those of one."""
    return Curves(
        torch.cat([part.deletion for part in parts]),
        torch.cat([part.insertion for part in parts]),
        torch.cat([part.random_deletion for part in parts], dim=1),
        torch.cat([part.random_insertion for part in parts], dim=1),
    )


def area(curve: Tensor) -> Tensor:
    """Area under curves of evenly spaced points on [0, 1], by the trapezoid rule."""
    return torch.trapezoid(curve, dx=1 / (curve.shape[-1] - 1), dim=-1)


class Judge:
    """Deletes and inserts pixels; made with the explanation, called when it is doubted.

    Deletion puts the image's mean color in the place of pixels, insertion begins with the blurred
    image. The random orders are those of the same map moved to a random place, what leaves on one
    side coming in on the other: regions of the same form, so that the comparison is about the place
    and not about the form of what is cut out. All maps move alike, by seed 0: an image's curves
    do not depend on the other images.

    Source: Petsiuk, Das, Saenko 2018, RISE, arXiv 1806.07421, section 4.3; the random orders are
    ours.

    Args:
        network: The network that was explained.
        images: (N, C, H, W) as it took them.
        enlarge: Brings maps (N, h, w) to the size of the images.
    """

    def __init__(
        self, network: nn.Module, images: Tensor, enlarge: Callable[[Tensor], Tensor]
    ) -> None:
        self.network, self.images, self.enlarge = network, images, enlarge
        self._versions = versions(network, images)

    def __call__(self, explanation: Explanation) -> Curves:
        """The curves of each image.

        Raises:
            SettingError: The network was trained, or the images written to, since the explanation.
        """
        if versions(self.network, self.images) != self._versions:
            raise SettingError(
                "network or images have changed since they were explained: explain them again, and "
                "ask for the faithfulness before training goes on"
            )
        mean = self.images.mean((2, 3), keepdim=True).expand_as(self.images)
        blurred = blur(self.images)
        ranks = [rank_of(explanation.values), *self._random_ranks(explanation.maps)]
        with undisturbed(self.network):
            deleted = [self._curve(r, self.images, mean, explanation.target) for r in ranks]
            inserted = [self._curve(r, blurred, self.images, explanation.target) for r in ranks]
        return Curves(deleted[0], inserted[0], torch.stack(deleted[1:]), torch.stack(inserted[1:]))

    def _random_ranks(self, maps: Tensor) -> Iterator[Tensor]:
        rows, columns = maps.shape[1:]
        generator = torch.Generator().manual_seed(0)
        moves = [1 + int(k) for k in torch.randperm(rows * columns - 1, generator=generator)] or [0]
        for order in range(ORDERS):
            down, right = divmod(moves[order % len(moves)], columns)
            yield rank_of(self.enlarge(maps.roll((down, right), (1, 2))))

    def _curve(self, rank: Tensor, before: Tensor, after: Tensor, target: Tensor) -> Tensor:
        """Probability (N, STEPS + 1) as pixels of low rank go from one image to the other."""
        pixels = rank.shape[1] * rank.shape[2]
        steps = [round(step * pixels / STEPS) for step in range(STEPS + 1)]
        at_once = max(1, _IMAGES // len(rank))
        points = []
        for first in range(0, len(steps), at_once):
            part = steps[first : first + at_once]
            mixed = torch.cat(
                [torch.where((rank < limit)[:, None], after, before) for limit in part]
            )
            chances = probabilities_of(called(self.network, mixed))
            chances = chances.gather(1, target.repeat(len(part))[:, None])
            points.append(chances.reshape(len(part), len(rank)))
        return torch.cat(points).T


def rank_of(values: Tensor) -> Tensor:
    """Place of each pixel (N, H, W) in the order of its map, the highest value having 0."""
    order = values.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(values.shape)


def blur(images: Tensor) -> Tensor:
    """Images under a Gaussian of a tenth of their longer side, (N, C, H, W)."""
    height, width = images.shape[2:]
    spread = _BLUR * max(height, width)
    rows, columns = (_smoothing(side, spread).to(images) for side in (height, width))
    return rows @ images @ columns.T


def _smoothing(side: int, spread: float) -> Tensor:
    """(side, side) weights of a Gaussian around each pixel; every row sums to 1."""
    places = torch.arange(side, dtype=torch.float32)
    return (-((places[:, None] - places) ** 2) / (2 * spread**2)).softmax(1)
