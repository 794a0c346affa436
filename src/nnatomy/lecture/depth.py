"""O12 and O14: gradients vanish with depth, and what ReLU does about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import claim
from nnatomy.models.mlp import MLP
from nnatomy.training.many import fit_many
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEPTHS = (2, 5, 10, 20)
_SCHEMES = {"sigmoid": "xavier_normal", "tanh": "xavier_normal", "relu": "he_normal"}
_SEEDS = 3
_WIDTH = 32
_SETTINGS = Settings(epochs=20, batch_size=64, lr=0.001, optimizer="adam", device="cpu")


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
    """How much smaller the first layer's gradient is than the last hidden one's, on average."""
    shares = []
    for seed in range(_SEEDS):
        norms = gradient_norms(build(activation, depth, seed))
        shares.append(norms[0] / norms[-2])
    return float(np.exp(np.mean(np.log(shares))))


def vanishing_gradients() -> Experiment:
    """Gradient norms layer by layer, and the training loss they lead to."""
    ratios = {name: [ratio(name, depth) for depth in DEPTHS] for name in _SCHEMES}
    rows = [
        claim(
            "O12",
            f"{name}: gradient of the first layer as a share of the last hidden one's, with "
            f"{', '.join(map(str, DEPTHS))} hidden layers",
            holds,
            [float(f"{value:.2g}") for value in ratios[name]],
            slide=slide,
            reason=reason + "; before training, geometric mean of three starts, 256 digits",
        )
        for name, slide, holds, reason in (
            (
                "sigmoid",
                "close to 0 in many layers",
                ratios["sigmoid"][-1] < 1e-6,
                "each layer multiplies by g' <= 1/4",
            ),
            (
                "tanh",
                "close to 0 in many layers",
                ratios["tanh"][-1] < 0.5,
                "Xavier's initialization, younger than the problem, keeps the gradient (see P2)",
            ),
        )
    ]
    losses = _trained("sigmoid")[:, :, -1].mean(1)
    rows.append(
        claim(
            "O12",
            "sigmoid: training loss after 20 epochs, by depth (first hypothesis: underfitting)",
            bool(losses[-1] > 2.2 and losses[0] < 1.5),
            [round(float(loss), 3) for loss in losses],
            slide="the network cannot be fitted",
            reason="mean of three starts; guessing costs log 10 = 2.303",
        )
    )
    return Experiment(rows, [_norms_figure(), _curves_figure("O12_underfitting", "sigmoid")])


def _trained(activation: str) -> NDArray[np.float64]:
    """Training losses (depth, start, epoch)."""
    train, _ = digit_samples(1000, 1)
    networks, settings = [], []
    for depth in DEPTHS:
        for seed in range(_SEEDS):
            networks.append(build(activation, depth, seed))
            settings.append(replace(_SETTINGS, seed=seed))
    sessions = fit_many(networks, train, settings=settings)
    losses = np.array([session.history.column("loss") for session in sessions])
    return losses.reshape(len(DEPTHS), _SEEDS, -1)


def relu_remedy() -> Experiment:
    """The same networks with ReLU: the gradient reaches the first layer, and they train."""
    share = ratio("relu", DEPTHS[-1])
    losses = _trained("relu")[:, :, -1].mean(1)
    return Experiment(
        [
            claim(
                "O14",
                "ReLU: gradient of the first layer as a share of the last hidden one's, 20 layers",
                share > 0.1,
                float(f"{share:.2g}"),
                slide="sends the gradient farther",
                reason="He's initialization; geometric mean of three starts, 256 digits",
            ),
            claim(
                "O14",
                "ReLU: training loss after 20 epochs, by depth",
                bool(losses.max() < 0.7),
                [round(float(loss), 3) for loss in losses],
                slide="de facto activation function nowadays",
                reason="mean of three starts",
            ),
        ],
        [_curves_figure("O14_relu", "relu")],
    )


def _norms_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE, label_ends

        axes = canvas.subplots()
        ends = []
        for name, color in (("sigmoid", ORANGE), ("tanh", DARK), ("relu", BLUE)):
            norms = gradient_norms(build(name, DEPTHS[-1], 0))
            layers = range(1, len(norms) + 1)
            axes.semilogy(layers, norms, "o-", color=color)
            ends.append((len(norms), norms[-1], name, color))
        axes.set(xlabel="layer", ylabel="norm of its weights' gradient", xlim=(0.5, 21.2))
        label_ends(axes, ends)

    return Figure(
        "O12_vanishing_gradients",
        "In a deep sigmoid network the first layers learn nothing",
        "Gradient of each layer's weights before training: 20 hidden layers of 32 units, digits.",
        draw,
    )


def _curves_figure(name: str, activation: str) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import SERIES, label_ends

        axes = canvas.subplots()
        ends = []
        for losses, depth, color in zip(_trained(activation), DEPTHS, SERIES, strict=False):
            epochs, mean = range(1, losses.shape[1] + 1), losses.mean(0)
            axes.plot(epochs, losses.T, color=color, alpha=0.25, linewidth=1.2)
            axes.plot(epochs, mean, color=color)
            ends.append((len(mean), float(mean[-1]), f"{depth} layers", color))
        axes.axhline(np.log(10), color="#bbbbbb", linewidth=1.5, zorder=0)
        axes.text(10, np.log(10) + 0.05, "guessing", color="#8a8a8a", va="bottom", fontsize=16)
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, 2.8), xlim=(1, 20))
        label_ends(axes, ends)

    titles = {
        "sigmoid": "Deep sigmoid networks do not even fit what they train on",
        "relu": "With ReLU deep networks train too",
    }
    return Figure(
        name,
        titles[activation],
        f"Training loss on 1,000 digits, hidden layers of 32 {activation} units, Adam; three "
        "starts and their mean.",
        draw,
    )
