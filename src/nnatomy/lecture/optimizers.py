"""P4: batch, stochastic and mini-batch descent, and the update rules."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from nnatomy.lecture.curves import columns, draw_starts, last, lower_in
from nnatomy.lecture.descent import bound
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.printed_rules import START, STEPS, Vector, errata, valley, valley_slope
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.training.many import fit_many
from nnatomy.training.order import permutation
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.update_rules import path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

RULES = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
RATES = {
    "sgd": 0.09,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 1.0,
    "adadelta": 30.0,
    "rmsprop": 0.1,
    "adam": 0.4,
}
GRID = tuple(10.0 ** (k / 2) for k in range(-5, 4))
_SEEDS = 3
_SETTINGS = Settings(epochs=10, batch_size=64, device="cpu")


def regression(count: int = 64) -> tuple[Vector, Vector]:
    """Records of t = 1.5 x₁ - x₂ + noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 2)) * [1.0, 0.6]
    return x, x @ [1.5, -1.0] + 0.3 * random.normal(size=count)


def descend(batch: int, updates: int, rate: float = 0.15) -> Vector:
    """Weights after each update of least squares on batches of this size, from (-1, 1.5).

    Shape: (updates + 1, 2).
    """
    x, t = regression()
    w, weights, epoch = np.array([-1.0, 1.5]), [], 0
    weights.append(w)
    while len(weights) <= updates:
        order = permutation(len(x), 0, epoch).numpy()
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            w = w - rate * x[chosen].T @ (x[chosen] @ w - t[chosen]) / len(chosen)
            weights.append(w)
        epoch += 1
    return np.array(weights[: updates + 1])


def optimizers() -> Experiment:
    """Batch sizes, the bound on the rate, the slides' slips, paths and curves of every rule."""
    rows = [
        _batch_sizes(),
        bound("P4", "0 < η < 1", (20.0,), "20, the valley's"),
        *errata(),
        _same_task(),
    ]
    return Experiment(rows, [_batch_figure(), _paths_figure(), _curves_figure()])


def _batch_sizes() -> Row:
    x, t = regression()
    best = np.linalg.lstsq(x, t, rcond=None)[0]
    away = [
        float(np.linalg.norm(descend(size, 200)[-50:] - best, axis=1).mean()) for size in (64, 8, 1)
    ]
    return claim(
        "P4",
        "batch of 64, mini-batches of 8, single records: mean distance from the optimum, "
        "updates 151 to 200",
        away[0] < 1e-3 < away[1] < away[2],
        [float(f"{value:.2g}") for value in away],
        reason="least squares with two weights; the optimum is that of numpy.linalg.lstsq",
    )


@functools.cache
def sessions_at(rule: str) -> dict[float, list[Session]]:
    """Runs of a rule from three starts with every learning rate of the grid."""
    train, _ = digit_samples(1000, 1)
    networks, settings = [], []
    for rate in GRID:
        for seed in range(_SEEDS):
            torch.manual_seed(seed)
            networks.append(MLP(64, 10, hidden=(32,)))
            settings.append(replace(_SETTINGS, optimizer=rule, lr=rate, seed=seed))
    runs = fit_many(networks, train, settings=settings)
    return {rate: runs[i * _SEEDS : (i + 1) * _SEEDS] for i, rate in enumerate(GRID)}


def best_rate(rule: str) -> float:
    """The learning rate of the grid that ends with the lowest mean training loss."""
    runs = sessions_at(rule)
    return min(runs, key=lambda rate: float(last(runs[rate], "loss").mean()))


def _same_task() -> Row:
    rates = {rule: best_rate(rule) for rule in RULES}
    ends = {rule: last(sessions_at(rule)[rate], "loss") for rule, rate in rates.items()}
    lower = ("momentum", "nesterov", "adam")
    return claim(
        "P4",
        "training loss on digits after 10 epochs, each rule at its best rate: " + ", ".join(RULES),
        all(bool((ends[rule] < ends["sgd"]).all()) for rule in lower),
        ", ".join(f"{end.mean():.4f} ± {end.std(ddof=1):.4f}" for end in ends.values()),
        reason="against sgd, "
        + ", ".join(f"{rule} is {lower_in(ends[rule], ends['sgd'])}" for rule in lower)
        + "; mean and standard deviation; 1,000 digits, 32 ReLU units, batches of 64; best of nine "
        f"rates from {GRID[0]:.2g} to {GRID[-1]:.2g}: "
        + ", ".join(f"{rate:.2g}" for rate in rates.values()),
    )


def _contours(axes: Axes) -> None:
    grid = np.stack(np.meshgrid(np.linspace(-4.6, 1.6, 120), np.linspace(-2.6, 2.6, 120)), -1)
    levels = np.geomspace(0.05, 80, 12)
    axes.contour(grid[..., 0], grid[..., 1], valley(grid), levels, colors="#c8c8c8", linewidths=1)


def _paths_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, plain_ticks

        all_axes = canvas.subplots(2, 4, sharex=True, sharey=True).ravel()
        for axes, name in zip(all_axes, RULES, strict=False):
            steps = path(name, START, valley_slope, STEPS, lr=RATES[name])
            _contours(axes)
            axes.plot(*steps.T, color=BLUE)
            axes.plot(*steps[::10].T, "o", color=BLUE, markersize=6)
            axes.plot(0, 0, "+", color="black", markersize=16, markeredgewidth=2.5)
            axes.set(title=f"{name}, η = {RATES[name]:g}", xlim=(-4.6, 1.6), ylim=(-2.6, 2.6))
            plain_ticks(axes)
        all_axes[-1].set_visible(False)

    return Figure(
        "P4_paths",
        "One valley, seven ways down",
        "60 updates on f = ½ (w₁² + 20 w₂²) from (-4, 2); a dot every ten, + is the minimum.",
        draw,
        (18.0, 8.5),
    )


def _batch_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE

        x, t = regression()
        grid = np.stack(np.meshgrid(np.linspace(-1.4, 2.4, 80), np.linspace(-1.8, 1.8, 80)), -1)
        cost = 0.5 * ((grid @ x.T - t) ** 2).mean(-1)
        all_axes = canvas.subplots(1, 3, sharex=True, sharey=True)
        names = ("batch (all 64)", "mini-batch (8)", "stochastic (1)")
        for axes, size, name in zip(all_axes, (64, 8, 1), names, strict=True):
            axes.contour(grid[..., 0], grid[..., 1], cost, 14, colors="#c8c8c8", linewidths=1)
            axes.plot(*descend(size, 64).T, color=BLUE, linewidth=2)
            axes.set(title=name, xlabel="w₁", xlim=(-1.4, 2.4), ylim=(-1.8, 1.8))
        all_axes[0].set_ylabel("w₂")

    return Figure(
        "P4_batches",
        "The smaller the batch, the more the path trembles",
        "64 updates of least squares with two weights, learning rate 0.15.",
        draw,
        (16.0, 6.0),
    )


def _curves_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import SERIES, label_ends, whole_ticks

        axes, ends = canvas.subplots(), []
        for rule, color in zip(RULES, SERIES, strict=True):
            losses = columns(sessions_at(rule)[best_rate(rule)], "loss")
            ends.append(draw_starts(axes, losses, rule, color))
        axes.set(xlabel="epoch", ylabel="training loss", xlim=(1, 10), yscale="log")
        whole_ticks(axes)
        label_ends(axes, ends)

    return Figure(
        "P4_curves",
        "One task, seven rules, each at its best of nine learning rates",
        "Training loss on 1,000 digits, 32 ReLU units, mini-batches of 64; three starts each and "
        "their mean.",
        draw,
    )
