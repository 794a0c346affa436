"""P5: regularization by L1 and L2."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.dropout import few_noisy_points
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SETTINGS = Settings(epochs=400, batch_size=None, lr=0.01, device="cpu")
PENALTIES: dict[str, dict[str, float]] = {"none": {}, "L1": {"l1": 0.5}, "L2": {"l2": 2.0}}
_SMALL = 1e-2


def penalized_step(l1: float, l2: float) -> list[float]:
    """Weights after one step of size 0.1 on a loss that is flat, so that only the penalty acts."""
    unit = nn.Linear(3, 1)
    with torch.no_grad():
        unit.weight.copy_(torch.tensor([[0.5, -2.0, 0.0]]))
        unit.bias.fill_(3.0)
    records = TensorSamples(torch.zeros(4, 3), torch.full((4, 1), 3.0))
    settings = Settings(epochs=1, batch_size=None, optimizer="sgd", lr=0.1, l1=l1, l2=l2)
    fit(unit, records, objective="squared", settings=settings)
    return [round(float(value), 6) for value in unit.weight.detach().flatten()]


def _by_hand(name: str, l1: float, l2: float, expected: list[float]) -> Row:
    found = penalized_step(l1, l2)
    return claim(
        "P5",
        f"one step of η = 0.1 from w = (½, -2, 0) under {name}, λ = 0.8, m = 4, flat loss",
        bool(np.allclose(found, expected, atol=1e-6)),
        found,
        slide="λ/2m Σ |w|" if l1 else "λ/2m Σ w²",
        reason=f"by hand {expected}",
    )


def trained() -> dict[str, Session]:
    """One network of 2 × 64 units on 80 noisy points under each penalty."""
    train, valid = few_noisy_points()
    networks = []
    for _ in PENALTIES:
        torch.manual_seed(0)
        networks.append(MLP(2, 2, hidden=(64, 64), init="he_normal"))
    settings = [replace(_SETTINGS, **own) for own in PENALTIES.values()]  # type: ignore[arg-type]
    return dict(zip(PENALTIES, fit_many(networks, train, valid, settings=settings), strict=True))


def _weights(session: Session) -> torch.Tensor:
    matrices = [p.detach() for p in session.last_weights().values() if p.dim() == 2]
    return torch.cat([matrix.flatten() for matrix in matrices])


def penalties() -> Experiment:
    """The printed penalties by hand, and what they do to weights and to validation loss."""
    sessions = trained()
    weights = {name: _weights(session) for name, session in sessions.items()}
    near_zero = [float((w.abs() < _SMALL).float().mean()) for w in weights.values()]
    lengths = [float(w.norm()) for w in weights.values()]
    ends = [float(session.history[-1]["valid_loss"]) for session in sessions.values()]
    order = ", ".join(PENALTIES)
    return Experiment(
        [
            _by_hand("L1", 0.8, 0.0, [0.49, -1.99, 0.0]),
            _by_hand("L2", 0.0, 0.8, [0.49, -1.96, 0.0]),
            claim(
                "P5",
                f"share of weights within ±0.01 after training: {order}",
                near_zero[1] > near_zero[2] > near_zero[0],
                [round(value, 3) for value in near_zero],
                slide="λ/2m Σ |w|",
                reason="80 noisy points, 2 × 64 units, 400 updates, λ = 0.5 (L1) and 2 (L2)",
            ),
            claim(
                "P5",
                f"length of all weights after training: {order}",
                lengths[2] < lengths[0],
                [round(value, 2) for value in lengths],
                slide="λ/2m Σ w²",
            ),
            claim(
                "P5",
                f"validation loss at the end: {order}",
                ends[1] < ends[0] and ends[2] < ends[0],
                [round(value, 3) for value in ends],
                slide="avoid overfitting",
            ),
        ],
        [_figure(weights)],
    )


def _figure(weights: dict[str, torch.Tensor]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE

        all_axes = canvas.subplots(1, len(weights), sharex=True, sharey=True)
        for axes, (name, values) in zip(all_axes, weights.items(), strict=True):
            axes.hist(values.numpy(), bins=np.linspace(-0.5, 0.5, 81), color=BLUE)
            axes.set(title=f"penalty: {name}", xlabel="weight", yscale="log")
        all_axes[0].set_ylabel("weights")

    return Figure(
        "P5_penalties",
        "L1 sets weights to zero, L2 makes all of them smaller",
        "Weights of a network of 2 × 64 units after 400 updates on 80 noisy points.",
        draw,
        (16.0, 6.0),
    )
