"""One unit that learns record by record: the steps of dense_kernel where they are shortest.

There a step of a few nanoseconds is worth, and the general kernel's loops over layers, units and
records cost many times that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.compilation import compiled
from nnatomy.training.dense_units import BINARY_CROSS_ENTROPY
from nnatomy.types import Values


@compiled
def learn_online(
    weights: Values,
    gradient: Values,
    loss: int,
    inputs: Values,
    targets: Values,
    copies: Values,
    rates: NDArray[np.float64],
    losses: NDArray[np.float64],
    norms: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> int:
    """w ← w - η ∂L/∂a x and b ← b - η ∂L/∂a for one record after the other.

    ∂L/∂a is σ(a) - t for the sigmoid unit with cross-entropy, and a - t for the linear unit with
    the squared error.

    Args:
        weights: w, then b; changed in place.
        gradient: Receives that of the last record.
        loss: Code of the loss: BINARY_CROSS_ENTROPY or SQUARED.
        inputs: (N, d).
        targets: (N, 1).
        copies: (N,) the weight of each record, or empty.
        rates: The learning rate of each step.
        losses: Receives the loss of each record before its update.
        norms: Receives the norm of each gradient.
        totals: The losses and the norms are added to its two numbers.

    Returns:
        The number of steps done; the next one was not finite where it is too small.
    """
    width = inputs.shape[1]
    for step in range(len(rates)):
        x = inputs[step % len(inputs)]
        target = targets[step % len(inputs), 0]
        a, length = weights[width], weights.dtype.type(1)
        for i in range(width):
            a += weights[i] * x[i]
            length += x[i] * x[i]
        value, delta = _loss(loss, a, target)
        if len(copies):
            value, delta = copies[step % len(inputs)] * value, copies[step % len(inputs)] * delta
        norm = abs(delta) * math.sqrt(length)
        if not math.isfinite(norm):  # squares overflow long before the gradient does
            norm = abs(delta) * _length(x)
        losses[step], norms[step] = value, norm
        if not (math.isfinite(value) and math.isfinite(norm)):
            return step
        lr = weights.dtype.type(rates[step])
        for i in range(width):
            gradient[i] = delta * x[i]
            weights[i] -= lr * gradient[i]
        gradient[width] = delta
        weights[width] -= lr * delta
        totals[0] += value
        totals[1] += norm
    return len(rates)


@compiled
def _length(x: Values) -> float:
    """The length of (x, 1) in double precision."""
    squares = 1.0
    for i in range(len(x)):
        squares += np.float64(x[i]) * np.float64(x[i])
    return math.sqrt(squares)


@compiled
def _loss(loss: int, a: Any, target: Any) -> tuple[Any, Any]:
    """L and ∂L/∂a of one record."""
    if loss == BINARY_CROSS_ENTROPY:
        e = math.exp(-abs(a))
        p = 1 / (1 + e)
        delta = (p if a >= 0 else 1 - p) - target
        return max(a, 0.0) - a * target + math.log1p(e), delta
    return (a - target) * (a - target) / 2, a - target
