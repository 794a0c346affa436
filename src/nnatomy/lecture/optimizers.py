"""P4: batch, stochastic and mini-batch descent, and the update rules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
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

Vector = NDArray[np.float64]

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
START = np.array([-4.0, 2.0])
_GRID = (0.001, 0.01, 0.1)
_SETTINGS = Settings(epochs=10, batch_size=64, device="cpu")
_STEPS = 60


def valley(w: Vector) -> Vector:
    """f(w) = ½ (w₁² + 20 w₂²): twenty times as steep across as along."""
    values: Vector = 0.5 * (w[..., 0] ** 2 + 20 * w[..., 1] ** 2)
    return values


def valley_slope(w: Vector) -> Vector:
    """∇f(w) = (w₁, 20 w₂)."""
    slope: Vector = w * np.array([1.0, 20.0])
    return slope


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
    """Batch sizes, what the slips of the slides do, paths and curves of every rule."""
    sessions = _best_sessions()
    rows = [_batch_sizes(), *_errata(), _same_task(sessions)]
    return Experiment(rows, [_batch_figure(), _paths_figure(), _curves_figure(sessions)])


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
        slide="batch, mini-batch, stochastic",
        reason="least squares with two weights; the optimum is that of numpy.linalg.lstsq",
    )


def _errata() -> list[Row]:
    return [_momentum(), _adagrad(), _adadelta(), _rmsprop(), _adam()]


def _erratum(what: str, slide: str, correct: Vector, printed: Vector, reason: str) -> Row:
    """Both iterates after 60 steps in the valley; they must differ to make an erratum."""
    values = [f"({a:.5g}, {b:.5g})" for a, b in (correct, printed)]
    differ = bool(np.abs(correct - printed).max() > 1e-9 or not np.isfinite(printed).all())
    return Row(
        "P4",
        f"{what}: w after 60 steps in the valley, corrected and as printed",
        slide,
        ", ".join(values),
        "erratum" if differ else "agrees",
        reason,
    )


def _momentum() -> Row:
    correct = path("momentum", START, valley_slope, _STEPS, lr=0.02)[-1]
    w, v = START, np.zeros(2)
    for _ in range(_STEPS):
        v = 0.9 * v + 0.02 * valley_slope(w)
        w = w + v  # w_t = w_{t+1} - v_t, solved for the next weights
    return _erratum(
        "momentum",
        "w_t = w_{t+1} - v_t",
        correct,
        w,
        "the indices are exchanged: taken literally w_{t+1} = w_t + v_t climbs; right is "
        "w_{t+1} = w_t - v_t",
    )


def _adagrad() -> Row:
    correct = path("adagrad", START, valley_slope, _STEPS, lr=1.0)[-1]
    w, squares, v = START, np.zeros(2), np.zeros(2)
    for _ in range(_STEPS):
        g = valley_slope(w - 0.9 * v)
        squares = squares + g**2
        v = 1.0 / np.sqrt(squares + 1e-8) * g
        w = w - v
    return _erratum(
        "Adagrad",
        "g_t = ∇J(w_t - γ v_{t-1})",
        correct,
        w,
        "the gradient of NAG was left from the slide before; Adagrad takes it at w_t (Duchi et al. "
        "2011). As printed, v was read as the last step",
    )


def _adadelta() -> Row:
    correct = path("adadelta", START, valley_slope, _STEPS, lr=1.0)[-1]
    printed = _roots(_STEPS, lr=1.0, epsilon=1e-6, roots=1)
    twin = path("rmsprop", START, valley_slope, _STEPS, lr=1.0, epsilon=0.0)[-1]
    gap = float(np.abs(_roots(_STEPS, lr=1.0, epsilon=0.0, roots=1) - twin).max())
    return _erratum(
        "Adadelta",
        "w - η / sqrt(E[g²] + ε) g",
        correct,
        printed,
        "what is printed is RMSProp (with the same ε their iterates differ by "
        f"{gap:.0e}); Adadelta has the ratio RMS[Δw] / RMS[g] (Zeiler 2012)",
    )


def _roots(steps: int, *, lr: float, epsilon: float, roots: int) -> Vector:
    """w - η g / root(E + ε), the root taken once, or twice as in RMSProp's last printed line."""
    w, squares = START, np.zeros(2)
    for _ in range(steps):
        g = valley_slope(w)
        squares = 0.9 * squares + 0.1 * g**2
        w = w - lr * g / (squares + epsilon) ** (0.5**roots)
    return w


def _rmsprop() -> Row:
    correct = path("rmsprop", START, valley_slope, _STEPS, lr=0.1)[-1]
    return _erratum(
        "RMSProp",
        "w - η / sqrt(RMS[g] + ε) g",
        correct,
        _roots(_STEPS, lr=0.1, epsilon=1e-8, roots=2),
        "RMS[g] is the root already: the last line takes it twice",
    )


def _adam() -> Row:
    correct = path("adam", START, valley_slope, _STEPS, lr=0.4)[-1]
    w, m, v = START, np.zeros(2), np.zeros(2)
    for t in range(1, _STEPS + 1):
        g = valley_slope(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.4 / np.sqrt(v / (1 - 0.999**t) + 1e-8) * m / (1 - 0.9**t)
    return _erratum(
        "Adam",
        "w - η / sqrt(v̂ + ε) m̂",
        correct,
        w,
        "the paper has sqrt(v̂) + ε; the printed ε counts like its root, which matters for small "
        "gradients only",
    )


def _sessions(rate: float) -> list[Session]:
    train, _ = digit_samples(1000, 1)
    networks, settings = [], []
    for name in RULES:
        torch.manual_seed(0)
        networks.append(MLP(64, 10, hidden=(32,)))
        factor = 100 if name == "adadelta" else 1
        settings.append(replace(_SETTINGS, optimizer=name, lr=factor * rate))
    return fit_many(networks, train, settings=settings)


def _best_sessions() -> dict[str, Session]:
    """Each rule with the learning rate of the grid that ends with the lowest loss."""
    runs = [_sessions(rate) for rate in _GRID]
    best = {}
    for i, name in enumerate(RULES):
        own = [run[i] for run in runs if run[i].error is None]
        best[name] = min(own, key=lambda session: float(session.history[-1]["loss"]))
    return best


def _same_task(sessions: dict[str, Session]) -> Row:
    ends = {name: float(session.history[-1]["loss"]) for name, session in sessions.items()}
    return claim(
        "P4",
        f"training loss on digits after 10 epochs at the best of three rates: {', '.join(RULES)}",
        ends["momentum"] < ends["sgd"] and ends["adam"] < ends["sgd"],
        [round(end, 4) for end in ends.values()],
        slide="variations of gradient descent",
        reason="1,000 digits, 32 ReLU units, batches of 64, learning rates "
        + ", ".join(f"{s.settings.lr:g}" for s in sessions.values()),
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
            steps = path(name, START, valley_slope, _STEPS, lr=RATES[name])
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


def _curves_figure(sessions: dict[str, Session]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import SERIES, label_ends

        axes, ends = canvas.subplots(), []
        for (name, session), color in zip(sessions.items(), SERIES, strict=True):
            losses = session.history.column("loss")
            axes.semilogy(range(1, len(losses) + 1), losses, color=color)
            ends.append((len(losses), losses[-1], name, color))
        axes.set(xlabel="epoch", ylabel="training loss", xlim=(1, 10))
        label_ends(axes, ends)

    return Figure(
        "P4_curves",
        "One task, seven rules, each at its best of three learning rates",
        "Training loss on 1,000 digits, 32 ReLU units, mini-batches of 64.",
        draw,
    )
