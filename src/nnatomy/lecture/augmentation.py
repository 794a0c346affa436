"""P7: more images from few, each operation beside its slow twin, and what it gains."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.augmentation import PRESETS, Augmentation, AugmentedSamples, augment_images
from nnatomy.data.augmentation.draws import Draws, draw
from nnatomy.data.augmentation.noise import noise_bank
from nnatomy.data.bundled import digits
from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.settings import Settings
from nnatomy.types import Samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

OPERATIONS: dict[str, Augmentation] = {
    "horizontal flip": Augmentation(flip=1.0),
    "vertical flip": Augmentation(flip_vertical=1.0),
    "rotation": Augmentation(rotate=45.0),
    "scaling in and out": Augmentation(scale=1.0),
    "crop": Augmentation(crop=0.6),
    "translation": Augmentation(shift=0.4),
    "Gaussian noise": Augmentation(noise=1.0),
}
"""The slide's operations, as one sees them."""

_SLIDE = "flip, rotation, scaling in/out, crop, translation, Gaussian noise"
_PER_CLASS, _STARTS = 10, 8
_GAIN = replace(PRESETS["characters"], shift=0.05)
_SETTINGS = Settings(epochs=200, batch_size=25, lr=0.003, device="cpu")
_T_7 = 2.365
"""The 97.5 % point of Student's distribution with 7 degrees of freedom."""


def augmentation() -> Experiment:
    """Every operation of the slide against a loop over pixels, and few digits with and without."""
    rows = [_beside_its_twin(name) for name in OPERATIONS]
    return Experiment([*rows, *_gain()], [_figure()])


def _images() -> Tensor:
    """Six digits, normalized: (6, 1, 8, 8)."""
    pixels = torch.from_numpy(digits()[0][:6].astype(np.float32))[:, None]
    normalized: Tensor = (pixels - pixels.mean()) / pixels.std()
    return normalized


def _beside_its_twin(name: str) -> Row:
    images, own = _images(), OPERATIONS[name]
    draws = draw(own, range(6), (8, 8))
    pictures = augment_images(images, own, range(6)).double().numpy()
    twin = (_noisy if own.noise else _moved)(images.double().numpy(), draws)
    apart = float(np.abs(pictures - twin).max())
    changed = float(np.abs(pictures - images.double().numpy()).max())
    return claim(
        "P7",
        f"{name}: largest difference from a loop over the pixels of six digits",
        apart < 1e-5 < changed,
        apart,
        slide=_SLIDE,
        reason=f"the operation itself changes a pixel by up to {changed:.2f} standard deviations",
    )


def _moved(images: NDArray[np.float64], draws: Draws) -> NDArray[np.float64]:
    """Each pixel: undo shift, scale, rotation, flips and crop; mix the four pixels around."""
    pictures = np.zeros_like(images)
    height, width = draws.size
    for i, row, column in np.ndindex(len(images), height, width):
        x = (column + 0.5 - draws.shift[0, i] - width / 2) / draws.factor[i]
        y = (row + 0.5 - draws.shift[1, i] - height / 2) / draws.factor[i]
        cos, sin = math.cos(draws.angle[i]), math.sin(draws.angle[i])
        x, y = cos * x - sin * y, sin * x + cos * y
        x, y = (-x if draws.flip[i] else x), (-y if draws.flip_vertical[i] else y)
        x = x * draws.window[i] + draws.center[0, i] + width / 2 - 0.5
        y = y * draws.window[i] + draws.center[1, i] + height / 2 - 0.5
        for left, top in ((0, 0), (1, 0), (0, 1), (1, 1)):
            near_x, near_y = math.floor(x) + left, math.floor(y) + top
            share = (1 - abs(x - near_x)) * (1 - abs(y - near_y))
            if 0 <= near_x < width and 0 <= near_y < height:
                pictures[i, 0, row, column] += share * images[i, 0, near_y, near_x]
    return pictures


def _noisy(images: NDArray[np.float64], draws: Draws) -> NDArray[np.float64]:
    """Each pixel: a number of the bank times the standard deviation."""
    bank, values = noise_bank(1 << 20).double().numpy(), images[0].size
    pictures = images.copy()
    for i, k in np.ndindex(len(images), values):
        start = int(draws.place[i] * (len(bank) - values))
        pictures[i].reshape(-1)[k] += draws.noise[i] * bank[start + k]
    return pictures


@functools.cache
def accuracies() -> NDArray[np.float64]:
    """Of networks on ten digits a class, without and with augmentation, on all the others.

    Shape: (2, starts).
    """
    inks, labels = digits()
    pixels = torch.from_numpy(inks.astype(np.float32))[:, None]
    targets = torch.from_numpy(labels)
    found = np.empty((2, _STARTS))
    for start in range(_STARTS):
        order = np.random.default_rng(start).permutation(len(labels))
        few = np.concatenate([order[labels[order] == k][:_PER_CLASS] for k in range(10)])
        others = np.setdiff1d(order, few)
        images = (pixels - pixels[few].mean()) / pixels[few].std()
        plain = TensorSamples(images[few], targets[few])
        test = TensorSamples(images[others], targets[others])
        ways: tuple[Samples, Samples] = (plain, AugmentedSamples(plain, _GAIN))
        for kind, train in enumerate(ways):
            torch.manual_seed(start)
            network = MLP((1, 8, 8), 10, hidden=(64,))
            fit(network, train, settings=replace(_SETTINGS, seed=start))
            outputs, answers = outputs_of(network, test)
            found[kind, start] = (outputs.argmax(1) == answers).double().mean().item()
    return found


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of the mean of eight paired differences, by Student's t."""
    reach = _T_7 * differences.std(ddof=1) / math.sqrt(len(differences))
    return float(differences.mean() - reach), float(differences.mean() + reach)


def _gain() -> list[Row]:
    plain, varied = accuracies()
    low, high = interval(varied - plain)
    return [
        claim(
            "P7",
            f"accuracy from {_PER_CLASS} digits a class: as they are, and varied in every epoch",
            low > 0,
            [round(float(v), 4) for v in (plain.mean(), varied.mean())],
            slide="data augmentation as a practical technique",
            reason=f"one hidden layer of 64 units, {_SETTINGS.epochs} epochs, rotation, scaling "
            f"and translation; paired over {_STARTS} choices of digits and starts, the difference "
            f"is {(varied - plain).mean():+.4f} [{low:+.4f}, {high:+.4f}]",
        )
    ]


def _figure() -> Figure:
    def draw_on(canvas: Canvas) -> None:
        from nnatomy.report.figures_augmentation import draw_sheet

        images, labels = _images(), digits()[1][:6]
        low, high = images.min(), images.max()
        shown = [images, *(augment_images(images, own, range(6)) for own in OPERATIONS.values())]
        pictures = [
            ((image - low) / (high - low)).clamp(0, 1).permute(0, 2, 3, 1).numpy()
            for image in shown
        ]
        names = [name.replace(" ", "\n", 1) for name in OPERATIONS]
        versions = np.stack(pictures[1:], axis=1)
        draw_sheet(canvas, pictures[0], versions, [str(label) for label in labels], names)

    return Figure(
        "P7_augmentation",
        "More images from six",
        "Digits and what each operation makes of them; grey at the edges is the mean color.",
        draw_on,
    )
