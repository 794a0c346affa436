"""P4: update rules exactly as the slides print them, against the corrected ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nnatomy.lecture.row import Row
from nnatomy.training.update_rules import Gradient, path

Vector = NDArray[np.float64]

START = np.array([-4.0, 2.0])
STEPS = 60
_FLAT = 1e-7


def valley(w: Vector) -> Vector:
    """f(w) = ½ (w₁² + 20 w₂²): twenty times as steep across as along."""
    values: Vector = 0.5 * (w[..., 0] ** 2 + 20 * w[..., 1] ** 2)
    return values


def valley_slope(w: Vector) -> Vector:
    """∇f(w) = (w₁, 20 w₂)."""
    slope: Vector = w * np.array([1.0, 20.0])
    return slope


def printed_momentum(w: Vector, gradient: Gradient, *, lr: float) -> Iterator[Vector]:
    """v_t = γ v_{t-1} + η ∇J(w_t);  w_t = w_{t+1} - v_t, solved for the next weights."""
    v = np.zeros_like(w)
    while True:
        v = 0.9 * v + lr * gradient(w)
        w = w + v
        yield w


def printed_adagrad(w: Vector, gradient: Gradient, *, lr: float) -> Iterator[Vector]:
    """g = ∇J(w_t - γ v_{t-1});  w ← w - η g / sqrt(G + ε), v read as the last step."""
    squares, v = np.zeros_like(w), np.zeros_like(w)
    while True:
        g = gradient(w - 0.9 * v)
        squares = squares + g**2
        v = lr / np.sqrt(squares + 1e-8) * g
        w = w - v
        yield w


def printed_rmsprop(
    w: Vector, gradient: Gradient, *, lr: float, epsilon: float = 1e-8, roots: int = 2
) -> Iterator[Vector]:
    """E ← 0.9 E + 0.1 g²;  w ← w - η g / sqrt(RMS[g] + ε), with RMS[g] = sqrt(E).

    Args:
        w: Start.
        gradient: ∇J.
        lr: η.
        epsilon: ε.
        roots: 1 divides by sqrt(E + ε), as the slide on Adadelta prints it.
    """
    squares = np.zeros_like(w)
    while True:
        g = gradient(w)
        squares = 0.9 * squares + 0.1 * g**2
        size = squares if roots == 1 else np.sqrt(squares)
        w = w - lr * g / np.sqrt(size + epsilon)
        yield w


def printed_adam(w: Vector, gradient: Gradient, *, lr: float) -> Iterator[Vector]:
    """w ← w - η m̂ / sqrt(v̂ + ε), the ε of 1e-8 under the root."""
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    while True:
        t += 1
        g = gradient(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - lr / np.sqrt(v / (1 - 0.999**t) + 1e-8) * m / (1 - 0.9**t)
        yield w


def _after(iterates: Iterator[Vector]) -> Vector:
    for _ in range(STEPS):
        w = next(iterates)
    return w


def errata() -> list[Row]:
    """Each misprinted rule beside the corrected one, after 60 steps in the valley."""
    return [_momentum(), _adagrad(), _adadelta(), _rmsprop(), _adam()]


def erratum_of(what: str, slide: str, correct: Vector, printed: Vector, reason: str) -> Row:
    """Where the two rules end; they must differ by more than rounding to make an erratum."""
    differ = not np.allclose(correct, printed, rtol=1e-3, atol=1e-6)
    if differ and np.linalg.norm(correct) > np.linalg.norm(printed):
        reason += (
            "; in this valley, at this rate, the corrected rule ends farther from the minimum: "
            "the slip is one against the source, not a proof of a worse path"
        )
    return Row(
        "P4",
        f"{what}: w after {STEPS} steps in the valley, corrected and as printed",
        slide,
        ", ".join(f"({a:.5g}, {b:.5g})" for a, b in (correct, printed)),
        "erratum" if differ else "agrees",
        reason,
    )


def _momentum() -> Row:
    return erratum_of(
        "momentum",
        "w_t = w_{t+1} - v_t",
        path("momentum", START, valley_slope, STEPS, lr=0.02)[-1],
        _after(printed_momentum(START, valley_slope, lr=0.02)),
        "the indices are exchanged: taken literally w_{t+1} = w_t + v_t climbs; right is "
        "w_{t+1} = w_t - v_t",
    )


def _adagrad() -> Row:
    return erratum_of(
        "Adagrad",
        "g_t = ∇J(w_t - γ v_{t-1})",
        path("adagrad", START, valley_slope, STEPS, lr=1.0)[-1],
        _after(printed_adagrad(START, valley_slope, lr=1.0)),
        "the gradient of NAG was left from the slide before; Adagrad takes it at w_t (Duchi et al. "
        "2011). As printed, v was read as the last step",
    )


def _adadelta() -> Row:
    no_epsilon = _after(printed_rmsprop(START, valley_slope, lr=1.0, epsilon=0.0, roots=1))
    twin = path("rmsprop", START, valley_slope, STEPS, lr=1.0, epsilon=0.0)[-1]
    return erratum_of(
        "Adadelta",
        "w - η / sqrt(E[g²] + ε) g",
        path("adadelta", START, valley_slope, STEPS, lr=1.0)[-1],
        _after(printed_rmsprop(START, valley_slope, lr=1.0, epsilon=1e-6, roots=1)),
        "what is printed is RMSProp (with the same ε their iterates differ by "
        f"{np.abs(no_epsilon - twin).max():.0e}); Adadelta has the ratio RMS[Δw] / RMS[g] "
        "(Zeiler 2012)",
    )


def _rmsprop() -> Row:
    return erratum_of(
        "RMSProp",
        "w - η / sqrt(RMS[g] + ε) g",
        path("rmsprop", START, valley_slope, STEPS, lr=0.1)[-1],
        _after(printed_rmsprop(START, valley_slope, lr=0.1)),
        "RMS[g] is the root already: the last line takes it twice",
    )


def _adam() -> Row:
    """The place of ε shows where gradients are small: in a valley that is nearly flat."""

    def flat(w: Vector) -> Vector:
        return _FLAT * valley_slope(w)

    steep = path("adam", START, valley_slope, STEPS, lr=0.1)[-1]
    gap = np.abs(steep - _after(printed_adam(START, valley_slope, lr=0.1))).max()
    return erratum_of(
        "Adam, the valley 10,000,000 times as flat",
        "w - η / sqrt(v̂ + ε) m̂",
        path("adam", START, flat, STEPS, lr=0.1)[-1],
        _after(printed_adam(START, flat, lr=0.1)),
        "the paper has sqrt(v̂) + ε (Kingma and Ba 2015): an ε of 1e-8 under the root counts like "
        "1e-4 beside it, and holds back where gradients are smaller than that; in the valley as "
        f"it is the two differ by {gap:.0e}",
    )
