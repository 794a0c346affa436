"""O13: training a deep network layer by layer first."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.curves import columns, draw_starts, last, lower_in
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, out_of_reach
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

WIDTHS = (48, 40, 32, 32)
_SEEDS = 3
_GREEDY = Settings(epochs=40, batch_size=64, lr=0.005, device="cpu")
_FINE = Settings(epochs=30, batch_size=64, device="cpu")
FineTuning = tuple[str, float]
Runs = tuple[list[Session], list[Session]]
TUNINGS: tuple[FineTuning, ...] = (
    ("momentum", 0.02),
    ("momentum", 0.1),
    ("momentum", 0.3),
    ("momentum", 1.0),
    ("adam", 0.001),
    ("adam", 0.003),
    ("adam", 0.01),
    ("adam", 0.03),
)


def pretrain(network: MLP, inputs: Tensor) -> list[tuple[float, float]]:
    """Greedy, layer by layer and without labels: each layer learns to be undone by another.

    A layer and a linear one after it are trained as an auto-encoder, x̂ = c + V g(b + W x), on
    what the layers before give; then its W and b stay. Source: Bengio et al. 2007, Greedy
    layer-wise training of deep networks, NIPS 19.

    Returns:
        The reconstruction error ½ |x̂ - x|² of each layer before and after, mean over records.
    """
    errors = []
    for number in range(len(WIDTHS)):
        linear, activation = network.features[2 * number], network.features[2 * number + 1]
        assert isinstance(linear, nn.Linear)
        undo = nn.Linear(linear.out_features, linear.in_features)
        pair = nn.Sequential(linear, activation, undo)
        before = _error(pair, inputs)
        fit(pair, TensorSamples(inputs, inputs), objective="squared", settings=_GREEDY)
        errors.append((before, _error(pair, inputs)))
        with torch.no_grad():
            inputs = activation(linear(inputs))
    return errors


@torch.no_grad()
def _error(pair: nn.Module, inputs: Tensor) -> float:
    return float(OBJECTIVES["squared"].loss(pair(inputs), inputs, None))


def build(seed: int) -> MLP:
    """A sigmoid network with weights as small as they were drawn before 2010."""
    torch.manual_seed(seed)
    return MLP(64, 10, hidden=WIDTHS, activation="sigmoid", init="uniform")


@functools.cache
def compared() -> tuple[dict[FineTuning, Runs], NDArray[np.float64]]:
    """Runs (after pre-training, without) of every fine-tuning, and the reconstruction errors.

    The errors are (starts, layers, 2), before and after.
    """
    train, valid = digit_samples(1000, 500)
    prepared = [build(seed) for seed in range(_SEEDS)]
    errors = np.array([pretrain(network, train.inputs) for network in prepared])
    runs = {}
    for way in TUNINGS:
        networks = [*copy.deepcopy(prepared), *(build(seed) for seed in range(_SEEDS))]
        settings = replace(_FINE, optimizer=way[0], lr=way[1])
        sessions = fit_many(networks, train, valid, settings=[settings] * len(networks))
        runs[way] = sessions[:_SEEDS], sessions[_SEEDS:]
    return runs, errors


def best_tuning(which: int) -> FineTuning:
    """Rule and rate with the lowest mean training loss: 0 after pre-training, 1 without."""
    runs, _ = compared()
    return min(TUNINGS, key=lambda way: float(last(runs[way][which], "loss").mean()))


def layerwise() -> Experiment:
    """A deep sigmoid network with and without layer-wise pre-training, from the same weights."""
    runs, errors = compared()
    groups = [runs[best_tuning(which)][which] for which in (0, 1)]
    rows = [_reconstruction(errors), *_effect(groups), _machines()]
    return Experiment(rows, [_figure(groups)])


def _reconstruction(errors: NDArray[np.float64]) -> Row:
    left = errors[..., 1] / errors[..., 0]
    return claim(
        "O13",
        "reconstruction error of each layer's auto-encoder, after training as a share of before",
        bool((left < 1).all()),
        [float(f"{value:.2g}") for value in left.mean(0)],
        slide="train one layer at a time, from first to last, with unsupervised criterion",
        reason="mean of three starts; 40 epochs a layer",
    )


def _effect(groups: list[list[Session]]) -> list[Row]:
    losses = [last(group, "loss") for group in groups]
    scores = [last(group, "valid_score") for group in groups]
    ways = [" at ".join((rule, f"{rate:g}")) for rule, rate in map(best_tuning, (0, 1))]
    tried = ", ".join(f"{rule} at {rate:g}" for rule, rate in TUNINGS)
    return [
        claim(
            "O13",
            "training loss after 30 epochs, with pre-training and without, each at its best",
            bool((losses[0] < losses[1]).all()),
            [round(float(loss.mean()), 3) for loss in losses],
            reason=f"{lower_in(*losses)}; guessing costs {np.log(10):.3f}; the best of {tried} are "
            f"{ways[0]} and {ways[1]}",
        ),
        claim(
            "O13",
            "accuracy on 500 digits held out, with pre-training and without",
            bool((scores[0] > scores[1]).all()),
            [round(float(score.mean()), 3) for score in scores],
            reason="the same runs; the layers learned for 40 epochs each before, which counts as "
            "training, too",
        ),
    ]


def _machines() -> Row:
    return out_of_reach(
        "O13",
        "layer-wise training with an energy function (stacked restricted Boltzmann machines)",
        "an energy function between two adjacent layers",
        "comes with the Boltzmann machines of the network zoo, which are not part of nnatomy yet",
    )


def _figure(groups: list[list[Session]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends, whole_ticks

        axes, ends = canvas.subplots(), []
        for group, name, color in zip(groups, ("pre-trained", "not"), (BLUE, ORANGE), strict=True):
            ends.append(draw_starts(axes, columns(group, "loss"), name, color))
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, 2.5), xlim=(1, _FINE.epochs))
        whole_ticks(axes)
        label_ends(axes, ends)

    return Figure(
        "O13_pretraining",
        "Trained layer by layer first, the deep sigmoid network learns faster",
        f"Four hidden sigmoid layers, 1,000 digits, each at the best of {len(TUNINGS)} rules and "
        "rates; three starts each and their mean.",
        draw,
    )
