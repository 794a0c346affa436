"""P6: batch normalization."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nnatomy.lecture.curves import columns, draw_starts, last
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
RATES = (0.05, 0.5, 2.0, 5.0, 10.0)
_SETTINGS = Settings(epochs=12, batch_size=64, optimizer="sgd", device="cpu")
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
    rows = [*_algorithm(), _whitening(), _effect(), *_printed_table()]
    return Experiment(rows, [_figure()])


def _algorithm() -> list[Row]:
    layer = nn.BatchNorm1d(3).double()
    gap = 0.0
    for x in batches():
        done = batch_norm_training(x, layer.weight, layer.bias)
        gap = max(gap, (done.values - layer(x)).abs().max().item())
    return [
        claim(
            "P6",
            "the printed algorithm in training: largest difference from torch.nn.BatchNorm1d",
            gap < 1e-9,
            f"{gap:.1e}",
            slide="μ, σ², x̂, y = γ x̂ + β",
        ),
        _test_time(),
    ]


def test_time_errors() -> list[float]:
    """Largest differences from PyTorch's layer in use: three readings of what is averaged.

    γ and β move while the batches pass, as they do when they are learned. In use the layer takes
    the last γ and β, and running averages of mean and variance; the others are those averages with
    averaged γ and β, and the last γ and β with the mean and variance of the batch at hand.
    """
    generator = torch.Generator().manual_seed(1)
    layer = nn.BatchNorm1d(3).double()
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    gamma, beta = torch.ones(3).double(), torch.zeros(3).double()
    for x in batches():
        with torch.no_grad():
            layer.weight.add_(torch.randn(3, generator=generator), alpha=0.1)
            layer.bias.add_(torch.randn(3, generator=generator), alpha=0.1)
            layer(x)
        done = batch_norm_training(x, layer.weight, layer.bias)
        mean, variance = running_averages(mean, variance, done)
        gamma, beta = 0.9 * gamma + 0.1 * layer.weight, 0.9 * beta + 0.1 * layer.bias
    layer.eval()
    x = batches()[0]
    readings = [
        batch_norm_test(x, layer.weight, layer.bias, mean, variance),
        batch_norm_test(x, gamma, beta, mean, variance),
        batch_norm_training(x, layer.weight, layer.bias).values,
    ]
    return [(values - layer(x)).abs().max().item() for values in readings]


def _test_time() -> Row:
    errors = test_time_errors()
    return Row(
        "P6",
        "at test time: largest difference from torch.nn.BatchNorm1d.eval() with averaged mean and "
        "variance, with averaged γ and β besides, with the batch's own mean and variance",
        "use a weighted average of gamma and beta of mini-batches",
        [float(f"{error:.2g}") for error in errors],
        "erratum" if errors[0] < 1e-9 < 1e-3 < min(errors[1:]) else "not reproducible here",
        "averaged over the batches are mean and variance; γ and β are learned, and the same in "
        "training and test (Ioffe and Szegedy 2015, algorithm 2)",
    )


def _whitening() -> Row:
    x = torch.cat(batches())
    covariance = torch.cov(whiten(x).T)
    gap = (covariance - torch.eye(3)).abs().max().item()
    return claim(
        "P6",
        "whitening: largest difference of the covariance from the identity",
        gap < 1e-9,
        f"{gap:.1e}",
        slide="remove the correlation of input features, set the variance to 1",
        reason="costs an eigendecomposition of the covariance, O(d³), for each batch",
    )


@functools.cache
def sessions_at(rate: float, normalized: bool) -> list[Session]:
    """Four hidden sigmoid layers, without or with normalization before the non-linearity."""
    train, valid = digit_samples(1000, 500)
    networks = []
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        networks.append(MLP(64, 10, hidden=(32,) * 4, activation="sigmoid", batch_norm=normalized))
    settings = [replace(_SETTINGS, lr=rate, seed=seed) for seed in range(_SEEDS)]
    return fit_many(networks, train, valid, settings=settings)


def best_rate(normalized: bool) -> float:
    """The rate with the highest mean accuracy at the end."""
    runs = {rate: sessions_at(rate, normalized) for rate in RATES}
    return max(RATES, key=lambda rate: float(last(runs[rate], "valid_score").mean()))


def _effect() -> Row:
    rates = [best_rate(normalized) for normalized in (False, True)]
    groups = [sessions_at(rates[0], False), sessions_at(rates[1], True)]
    scores = [last(group, "valid_score") for group in groups]
    return claim(
        "P6",
        "accuracy on 500 digits after 12 epochs, each at its best rate: four sigmoid layers "
        "without, and with it",
        bool(scores[1].min() > scores[0].max()),
        [round(float(score.mean()), 3) for score in scores],
        slide="training is faster, performance is also improved",
        reason="1,000 digits to learn from, plain descent, mean of three starts; rates "
        + ", ".join(f"{rate:g}" for rate in RATES)
        + f", the best being {rates[0]:g} and {rates[1]:g}; after 12 epochs this shows the speed, "
        "not what either would reach in the end",
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


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends, whole_ticks

        axes, ends = canvas.subplots(), []
        for normalized, name, color in ((False, "without", ORANGE), (True, "with", BLUE)):
            curves = columns(sessions_at(best_rate(normalized), normalized), "valid_score")
            ends.append(draw_starts(axes, curves, name, color))
        axes.set(xlabel="epoch", ylabel="accuracy, digits held out", xlim=(1, 12), ylim=(0, 1))
        whole_ticks(axes)
        label_ends(axes, ends)

    return Figure(
        "P6_batch_normalization",
        "With batch normalization the sigmoid network learns within 12 epochs",
        "Four hidden layers of 32 sigmoid units, 1,000 digits, plain descent, each at the best of "
        f"{len(RATES)} rates; three starts each and their mean.",
        draw,
    )
