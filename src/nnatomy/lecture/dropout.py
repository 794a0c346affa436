"""O15 and O16: too much capacity for too few examples, and dropout."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.samples import TensorSamples
from nnatomy.data.toy import moons
from nnatomy.lecture.curves import columns, draw_starts, last, lower_in
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import points_of
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SEEDS = 5
_SMALL, _LARGE = 8, 256
_SETTINGS = Settings(epochs=400, batch_size=None, lr=0.005, device="cpu")


def few_noisy_points() -> tuple[TensorSamples, TensorSamples]:
    """80 points of two moons with much noise to learn from, 1,000 to judge by."""
    parts = []
    for count, seed in ((80, 3), (1000, 4)):
        frame = moons(count, noise=0.35, seed=seed)
        parts.append(TensorSamples(*points_of(frame)))
    return parts[0], parts[1]


@functools.cache
def sessions_of(width: int, dropout: float) -> list[Session]:
    """Networks with two hidden layers of that width, five starts.

    Both items look at the large ones without dropout.
    """
    train, valid = few_noisy_points()
    networks, settings = [], []
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        hidden = (width, width)
        networks.append(MLP(2, 2, hidden=hidden, dropout=dropout, init="he_normal"))
        settings.append(replace(_SETTINGS, seed=seed))
    return fit_many(networks, train, valid, settings=settings)


def overfitting() -> Experiment:
    """A small and a large network on 80 noisy points."""
    small, large = sessions_of(_SMALL, 0.0), sessions_of(_LARGE, 0.0)
    groups = {f"2 × {_SMALL} units": small, f"2 × {_LARGE} units": large}
    title = "A large network learns its 80 points by heart"
    return Experiment(
        [_by_heart(small, large), _held_out(small, large), _on_the_way(large)],
        [_figure("O15_overfitting", title, groups)],
    )


def _by_heart(small: list[Session], large: list[Session]) -> Row:
    ends = [last(group, "loss") for group in (small, large)]
    return claim(
        "O15",
        f"training loss on 80 points: 2 × {_SMALL} units, and 2 × {_LARGE}",
        bool((ends[1] < ends[0]).all() and ends[1].max() < 0.01),
        [round(float(end.mean()), 3) for end in ends],
        slide="more hidden nodes: can find an arbitrary decision boundary",
        reason=f"400 updates, mean over starts; the large one's is {lower_in(ends[1], ends[0])}",
    )


def _held_out(small: list[Session], large: list[Session]) -> Row:
    losses = [last(group, "valid_loss") for group in (small, large)]
    scores = [last(group, "valid_score") for group in (small, large)]
    better = int((scores[0] > scores[1]).sum())
    return claim(
        "O15",
        f"loss on 1,000 other points: 2 × {_SMALL} units, and 2 × {_LARGE}",
        bool((losses[0] < losses[1]).all()),
        [round(float(loss.mean()), 3) for loss in losses],
        slide="not a desired property when training examples are not sufficient",
        reason=f"the small one's is {lower_in(losses[0], losses[1])}; their accuracies are "
        f"{scores[0].mean():.3f} and {scores[1].mean():.3f}, the small one's higher in {better}",
    )


def _on_the_way(large: list[Session]) -> Row:
    curves = columns(large, "valid_loss")
    best, end = curves.min(1), curves[:, -1]
    return claim(
        "O15",
        "the large network's validation loss: lowest on the way, and at the end",
        bool((best < end).all()),
        [round(float(value.mean()), 3) for value in (best, end)],
        reason="what early stopping would have kept is the lower one; mean of five starts",
    )


def dropout() -> Experiment:
    """The large network with half of its units silenced at random in each step."""
    without, with_it = sessions_of(_LARGE, 0.0), sessions_of(_LARGE, 0.5)
    groups = {"without dropout": without, "dropout 0.5": with_it}
    title = "Dropout slows overfitting down; it does not end it"
    rows = [_gap(without, with_it), _end(without, with_it), _best(without, with_it)]
    return Experiment(rows, [_figure("O16_dropout", title, groups)])


def _compared(what: str, pairs: list[NDArray[np.float64]], reason: str = "") -> Row:
    return claim(
        "O16",
        f"{what}: without dropout, and with 0.5",
        bool(pairs[1].mean() < pairs[0].mean()),
        [round(float(value.mean()), 3) for value in pairs],
        slide="overfitting; solution: drop-out",
        reason=f"mean over starts, {lower_in(pairs[1], pairs[0])}{reason}",
    )


def _gap(without: list[Session], with_it: list[Session]) -> Row:
    gaps = [last(group, "valid_loss") - last(group, "loss") for group in (without, with_it)]
    reason = "; the training loss is taken with the units silenced"
    return _compared("validation loss minus training loss at the end", gaps, reason)


def _end(without: list[Session], with_it: list[Session]) -> Row:
    ends = [last(group, "valid_loss") for group in (without, with_it)]
    return _compared("validation loss at the end", ends)


def _best(without: list[Session], with_it: list[Session]) -> Row:
    lowest = [columns(group, "valid_loss").min(1) for group in (without, with_it)]
    return _compared("validation loss at each run's own best epoch", lowest)


def _figure(name: str, title: str, groups: dict[str, list[Session]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends

        all_axes = canvas.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        highest = max(columns(sessions, "valid_loss").max() for sessions in groups.values())
        for axes, (group, sessions) in zip(all_axes, groups.items(), strict=True):
            axes.set(title=group, xlabel="epoch", xlim=(0, _SETTINGS.epochs), ylim=(0, highest))
            label_ends(
                axes,
                [
                    draw_starts(axes, columns(sessions, "loss"), "train", BLUE),
                    draw_starts(axes, columns(sessions, "valid_loss"), "valid", ORANGE),
                ],
            )
        all_axes[0].set_ylabel("loss")

    return Figure(
        name,
        title,
        "Two moons with much noise: 80 points to learn from, 1,000 to judge by; five starts and "
        "their mean.",
        draw,
    )
