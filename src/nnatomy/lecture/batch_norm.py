"""P6: batch normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, out_of_reach
from nnatomy.models.mlp import MLP
from nnatomy.nn.normalization import batch_norm_test, batch_norm_training, running_averages, whiten
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SEEDS = 3
_SETTINGS = Settings(epochs=12, batch_size=64, lr=0.05, optimizer="sgd", device="cpu")
PRINTED_STEPS = {"Inception": 31.0, "BN-Baseline": 13.3, "BN-x5": 2.1, "BN-x30": 2.7}
PRINTED_ACCURACY = {
    "Inception": 72.2,
    "BN-Baseline": 72.7,
    "BN-x5": 73.0,
    "BN-x30": 74.8,
    "BN-x5-Sigmoid": 69.8,
}


def batches() -> list[Tensor]:
    """Twenty batches of 16 records with three correlated features."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]]).double()
    return [torch.randn(16, 3, generator=generator).double() @ mix + 5 for _ in range(20)]


def batch_norm() -> Experiment:
    """The algorithm against PyTorch's, whitening, the effect, and the printed table."""
    groups = _sessions()
    rows = [*_algorithm(), _whitening(), _effect(groups), *_printed_table()]
    return Experiment(rows, [_figure(groups)])


def _algorithm() -> list[Row]:
    layer = nn.BatchNorm1d(3).double()
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    gap = 0.0
    for x in batches():
        done = batch_norm_training(x, layer.weight, layer.bias)
        gap = max(gap, (done.values - layer(x)).abs().max().item())
        mean, variance = running_averages(mean, variance, done)
    layer.eval()
    x = batches()[0]
    ours = batch_norm_test(x, layer.weight, layer.bias, mean, variance)
    test_gap = (ours - layer(x)).abs().max().item()
    return [
        claim(
            "P6",
            "the printed algorithm in training: largest difference from torch.nn.BatchNorm1d",
            gap < 1e-9,
            f"{gap:.1e}",
            slide="μ, σ², x̂, y = γ x̂ + β",
        ),
        Row(
            "P6",
            "at test time: largest difference from torch.nn.BatchNorm1d.eval()",
            "a weighted average of gamma and beta",
            f"{test_gap:.1e}",
            "erratum" if test_gap < 1e-9 else "not reproducible here",
            "averaged over the batches are mean and variance; γ and β are learned, and the same in "
            "training and test (Ioffe and Szegedy 2015, algorithm 2)",
        ),
    ]


def _whitening() -> Row:
    x = torch.cat(batches())
    covariance = torch.cov(whiten(x).T)
    gap = (covariance - torch.eye(3)).abs().max().item()
    return claim(
        "P6",
        "whitening: largest difference of the covariance from the identity",
        gap < 1e-9,
        f"{gap:.1e}",
        slide="no correlation, variance 1",
        reason="costs an eigendecomposition of the covariance, O(d³), for each batch",
    )


def _sessions() -> tuple[list[Session], list[Session]]:
    """Four hidden sigmoid layers without and with normalization before the non-linearity."""
    train, valid = digit_samples(1000, 500)
    networks = []
    for normalized in (False, True):
        for seed in range(_SEEDS):
            torch.manual_seed(seed)
            networks.append(
                MLP(64, 10, hidden=(32,) * 4, activation="sigmoid", batch_norm=normalized)
            )
    sessions = fit_many(networks, train, valid, settings=[_SETTINGS] * len(networks))
    return sessions[:_SEEDS], sessions[_SEEDS:]


def _effect(groups: tuple[list[Session], list[Session]]) -> Row:
    scores = [float(np.mean([s.history[-1]["valid_score"] for s in group])) for group in groups]
    return claim(
        "P6",
        "accuracy on 500 digits after 12 epochs: four sigmoid layers without, and with it",
        scores[1] > scores[0] + 0.3,
        [round(score, 3) for score in scores],
        slide="training is faster, performance is improved",
        reason="1,000 digits to learn from, plain descent, mean of three starts",
    )


def _printed_table() -> list[Row]:
    reason = "trained on 1.2 million ImageNet photographs for millions of steps"
    steps = [
        out_of_reach("P6", f"{name}: million steps to 72.2 %", value, reason)
        for name, value in PRINTED_STEPS.items()
    ]
    accuracy = [
        out_of_reach("P6", f"{name}: highest accuracy in percent", value, reason)
        for name, value in PRINTED_ACCURACY.items()
    ]
    return steps + accuracy


def _figure(groups: tuple[list[Session], list[Session]]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends

        axes, ends = canvas.subplots(), []
        for group, name, color in zip(groups, ("without", "with"), (ORANGE, BLUE), strict=True):
            curves = np.array([s.history.column("valid_score") for s in group])
            epochs = np.arange(1, curves.shape[1] + 1)
            axes.plot(epochs, curves.T, color=color, alpha=0.3, linewidth=1.5)
            axes.plot(epochs, curves.mean(0), color=color)
            ends.append((epochs[-1], float(curves.mean(0)[-1]), name, color))
        axes.set(xlabel="epoch", ylabel="accuracy, digits held out", xlim=(1, 12), ylim=(0, 1))
        label_ends(axes, ends)

    return Figure(
        "P6_batch_normalization",
        "With batch normalization the deep sigmoid network learns",
        "Four hidden layers of 32 sigmoid units, 1,000 digits, plain descent; three starts each "
        "and their mean.",
        draw,
    )
