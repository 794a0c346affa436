"""The update rules of gradient descent as the lecture prints them, its slips corrected.

The reference for nnatomy.training.optimizers, written to be read: each rule is a generator of
weights w₁, w₂, … in double precision, given where it starts and the gradient ∇J as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]
Rule = Callable[..., Iterator[Vector]]


def sgd(start: Vector, gradient: Gradient, *, lr: float) -> Iterator[Vector]:
    """w ← w - η ∇J(w)."""
    w = start
    while True:
        w = w - lr * gradient(w)
        yield w


def momentum(
    start: Vector, gradient: Gradient, *, lr: float, gamma: float = 0.9
) -> Iterator[Vector]:
    """v ← γ v + η ∇J(w);  w ← w - v.

    The slide has the indices of its second line exchanged (w_t = w_{t+1} - v_t). torch.optim.SGD
    leaves η out of v and multiplies afterwards: the same weights as long as η stays the same.
    Source: Polyak 1964, Some methods of speeding up the convergence of iteration methods.
    """
    w, v = start, np.zeros_like(start)
    while True:
        v = gamma * v + lr * gradient(w)
        w = w - v
        yield w


def nesterov(
    start: Vector, gradient: Gradient, *, lr: float, gamma: float = 0.9
) -> Iterator[Vector]:
    """v ← γ v + η ∇J(w - γ v);  w ← w - v: the gradient is taken where the momentum leads.

    torch.optim.SGD(nesterov=True) follows the point looked ahead to, θ = w - γ v, instead of w.
    Source: Nesterov 1983; in this form Sutskever et al. 2013, ICML, 2.
    """
    w, v = start, np.zeros_like(start)
    while True:
        v = gamma * v + lr * gradient(w - gamma * v)
        w = w - v
        yield w


def adagrad(
    start: Vector, gradient: Gradient, *, lr: float, epsilon: float = 1e-10
) -> Iterator[Vector]:
    """G ← G + g²;  w ← w - η g / (sqrt(G) + ε), with g = ∇J(w).

    The slide takes the gradient at w - γ v, a slip from the slide before it.
    Source: Duchi, Hazan, Singer 2011, JMLR 12.
    """
    w, squares = start, np.zeros_like(start)
    while True:
        g = gradient(w)
        squares = squares + g**2
        w = w - lr * g / (np.sqrt(squares) + epsilon)
        yield w


def adadelta(
    start: Vector,
    gradient: Gradient,
    *,
    lr: float = 1.0,
    gamma: float = 0.9,
    epsilon: float = 1e-6,
) -> Iterator[Vector]:
    """E ← γ E + (1-γ) g²;  Δ = RMS[Δ] / RMS[g] g;  w ← w - η Δ, with RMS = sqrt(E + ε).

    The slide leaves the numerator RMS[Δ] out; what it prints is RMSProp.
    Source: Zeiler 2012, arXiv 1212.5701, algorithm 1.
    """
    w, squares, changes = start, np.zeros_like(start), np.zeros_like(start)
    while True:
        g = gradient(w)
        squares = gamma * squares + (1 - gamma) * g**2
        change = np.sqrt(changes + epsilon) / np.sqrt(squares + epsilon) * g
        changes = gamma * changes + (1 - gamma) * change**2
        w = w - lr * change
        yield w


def rmsprop(
    start: Vector, gradient: Gradient, *, lr: float, gamma: float = 0.9, epsilon: float = 1e-8
) -> Iterator[Vector]:
    """E ← γ E + (1-γ) g²;  w ← w - η g / (sqrt(E) + ε).

    The slide's last line divides by sqrt(RMS[g] + ε), which takes the root twice.
    Source: Tieleman and Hinton 2012, lecture 6.5 of Neural networks for machine learning.
    """
    w, squares = start, np.zeros_like(start)
    while True:
        g = gradient(w)
        squares = gamma * squares + (1 - gamma) * g**2
        w = w - lr * g / (np.sqrt(squares) + epsilon)
        yield w


def adam(
    start: Vector,
    gradient: Gradient,
    *,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Iterator[Vector]:
    """m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  w ← w - η m̂ / (sqrt(v̂) + ε).

    m̂ = m / (1-β₁ᵗ) and v̂ = v / (1-β₂ᵗ) correct for the start at zero. The slide has ε under the
    root, where 1e-8 counts like 1e-4 outside of it.
    Source: Kingma and Ba 2015, arXiv 1412.6980, algorithm 1.
    """
    w, m, v, t = start, np.zeros_like(start), np.zeros_like(start), 0
    while True:
        t += 1
        g = gradient(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        yield w


UPDATE_RULES: dict[str, Rule] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
}


def path(rule: str, start: Any, gradient: Gradient, steps: int, **settings: float) -> Vector:
    """The first weights of a rule, with those it starts from.

    Shape: (steps + 1, P).
    """
    w0 = np.asarray(start, dtype=np.float64)
    iterates = UPDATE_RULES[rule](w0, gradient, **settings)
    return np.array([w0, *(next(iterates) for _ in range(steps))])
