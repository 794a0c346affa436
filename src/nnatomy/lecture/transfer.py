"""O10: what was learned on seven digits helps to learn three others from few examples.

The digits stand anywhere on a larger canvas. What a dense network has to learn of that, it learns
from the seven, and it holds for the three. Where all digits stand in one place, a few examples
tell them apart by their pixels, and no gain is seen.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SIZES = (2, 5, 10, 50)
"""Examples of each of the three digits."""
WAYS = ("from scratch", "layers frozen", "all layers")
_HIDDEN, _SEEDS, _OLD, _NEW = (128, 64), 6, 7, 3
_SIDE, _CANVAS, _COPIES = 8, 12, 8
_T_975 = 2.571
"""Student's 97.5 % point for 5 degrees of freedom: an interval over 6 starts."""
_SHOWN = SIZES.index(10)
_FIRST = Settings(epochs=15, batch_size=64, lr=0.003, device="cpu")
_SECOND = {"epochs": 60, "batch_size": 8, "lr": 0.003, "device": "cpu"}
_PARTS: dict[str, dict[str, object]] = {
    "from scratch": {},
    "layers frozen": {"freeze": ("features",)},
    "all layers": {"warm_up": 20, "earlier_rate": 1 / 2.6},
}


def scattered(samples: TensorSamples, copies: int, seed: int) -> TensorSamples:
    """Each digit so many times, anywhere on a canvas of 12×12 whose ground is the darkest pixel.

    Shape: inputs (N, 64) -> (N · copies, 144).
    """
    draw = np.random.default_rng(seed)
    small = samples.inputs.reshape(-1, _SIDE, _SIDE).repeat(copies, 1, 1)
    canvas = torch.full((len(small), _CANVAS, _CANVAS), float(small.min()))
    for image, (top, left) in enumerate(draw.integers(0, _CANVAS - _SIDE + 1, (len(small), 2))):
        canvas[image, top : top + _SIDE, left : left + _SIDE] = small[image]
    return TensorSamples(canvas.flatten(1), samples.targets.repeat(copies))


def _of(
    samples: TensorSamples, numbers: NDArray[np.int64], most: int | None = None
) -> TensorSamples:
    """The records of these digits, numbered anew; the first `most` of each."""
    rows = [np.flatnonzero(samples.targets.numpy() == n)[:most] for n in np.sort(numbers)]
    order = torch.from_numpy(np.concatenate(rows))
    answers = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    return TensorSamples(samples.inputs[order], torch.from_numpy(answers))


def _build(inputs: int, outputs: int, seed: int) -> MLP:
    torch.manual_seed(seed)
    return MLP(inputs, outputs, hidden=_HIDDEN, init="he_normal")


@functools.cache
def scores(sizes: tuple[int, ...] = SIZES, *, anywhere: bool = True) -> NDArray[np.float64]:
    """Accuracy on digits held out, (way, size, start); each start has three digits of its own.

    Args:
        sizes: Examples of each digit.
        anywhere: Whether digits stand anywhere on a canvas, or all in one place.
    """
    found = np.zeros((len(WAYS), len(sizes), _SEEDS))
    for seed in range(_SEEDS):
        train, test = digit_samples(1200, 590, seed=seed)
        order = np.random.default_rng(seed).permutation(10)
        new, old = order[:_NEW], order[_NEW:]
        many, held_out = _of(train, old), _of(test, new)
        if anywhere:
            many, held_out = scattered(many, _COPIES, seed), scattered(held_out, 1, seed)
        inputs = many.input_shape[0]
        before = _build(inputs, _OLD, seed)
        fit(before, many, settings=_FIRST)
        for column, size in enumerate(sizes):
            few = _of(train, new, size)
            few = scattered(few, 1, seed) if anywhere else few
            for row, way in enumerate(WAYS):
                network = _build(inputs, _NEW, 100 + seed)
                if row:
                    network.features.load_state_dict(before.features.state_dict())
                settings = Settings(seed=seed, **_SECOND, **_PARTS[way])  # type: ignore[arg-type]
                fit(network, few, settings=settings)
                outputs, targets = outputs_of(network, held_out)
                found[row, column, seed] = (outputs.argmax(1) == targets).double().mean()
    return found


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Student's 95 % interval of the mean of paired differences over the starts."""
    half = _T_975 * differences.std(ddof=1) / np.sqrt(len(differences))
    return float(differences.mean() - half), float(differences.mean() + half)


def transfer() -> Experiment:
    """Layers of a network for seven digits, taken over by one for three others."""
    return Experiment([_gain(1), _gain(2), _no_gain_in_one_place()], [_figure()])


def _gain(way: int) -> Row:
    one, other = scores()[way, _SHOWN], scores()[0, _SHOWN]
    low, high = interval(one - other)
    words = ("and frozen, the head trained", "the head first, then all at lower rates")[way - 1]
    return claim(
        "O10",
        f"three digits anywhere on a canvas, {SIZES[_SHOWN]} examples each: accuracy with the "
        f"layers of a network for the seven others, {words}; from scratch",
        low > 0,
        [round(float(own.mean()), 3) for own in (one, other)],
        reason=_difference(low, high),
    )


def _no_gain_in_one_place() -> Row:
    found = scores((2,), anywhere=False)[:, 0]
    low, high = interval(found[2] - found[0])
    return claim(
        "O10",
        "the same with the digits all in one place, 2 examples each: no gain is seen, all layers "
        "trained further; from scratch",
        low <= 0,
        [round(float(found[way].mean()), 3) for way in (2, 0)],
        reason=_difference(low, high),
    )


def _difference(low: float, high: float) -> str:
    return (
        f"the difference is within [{low:+.3f}, {high:+.3f}] (95 %, {_SEEDS} starts, paired; other "
        "digits in each)"
    )


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE, label_ends

        axes, ends = canvas.subplots(), []
        for own, way, color in zip(scores(), WAYS, (ORANGE, DARK, BLUE), strict=True):
            mean, spread = own.mean(1), own.std(1, ddof=1) / np.sqrt(_SEEDS)
            axes.fill_between(SIZES, mean - spread, mean + spread, color=color, alpha=0.15)
            axes.plot(SIZES, mean, "o-", color=color)
            ends.append((float(SIZES[-1]), float(mean[-1]), way, color))
        axes.set_xscale("log")
        axes.set_xticks(SIZES, [str(size) for size in SIZES])
        axes.minorticks_off()
        axes.set(xlabel="examples of each of three new digits", ylabel="accuracy on others")
        label_ends(axes, ends)

    return Figure(
        "O10_transfer",
        "Layers learned on other digits help where examples are few",
        "An MLP 144-128-64 learned seven digits first, anywhere on a canvas of 12×12; then three "
        f"others. Mean of {_SEEDS} starts with digits of their own, ± one standard error.",
        draw,
    )
