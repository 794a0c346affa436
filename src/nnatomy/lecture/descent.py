"""O4: how far to go downhill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.perceptron import by_autograd, sigmoid_step
from nnatomy.lecture.row import Row, Verdict, claim
from nnatomy.training.update_rules import path

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CURVATURE = 2.0
START = 2.0
RATES = {0.02: "slow", 0.3: "good", 0.9: "swings over", 1.05: "diverges"}
_SLIDE = {
    "slow": "too small: convergence is too slow",
    "swings over": "too large: fluctuates around the optimum",
    "diverges": "too large: diverges",
}
"""What the slides on the variants of gradient descent say, without numbers."""


def bowl(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """f(w) = ½ c w² with the curvature c; its minimum is at 0."""
    return 0.5 * CURVATURE * w**2


def slope(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """f'(w) = c w."""
    return CURVATURE * w


def step_size() -> Experiment:
    """The chain rule, Taylor's promise for a small step, and four step sizes on a bowl."""
    rows = [_chain_rule(), _taylor(), bound("O4", "0 < α < 1", (2.0, 10.0, 0.5), "2, 10 and ½")]
    for rate, word in RATES.items():
        way = path("sgd", [START], slope, 25, lr=rate)[:, 0]
        last = float(way[-1])
        exact = START * (1 - rate * CURVATURE) ** 25
        holds = behavior(way) == word and abs(last - exact) <= 1e-9 * max(1, abs(last))
        rows.append(
            claim(
                "O4",
                f"α = {rate:g} on a bowl of curvature {CURVATURE:g}: w after 25 steps from 2",
                holds,
                float(f"{last:.4g}"),
                slide=_SLIDE.get(word),
                reason=f"{word}; in closed form 2 (1 - α c)^25",
            )
        )
    return Experiment(rows, [_figure()])


def behavior(way: NDArray[np.float64]) -> str:
    """What a path of descent on the bowl looks like: "diverges", "swings over", "slow", "good"."""
    if abs(way[-1]) > abs(way[0]):
        return "diverges"
    if (way[1:] * way[:-1] < 0).all():
        return "swings over"
    return "slow" if abs(way[-1]) > 0.1 * abs(way[0]) else "good"


def _chain_rule() -> Row:
    weights = np.array([0.3, -0.2, 0.1])
    _, ours = sigmoid_step(weights, (2.0, 1.0), 1.0, 0.5)
    gap = float(np.abs(ours - by_autograd(weights, (2.0, 1.0), 1.0, 0.5)).max())
    return claim(
        "O4",
        "chain rule for one sigmoid unit: largest difference from autograd",
        gap < 1e-9,
        f"{gap:.1e}",
        slide="(y - t) · 1 · h (1 - h) · x",
    )


def _taylor() -> Row:
    """f(w - α f') ≈ f - α f'² with an error of α² c f'² / 2 on the bowl."""
    w, rate = np.array([START]), 0.001
    exact = float((bowl(w - rate * slope(w)))[0])
    promised = float((bowl(w) - rate * slope(w) ** 2)[0])
    error = 0.5 * CURVATURE * rate**2 * float(slope(w)[0]) ** 2
    holds = abs(exact - promised - error) < 1e-12 and exact < float(bowl(w)[0])
    return claim(
        "O4",
        "a small step lowers f: f(w - α f'), and f - α f'² as Taylor promises (α = 0.001)",
        holds,
        [round(exact, 8), round(promised, 8)],
        slide="f(w_new) ≅ f(w) - α f'(w)² < f(w)",
        reason="what is left out is α² c f'² / 2",
    )


def diverges(rate: float, curvature: float = CURVATURE, steps: int = 4000) -> bool:
    """Whether descent on a bowl of this curvature runs away."""
    with np.errstate(over="ignore", invalid="ignore"):
        way = path("sgd", [START], lambda w: curvature * w, steps, lr=rate)
        return not abs(way[-1, 0]) <= START


def largest_rate(curvature: float) -> float:
    """The largest step size at which descent on the bowl does not run away, by halving."""
    low, high = 0.0, 8.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if diverges(middle, curvature) else (middle, high)
    return high


def bound(item: str, slide: str, curvatures: Sequence[float], words: str) -> Row:
    """The printed bound 0 < α < 1 on the step size against 2 / c, found by trying."""
    found = [round(largest_rate(c), 3) for c in curvatures]
    expected = [2 / c for c in curvatures]
    verdict: Verdict = "not reproducible here"
    if np.allclose(found, 1.0, atol=1e-3):
        verdict = "agrees"
    elif np.allclose(found, expected, atol=1e-3):
        verdict = "erratum"
    return Row(
        item,
        f"the largest step size that does not diverge at curvature {words}, found by halving",
        slide,
        found,
        verdict,
        "the bound is 2 / c with the largest curvature c: "
        + ", ".join(f"{value:g}" for value in expected),
    )


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE

        grid = np.linspace(-3.2, 3.2, 200)
        all_axes: Sequence = canvas.subplots(1, 4, sharex=True, sharey=True)  # type: ignore[type-arg]
        for axes, (rate, word) in zip(all_axes, RATES.items(), strict=True):
            # Of the path that runs away only what the axes have room for.
            steps = path("sgd", [START], slope, 4 if rate > 1 else 8, lr=rate)[:, 0]
            axes.plot(grid, bowl(grid), color="#bbbbbb")
            axes.plot(steps, bowl(steps), "o-", color=ORANGE if rate > 1 else BLUE, markersize=8)
            axes.set(title=f"α = {rate:g}: {word}", xlabel="w", xlim=(-3.2, 3.2), ylim=(0, 10))
        all_axes[0].set_ylabel("f(w)")

    return Figure(
        "O4_step_size",
        "Too small a step is slow, too large a one runs away",
        "Eight steps of gradient descent on f(w) = w², from w = 2; four where they run away.",
        draw,
        (16.0, 5.5),
    )
