"""O10: what was learned on seven digits helps to learn three others from few examples."""

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
_HIDDEN, _SEEDS, _OLD, _NEW = (64, 32), 8, 7, 3
_T_975 = 2.365
"""Student's 97.5 % point for 7 degrees of freedom: an interval over 8 starts."""
_FIRST = Settings(epochs=20, batch_size=64, lr=0.003, device="cpu")
_SECOND = {"epochs": 60, "batch_size": 8, "lr": 0.003, "device": "cpu"}
_PARTS: dict[str, dict[str, object]] = {
    "from scratch": {},
    "layers frozen": {"freeze": ("features",)},
    "all layers": {"warm_up": 20, "earlier_rate": 1 / 2.6},
}


def _of(
    samples: TensorSamples, numbers: NDArray[np.int64], most: int | None = None
) -> TensorSamples:
    """The records of these digits, numbered anew; the first `most` of each."""
    rows = [np.flatnonzero(samples.targets.numpy() == n)[:most] for n in np.sort(numbers)]
    order = torch.from_numpy(np.concatenate(rows))
    answers = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    return TensorSamples(samples.inputs[order], torch.from_numpy(answers))


def _build(outputs: int, seed: int) -> MLP:
    torch.manual_seed(seed)
    return MLP(64, outputs, hidden=_HIDDEN, init="he_normal")


@functools.cache
def scores() -> NDArray[np.float64]:
    """Accuracy on digits held out, (way, size, start); each start has three digits of its own."""
    found = np.zeros((len(WAYS), len(SIZES), _SEEDS))
    for seed in range(_SEEDS):
        train, test = digit_samples(1200, 590, seed=seed)
        order = np.random.default_rng(seed).permutation(10)
        new, old = order[:_NEW], order[_NEW:]
        before = _build(_OLD, seed)
        fit(before, _of(train, old), settings=_FIRST)
        held_out = _of(test, new)
        for column, size in enumerate(SIZES):
            few = _of(train, new, size)
            for row, way in enumerate(WAYS):
                network = _build(_NEW, 100 + seed)
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
    found = scores()
    rows = [_gain(found, way) for way in (1, 2)]
    rows.append(_fading(found))
    return Experiment(rows, [_figure()])


def _gain(found: NDArray[np.float64], way: int) -> Row:
    low, high = interval(found[way, 0] - found[0, 0])
    means = [round(float(value), 3) for value in (found[way, 0].mean(), found[0, 0].mean())]
    words = ("and frozen, the head trained", "the head first, then all at lower rates")[way - 1]
    return claim(
        "O10",
        f"accuracy on three digits from {SIZES[0]} examples each: layers of a network for the "
        f"seven others taken over, {words}; from scratch",
        low > 0,
        means,
        slide="take the layers of a trained network, replace the last one, train further",
        reason=f"the difference is within [{low:+.3f}, {high:+.3f}] (95 %, {_SEEDS} starts, paired; "
        "other digits in each)",
    )


def _fading(found: NDArray[np.float64]) -> Row:
    gains = (found[2] - found[0]).mean(1)
    low, high = interval(found[2, 0] - found[0, 0] - (found[2, -1] - found[0, -1]))
    return claim(
        "O10",
        f"what is gained by taking layers over, from {', '.join(map(str, SIZES))} examples each",
        low > 0,
        [round(float(value), 3) for value in gains],
        reason=f"the first less the last is within [{low:+.3f}, {high:+.3f}] (95 %): the more "
        "examples, the less there is to gain",
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
        "Layers learned on other digits help most where examples are few",
        f"An MLP 64-64-32 learned seven digits first; then three others. Mean of {_SEEDS} starts "
        "with digits of their own, ± one standard error.",
        draw,
    )
