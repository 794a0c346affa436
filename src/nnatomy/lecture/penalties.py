"""P5: regularization by L1 and L2."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.curves import lower_in
from nnatomy.lecture.dropout import few_noisy_points
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SEEDS = 3
# Plain gradients with a rate that falls to zero: an adaptive rule takes steps of about its rate
# however small the gradient is, and so keeps weights from coming closer to zero than that.
_SETTINGS = Settings(
    epochs=3000, batch_size=None, lr=0.05, optimizer="momentum", schedule="cosine", device="cpu"
)
# With these two λ both networks fit their records about equally well.
PENALTIES: dict[str, dict[str, float]] = {"none": {}, "L1": {"l1": 1.0}, "L2": {"l2": 1.0}}
THRESHOLDS = (1e-2, 1e-4, 1e-6)


def penalized(l1: float, l2: float, batch: int | None = None) -> list[float]:
    """Weights after one pass of four records whose loss is flat, so that only the penalty acts."""
    unit = nn.Linear(3, 1)
    with torch.no_grad():
        unit.weight.copy_(torch.tensor([[0.5, -2.0, 0.0]]))
        unit.bias.fill_(3.0)
    records = TensorSamples(torch.zeros(4, 3), torch.full((4, 1), 3.0))
    settings = Settings(epochs=1, batch_size=batch, optimizer="sgd", lr=0.1, l1=l1, l2=l2)
    fit(unit, records, objective="squared", settings=settings)
    return [round(float(value), 6) for value in unit.weight.detach().flatten()]


def _by_hand() -> list[Row]:
    rows = []
    for name, l1, l2, slide, expected in (
        ("L1", 0.8, 0.0, "λ/2m Σ |w|", [0.49, -1.99, 0.0]),
        ("L2", 0.0, 0.8, "λ/2m Σ w²", [0.49, -1.96, 0.0]),
    ):
        found = penalized(l1, l2)
        rows.append(
            claim(
                "P5",
                f"one step of η = 0.1 from w = (½, -2, 0) under {name}, λ = 0.8, all m = 4 "
                "records at once, flat loss",
                bool(np.allclose(found, expected, atol=1e-6)),
                found,
                slide=slide,
                reason=f"by hand {expected}",
            )
        )
    return [*rows, _batches()]


def _batches() -> Row:
    found = penalized(0.8, 0.0, batch=2)
    return claim(
        "P5",
        "the same under L1 in two steps, batches of 2 of the 4 records",
        bool(np.allclose(found, [0.46, -1.96, 0.0], atol=1e-6)),
        found,
        reason="a deviation: the slide's m is the number of training examples, 4, which gives "
        "[0.48, -1.98, 0]; here m is the number of records of the batch, 2, as in scikit-learn's "
        "MLP, which by hand gives [0.46, -1.96, 0]",
    )


def trained() -> dict[str, list[Session]]:
    """Networks of 2 × 32 units on 80 noisy points under each penalty, three starts each."""
    train, _ = few_noisy_points()
    networks, settings = [], []
    for own in PENALTIES.values():
        for seed in range(_SEEDS):
            torch.manual_seed(seed)
            networks.append(MLP(2, 2, hidden=(32, 32), init="he_normal"))
            settings.append(replace(_SETTINGS, **own))  # type: ignore[arg-type]
    sessions = fit_many(networks, train, settings=settings)
    return {name: sessions[i * _SEEDS : (i + 1) * _SEEDS] for i, name in enumerate(PENALTIES)}


def weights_of(sessions: list[Session]) -> NDArray[np.float64]:
    """All weights but the biases, (starts, weights)."""
    found = []
    for session in sessions:
        matrices = [p.detach() for p in session.last_weights().values() if p.dim() == 2]
        found.append(torch.cat([matrix.flatten() for matrix in matrices]).double().numpy())
    return np.array(found)


def penalties() -> Experiment:
    """The printed penalties by hand, and what they do to weights and to validation loss."""
    sessions = trained()
    weights = {name: weights_of(group) for name, group in sessions.items()}
    rows = [*_by_hand(), *_sizes(weights), _validation(sessions)]
    return Experiment(rows, [_figure(weights)])


def _sizes(weights: dict[str, NDArray[np.float64]]) -> list[Row]:
    order = ", ".join(PENALTIES)
    below = np.array([[(abs(w) < t).mean() for t in THRESHOLDS] for w in weights.values()])
    sums = [abs(w).sum(1).mean() for w in weights.values()]
    lengths = [np.linalg.norm(w, axis=1).mean() for w in weights.values()]
    return [
        claim(
            "P5",
            f"share of weights below 0.01, 0.0001 and 0.000001: {order}",
            # L1 makes zeros: the threshold does not matter. Under L2 it does.
            bool(below[1, 2] > 0.99 * below[1, 0] and below[2, 2] < 0.5 * below[2, 0]),
            " / ".join(", ".join(f"{v:.3f}" for v in row) for row in below),
            reason="80 noisy points, 2 × 32 units, 3,000 updates, mean of three starts, λ = 1, "
            "where L1 and L2 fit the points about equally; under L2 a weight that is of no use "
            "shrinks by a fixed share in each step and never is zero, so that more updates shift "
            "its counts",
        ),
        claim(
            "P5",
            f"Σ |w| of all weights, then the root of Σ w²: {order}",
            min(sums) == sums[1] and min(lengths) == lengths[2],
            " / ".join(", ".join(f"{float(v):.1f}" for v in row) for row in (sums, lengths)),
            reason="each penalty makes smallest what it counts; mean of three starts",
        ),
    ]


def _validation(sessions: dict[str, list[Session]]) -> Row:
    _, valid = few_noisy_points()
    ends = []
    for group in sessions.values():
        with torch.no_grad():
            outputs = [session.network(valid.inputs.float()) for session in group]
        loss = OBJECTIVES["cross_entropy"].loss
        ends.append([loss(output, valid.targets, None).item() for output in outputs])
    none, l1, l2 = np.array(ends)
    fits = [np.mean([s.history[-1]["loss"] for s in group]) for group in sessions.values()]
    return claim(
        "P5",
        f"loss on 1,000 points held out: {', '.join(PENALTIES)}",
        bool((l1 < none).all() and (l2 < none).all()),
        [round(float(end.mean()), 3) for end in (none, l1, l2)],
        slide="avoid overfitting",
        reason=f"L1's is {lower_in(l1, none)}, L2's is {lower_in(l2, none)}; "
        "the training losses are " + ", ".join(f"{value:.3f}" for value in fits),
    )


def _figure(weights: dict[str, NDArray[np.float64]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE

        axes = canvas.subplots()
        places = {"none": 0.2, "L1": 1e-4, "L2": 3e-3}
        for (name, values), color in zip(weights.items(), (DARK, ORANGE, BLUE), strict=True):
            sizes = np.sort(abs(values).ravel())
            share = np.arange(1, len(sizes) + 1) / len(sizes)
            axes.semilogx(np.maximum(sizes, 1e-8), share, color=color)
            height = float((sizes < places[name]).mean())
            axes.text(places[name] / 1.3, height + 0.02, name, color=color, ha="right")
        axes.set(xlabel="size", ylabel="share of the weights below it", ylim=(0, 1.08))
        axes.set_xlim(1e-8, 10)

    return Figure(
        "P5_penalties",
        "At the same λ, L1 makes nearly all weights zero, L2 makes them small",
        "How many weights are smaller than a size: 2 × 32 units after 3,000 updates on 80 noisy "
        "points, λ = 1, three starts together; below 1e-8 at the left edge.",
        draw,
    )
