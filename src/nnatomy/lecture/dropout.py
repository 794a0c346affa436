"""O15 and O16: too much capacity for too few examples, and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from nnatomy.data.samples import TensorSamples
from nnatomy.data.toy import moons
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import points_of
from nnatomy.lecture.row import claim
from nnatomy.models.mlp import MLP
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SEEDS = 5
_SETTINGS = Settings(epochs=400, batch_size=None, lr=0.005, device="cpu")


def few_noisy_points() -> tuple[TensorSamples, TensorSamples]:
    """80 points of two moons with much noise to learn from, 1,000 to judge by."""
    parts = []
    for count, seed in ((80, 3), (1000, 4)):
        frame = moons(count, noise=0.35, seed=seed)
        parts.append(TensorSamples(*points_of(frame)))
    return parts[0], parts[1]


def _sessions(width: int, dropout: float) -> list[Session]:
    train, valid = few_noisy_points()
    networks, settings = [], []
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        hidden = (width, width)
        networks.append(MLP(2, 2, hidden=hidden, dropout=dropout, init="he_normal"))
        settings.append(Settings(**{**vars(_SETTINGS), "seed": seed}))
    return fit_many(networks, train, valid, settings=settings)


def _at_end(sessions: list[Session]) -> tuple[float, float]:
    """Mean training and validation loss in the last epoch."""
    rows = [session.history[-1] for session in sessions]
    return (
        float(np.mean([row["loss"] for row in rows])),
        float(np.mean([row["valid_loss"] for row in rows])),
    )


def overfitting() -> Experiment:
    """A small and a large network on 80 noisy points."""
    small, large = _sessions(2, 0.0), _sessions(256, 0.0)
    small_end, large_end = _at_end(small), _at_end(large)
    best = float(np.mean([min(s.history.column("valid_loss")) for s in large]))
    return Experiment(
        [
            claim(
                "O15",
                "2 × 256 units on 80 points: loss on them, and on 1,000 others",
                large_end[1] > 2 * large_end[0] and large_end[0] < small_end[0],
                [round(value, 3) for value in large_end],
                slide="any boundary can be found: not desired",
                reason=f"2 × 2 units: {small_end[0]:.3f}, {small_end[1]:.3f}; mean of five starts",
            ),
            claim(
                "O15",
                "the large network's validation loss: lowest on the way, and at the end",
                large_end[1] > 1.2 * best,
                [round(best, 3), round(large_end[1], 3)],
                slide="need the simple boundary",
                reason="what early stopping would have kept is the lower one",
            ),
        ],
        [
            _figure(
                "O15_overfitting",
                "A large network learns its 80 points by heart",
                {"2 × 2 units": small, "2 × 256 units": large},
            )
        ],
    )


def dropout() -> Experiment:
    """The large network with half of its units silenced at random in each step."""
    without, with_it = _sessions(256, 0.0), _sessions(256, 0.5)
    plain, dropped = _at_end(without), _at_end(with_it)
    gaps = [plain[1] - plain[0], dropped[1] - dropped[0]]
    lowest = np.array(
        [[min(s.history.column("valid_loss")) for s in g] for g in (without, with_it)]
    )
    better = int((lowest[1] < lowest[0]).sum())
    return Experiment(
        [
            claim(
                "O16",
                "validation loss minus training loss at the end: without dropout, and with 0.5",
                gaps[1] < gaps[0],
                [round(gap, 3) for gap in gaps],
                slide="remedy for overfitting",
                reason="the training loss is taken with the units silenced; mean of five starts",
            ),
            claim(
                "O16",
                "validation loss at the end: without dropout, and with 0.5",
                dropped[1] < plain[1],
                [round(plain[1], 3), round(dropped[1], 3)],
                slide="remedy for overfitting",
            ),
            claim(
                "O16",
                "validation loss at each run's own best epoch: without dropout, and with 0.5",
                bool(lowest[1].mean() < lowest[0].mean()),
                [round(float(value), 3) for value in lowest.mean(1)],
                slide="remedy for overfitting",
                reason=f"lower in {better} of {_SEEDS} starts; stopping early gains most of it",
            ),
        ],
        [
            _figure(
                "O16_dropout",
                "Dropout slows overfitting down; it does not end it",
                {"without dropout": without, "dropout 0.5": with_it},
            )
        ],
    )


def _figure(name: str, title: str, groups: dict[str, list[Session]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends

        all_axes = canvas.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        for axes, (group, sessions) in zip(all_axes, groups.items(), strict=True):
            ends = []
            for key, word, color in (("loss", "train", BLUE), ("valid_loss", "valid", ORANGE)):
                curves = np.array([s.history.column(key) for s in sessions])
                axes.plot(curves.T, color=color, alpha=0.25, linewidth=1.2)
                axes.plot(curves.mean(0), color=color)
                ends.append((curves.shape[1], curves.mean(0)[-1], word, color))
            axes.set(title=group, xlabel="epoch", xlim=(0, curves.shape[1]))
            axes.set_ylim(
                0, max(max(s.history.column("valid_loss")) for g in groups.values() for s in g)
            )
            label_ends(axes, ends)
        all_axes[0].set_ylabel("loss")

    return Figure(
        name,
        title,
        "Two moons with much noise: 80 points to learn from, 1,000 to judge by; five starts and "
        "their mean.",
        draw,
    )
