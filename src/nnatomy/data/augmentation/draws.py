"""What happens to each image: drawn from the seed, the epoch and the number of its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnatomy.data.augmentation.philox import uniforms
from nnatomy.data.augmentation.settings import Augmentation

_ERASED, _LONGEST = (0.02, 0.33), 3.3
"""Share of the image that is erased, and the longest rectangle's side by its shorter side."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """The variation of B images of one size.

    Args:
        size: Height and width of the images.
        between: Whether pixels come to lie between the old ones: the ranges of angle, scale or crop
            are not zero.
        flip: (B,) whether left and right are exchanged.
        flip_vertical: (B,) whether top and bottom are exchanged.
        angle: (B,) radians, counterclockwise as seen.
        factor: (B,) scale; more than 1 enlarges.
        shift: (2, B) pixels to the right and downwards; whole ones where none lie between.
        window: (B,) share of the sides that is left by the crop.
        center: (2, B) of that window, in pixels right of and below the image's center.
        brightness: (B,) factor. Likewise contrast and saturation.
        noise: (B,) standard deviation.
        place: (B,) from 0 to below 1: which piece of the noise.
        erased: (4, B) x0, y0, x1, y1 in whole pixels; empty where nothing is erased.
    """

    size: tuple[int, int]
    between: bool
    flip: NDArray[np.bool_]
    flip_vertical: NDArray[np.bool_]
    angle: Numbers
    factor: Numbers
    shift: Numbers
    window: Numbers
    center: Numbers
    brightness: Numbers
    contrast: Numbers
    saturation: Numbers
    noise: Numbers
    place: Numbers
    erased: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.angle)


def draw(
    augmentation: Augmentation,
    records: ArrayLike,
    size: tuple[int, int],
    *,
    seed: int = 0,
    epoch: int = 0,
) -> Draws:
    """Draw the variation of images.

    Every operation has random numbers of its own, so that one that is switched off does not change
    what the others do.

    Args:
        augmentation: The ranges.
        records: (B,) number of each image in its data set.
        size: Height and width.
        seed: Of the run.
        epoch: In which the images are shown.
    """
    height, width = size
    u = uniforms(np.asarray(records, np.int64), 20, seed=seed, epoch=epoch)
    sides = np.array([[width], [height]], np.float64)
    reach = augmentation.shift * sides
    shift = reach * (2 * u[4:6] - 1)
    if not augmentation.resamples:  # whole pixels, all equally often
        reach = np.round(reach)
        shift = np.floor(u[4:6] * (2 * reach + 1)) - reach
    window = 1 - augmentation.crop * u[6]
    return Draws(
        size=size,
        between=augmentation.resamples,
        flip=u[0] < augmentation.flip,
        flip_vertical=u[1] < augmentation.flip_vertical,
        angle=np.deg2rad(augmentation.rotate) * (2 * u[2] - 1),
        factor=(1 + augmentation.scale) ** (2 * u[3] - 1),
        shift=shift,
        window=window,
        center=(u[7:9] - 0.5) * (1 - window) * sides,
        brightness=1 + augmentation.brightness * (2 * u[9] - 1),
        contrast=1 + augmentation.contrast * (2 * u[10] - 1),
        saturation=1 + augmentation.saturation * (2 * u[11] - 1),
        noise=augmentation.noise * u[12],
        place=u[13],
        erased=_rectangles(u[14] < augmentation.erase, u[15:19], size),
    )


def _rectangles(wanted: NDArray[np.bool_], u: Numbers, size: tuple[int, int]) -> NDArray[np.int64]:
    """Rectangles inside the image, their area uniform and their shape log-uniform in its range."""
    height, width = size
    area = height * width * (_ERASED[0] + (_ERASED[1] - _ERASED[0]) * u[0])
    long = _LONGEST ** (2 * u[1] - 1)
    wide = np.clip(np.round(np.sqrt(area * long)), 1, width)
    high = np.clip(np.round(np.sqrt(area / long)), 1, height)
    left, top = np.floor(u[2] * (width - wide + 1)), np.floor(u[3] * (height - high + 1))
    corners = np.stack([left, top, left + wide, top + high])
    return np.where(wanted, corners, 0).astype(np.int64)
