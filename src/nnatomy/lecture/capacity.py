"""O6: more hidden units, a more complex boundary."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.data.toy import spirals
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import accuracy_of, draw_boundary, points_of
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.models.summary import count_parameters
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

WIDTHS = (1, 2, 4, 8, 32)
_SEEDS = 3
_SETTINGS = Settings(epochs=1500, batch_size=None, lr=0.02, optimizer="adam", device="cpu")


def spiral_points() -> tuple[NDArray[Any], NDArray[Any]]:
    """Two spirals of 400 points in all."""
    frame = spirals(400, noise=0.03)
    return points_of(frame)


def capacity() -> Experiment:
    """1, 2, 4, 8 and 32 tanh units on two spirals; the best of three starts each."""
    points, labels = spiral_points()
    networks = []
    for width in WIDTHS:
        for seed in range(_SEEDS):
            torch.manual_seed(seed)
            networks.append(MLP(2, 1, hidden=(width,), activation="tanh", init="xavier_normal"))
    sessions = fit_many(
        networks,
        TensorSamples(2 * points, labels),
        objective="binary_cross_entropy",
        settings=[_SETTINGS] * len(networks),
    )
    losses = np.array([s.history[-1]["loss"] for s in sessions]).reshape(len(WIDTHS), _SEEDS)
    best = [networks[i * _SEEDS + int(row.argmin())] for i, row in enumerate(losses)]
    reached = [round(accuracy_of(network, 2 * points, labels), 4) for network in best]
    rows = [*_widths(losses.min(1), reached), _parameters(best[-1]), _linear(), _softmax()]
    return Experiment(rows, [_figure(best, reached)])


def _widths(losses: NDArray[np.float64], reached: list[float]) -> list[Row]:
    where = f"with {', '.join(map(str, WIDTHS))} hidden units"
    slide = "more hidden nodes: a more sophisticated decision boundary"
    return [
        claim(
            "O6",
            f"training loss {where}",
            all(a > b for a, b in itertools.pairwise(losses)),
            [round(float(loss), 4) for loss in losses],
            slide=slide,
            reason="two spirals, 400 points, one tanh layer, 1,500 updates, best of three starts",
        ),
        claim(
            "O6",
            f"share of the training points on the right side {where}",
            reached[0] < 0.8 < 0.98 < reached[-1],
            reached,
            slide=slide,
            reason="the loss is what is trained, and falls with every width; the share need not",
        ),
    ]


def _parameters(network: MLP) -> Row:
    return claim(
        "O6",
        "parameters with d = 2 inputs, p = 32 hidden units, one output",
        count_parameters(network) == (2 + 1) * 32 + 32 + 1,
        count_parameters(network),
        slide="y = Σ_{j=0..p} w_j g(Σ_{i=0..d} w_ji x_i)",
        reason="index 0 is the bias; by hand (d + 1) p + (p + 1) = 129",
    )


def _linear() -> Row:
    """The network's output against the printed double sum, written out."""
    torch.manual_seed(0)
    network, x = MLP(3, 1, hidden=(5,), activation="sigmoid").double(), [0.3, -1.2, 0.8]
    first, last = network.features[0], network.head
    assert isinstance(first, nn.Linear)
    y = last.bias[0].item()
    for j in range(5):
        a = first.bias[j].item() + sum(first.weight[j, i].item() * x[i] for i in range(3))
        y += last.weight[0, j].item() / (1 + math.exp(-a))
    gap = abs(network(torch.tensor([x], dtype=torch.float64)).item() - y)
    return claim(
        "O6",
        "linear output, 3 inputs, 5 sigmoid units: difference of the network from the double sum",
        gap < 1e-12,
        f"{gap:.1e}",
        slide="y = Σ_{j=0..p} w_j g(Σ_{i=0..d} w_ji x_i)",
        reason="for regression; random weights",
    )


def _softmax() -> Row:
    torch.manual_seed(0)
    outputs = MLP(3, 4, hidden=(5,)).double()(torch.tensor([[0.3, -1.2, 0.8]]).double())
    chances = OBJECTIVES["cross_entropy"].decode(outputs).detach()[0]
    raw = [math.exp(value) for value in outputs[0].tolist()]
    gap = max(abs(p - r / sum(raw)) for p, r in zip(chances.tolist(), raw, strict=True))
    return claim(
        "O6",
        "softmax output, 4 classes: sum of probabilities, and difference from exp(a) / Σ exp(a)",
        gap < 1e-12,
        f"{chances.sum().item():.6f}, {gap:.1e}",
        reason="for classification; random weights",
    )


def percent(share: float) -> str:
    """In percent, 100 only where it is all."""
    return f"{100 * share:.3g} %"


def _figure(networks: list[MLP], reached: list[float]) -> Figure:
    def draw(canvas: Canvas) -> None:
        points, labels = spiral_points()
        all_axes = canvas.subplots(2, 3).ravel()
        for axes, width, network, share in zip(
            all_axes, WIDTHS, networks, reached, strict=False
        ):  # one is left
            units = "1 unit" if width == 1 else f"{width} units"
            draw_boundary(axes, network, 2 * points, labels, f"{units}: {percent(share)}", size=7.0)
        all_axes[-1].set_visible(False)

    return Figure(
        "O6_capacity",
        "More hidden units, a more complex boundary",
        "Two spirals learned by one layer of tanh units; the share of training points on the "
        "right side.",
        draw,
        (15.0, 9.5),
    )
