"""O12 and O14: gradients vanish with depth, and what ReLU does about it."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nnatomy.lecture.curves import draw_starts
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.many import fit_many
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 5, 10, 20)
_SCHEMES = {"sigmoid": "xavier_normal", "tanh": "xavier_normal", "relu": "he_normal"}
_SEEDS = 3
_WIDTH = 32
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
_SETTINGS = Settings(epochs=20, batch_size=64, optimizer="adam", device="cpu")


def build(activation: str, depth: int, seed: int) -> MLP:
    """A network for digits with so many hidden layers of 32 units."""
    torch.manual_seed(seed)
    hidden = (_WIDTH,) * depth
    return MLP(64, 10, hidden=hidden, activation=activation, init=_SCHEMES[activation])


def gradient_norms(network: nn.Module) -> list[float]:
    """‖∂J/∂W‖ of each layer for 256 digits, from the first layer to the last."""
    samples, _ = digit_samples(256, 1)
    loss = functional.cross_entropy(network(samples.inputs), samples.targets)
    matrices = [p for p in network.parameters() if p.dim() == 2]
    return [g.norm().item() for g in torch.autograd.grad(loss, matrices)]


def ratio(activation: str, depth: int) -> float:
    """First layer's gradient norm as a share of the last hidden one's, geometric mean of starts."""
    shares = []
    for seed in range(_SEEDS):
        norms = gradient_norms(build(activation, depth, seed))
        shares.append(norms[0] / norms[-2])
    return float(np.exp(np.mean(np.log(shares))))


def vanishing_gradients() -> Experiment:
    """Gradient norms layer by layer, and the training loss they lead to."""
    losses = np.array([curves[:, -1].mean() for curves in best_curves("sigmoid")])
    rows = [
        _shares("sigmoid", 1e-6, "each layer multiplies by g' <= 1/4"),
        _shares(
            "tanh",
            0.5,
            "Xavier's initialization, younger than the problem, keeps the gradient (see P2)",
        ),
        claim(
            "O12",
            "sigmoid: training loss after 20 epochs, by depth, each at its best rate",
            bool((np.diff(losses) > 0).all() and losses[-1] > 2.2 and losses[0] < 1.0),
            [round(float(loss), 3) for loss in losses],
            slide="first hypothesis: optimization is harder (underfitting)",
            reason="mean of three starts; guessing costs log 10 = 2.303; "
            + _rates_tried("sigmoid"),
        ),
    ]
    return Experiment(rows, [_norms_figure(), _curves_figure("O12_underfitting", "sigmoid")])


def _shares(activation: str, below: float, reason: str) -> Row:
    found = [ratio(activation, depth) for depth in DEPTHS]
    return claim(
        "O12",
        f"{activation}: gradient of the first layer as a share of the last hidden one's, with "
        f"{', '.join(map(str, DEPTHS))} hidden layers",
        found[-1] < below,
        [float(f"{value:.2g}") for value in found],
        slide="becomes close to 0 if many hidden layers are used",
        reason=reason + "; before training, geometric mean of three starts, 256 digits",
    )


@functools.cache
def trained(activation: str, rate: float) -> NDArray[np.float64]:
    """Training losses (depth, start, epoch); infinite after a run broke off."""
    train, _ = digit_samples(1000, 1)
    networks, settings = [], []
    for depth in DEPTHS:
        for seed in range(_SEEDS):
            networks.append(build(activation, depth, seed))
            settings.append(replace(_SETTINGS, lr=rate, seed=seed))
    losses = np.full((len(networks), _SETTINGS.epochs), np.inf)
    for row, session in zip(losses, fit_many(networks, train, settings=settings), strict=True):
        row[: len(session.history)] = session.history.column("loss")
    return losses.reshape(len(DEPTHS), _SEEDS, -1)


def best_rate(activation: str, number: int) -> float:
    """The rate with the lowest mean loss at the end for a depth, by its number in DEPTHS."""
    return min(RATES, key=lambda rate: float(trained(activation, rate)[number, :, -1].mean()))


def best_curves(activation: str) -> list[NDArray[np.float64]]:
    """Training losses (start, epoch) of each depth at its best rate."""
    return [
        trained(activation, best_rate(activation, number))[number] for number in range(len(DEPTHS))
    ]


def _rates_tried(activation: str) -> str:
    best = [f"{best_rate(activation, number):g}" for number in range(len(DEPTHS))]
    tried = ", ".join(f"{rate:g}" for rate in RATES)
    return f"Adam, rates {tried}, of which the best are {', '.join(best)}"


def relu_remedy() -> Experiment:
    """The same networks with ReLU: the gradient reaches the first layer, and they train."""
    share = ratio("relu", DEPTHS[-1])
    losses = [float(curves[:, -1].mean()) for curves in best_curves("relu")]
    sigmoid = [float(curves[:, -1].mean()) for curves in best_curves("sigmoid")]
    return Experiment(
        [
            claim(
                "O14",
                "ReLU: gradient of the first layer as a share of the last hidden one's, 20 layers",
                share > ratio("sigmoid", DEPTHS[-1]),
                float(f"{share:.2g}"),
                slide="can send the gradient farther",
                reason="the sigmoid network's is "
                f"{ratio('sigmoid', DEPTHS[-1]):.2g}; He's initialization, geometric mean of three "
                "starts, 256 digits",
            ),
            claim(
                "O14",
                "ReLU: training loss after 20 epochs, by depth, each at its best rate",
                all(one < other for one, other in zip(losses, sigmoid, strict=True)),
                [round(loss, 3) for loss in losses],
                reason="sigmoid's in O12 are "
                + ", ".join(f"{loss:.3f}" for loss in sigmoid)
                + "; mean of three starts; "
                + _rates_tried("relu"),
            ),
        ],
        [_curves_figure("O14_relu", "relu")],
    )


def _norms_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE, label_ends, whole_ticks

        axes = canvas.subplots()
        ends = []
        for name, color in (("sigmoid", ORANGE), ("tanh", DARK), ("relu", BLUE)):
            norms = gradient_norms(build(name, DEPTHS[-1], 0))
            layers = range(1, len(norms) + 1)
            axes.semilogy(layers, norms, "o-", color=color)
            ends.append((len(norms), norms[-1], name, color))
        axes.set(xlabel="layer", ylabel="norm of its weights' gradient", xlim=(0.5, 21.2))
        whole_ticks(axes)
        label_ends(axes, ends)

    return Figure(
        "O12_vanishing_gradients",
        "In a deep sigmoid network the gradient shrinks layer by layer",
        "Gradient of each layer's weights before training: 20 hidden layers of 32 units, digits.",
        draw,
    )


def _curves_figure(name: str, activation: str) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import SERIES, label_ends, whole_ticks

        axes, ends = canvas.subplots(), []
        for losses, depth, color in zip(best_curves(activation), DEPTHS, SERIES, strict=False):
            ends.append(draw_starts(axes, losses, f"{depth} layers", color))
        axes.axhline(np.log(10), color="#bbbbbb", linewidth=1.5, zorder=0)
        axes.text(10, np.log(10) + 0.05, "guessing", color="#8a8a8a", va="bottom", fontsize=16)
        highest = max(float(losses.max()) for losses in best_curves(activation))
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, highest), xlim=(1, 20))
        whole_ticks(axes)
        label_ends(axes, ends)

    titles = {
        "sigmoid": "Deep sigmoid networks: not even a fit after 20 epochs",
        "relu": "With ReLU the same depths train",
    }
    return Figure(
        name,
        titles[activation],
        f"Training loss on 1,000 digits, hidden layers of 32 {activation} units, Adam at the best "
        f"of {len(RATES)} rates for each depth; three starts and their mean.",
        draw,
    )
