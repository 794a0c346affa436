"""O6: more hidden units, a more complex boundary."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.samples import TensorSamples
from nnatomy.data.toy import spirals
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import accuracy_of, draw_boundary, points_of
from nnatomy.lecture.row import claim
from nnatomy.models.mlp import MLP
from nnatomy.models.summary import count_parameters
from nnatomy.training.many import fit_many
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
    where = f"with {', '.join(map(str, WIDTHS))} hidden units"
    rows = [
        claim(
            "O6",
            f"training loss {where}",
            all(a > b for a, b in itertools.pairwise(losses.min(1))),
            [round(float(loss), 4) for loss in losses.min(1)],
            slide="more hidden units, more complex boundary",
            reason="two spirals, 400 points, one tanh layer, 1,500 updates, best of three starts",
        ),
        claim(
            "O6",
            f"share of the training points on the right side {where}",
            reached[0] < 0.8 < 0.98 < reached[-1],
            reached,
            slide="more hidden units, more complex boundary",
            reason="the loss is what is trained, and falls with every width; the share need not",
        ),
        claim(
            "O6",
            "parameters with d = 2 inputs, p = 32 hidden units, one output",
            count_parameters(best[-1]) == (2 + 1) * 32 + 32 + 1,
            count_parameters(best[-1]),
            slide="y = Σ_p w_p g(Σ_d w_pd x_d), each sum with a bias",
            reason="by hand (d + 1) p + (p + 1) = 129",
        ),
    ]
    return Experiment(rows, [_figure(best, reached)])


def _figure(networks: list[MLP], reached: list[float]) -> Figure:
    def draw(canvas: Canvas) -> None:
        points, labels = spiral_points()
        all_axes = canvas.subplots(1, len(WIDTHS))
        for axes, width, network, share in zip(all_axes, WIDTHS, networks, reached, strict=True):
            units = "1 unit" if width == 1 else f"{width} units"
            draw_boundary(axes, network, 2 * points, labels, f"{units}: {share:.0%}")

    return Figure(
        "O6_capacity",
        "More hidden units, a more complex boundary",
        "Two spirals learned by one layer of tanh units; the share of training points on the "
        "right side.",
        draw,
        (20.0, 5.2),
    )
