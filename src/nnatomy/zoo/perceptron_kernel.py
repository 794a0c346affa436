"""Rosenblatt's rule, record by record, compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnatomy.compilation import compiled


@compiled
def present(
    weights: NDArray[np.float64],
    inputs: NDArray[np.float64],
    signs: NDArray[np.float64],
    order: NDArray[np.int64],
    copies: NDArray[np.float64],
    rate: float,
) -> tuple[int, float]:
    """Present the records once; see nnatomy.zoo.perceptron_rule for the rule.

    Args:
        weights: (K, d), changed in place.
        inputs: (N, d).
        signs: (N, K) of 1 and -1.
        order: (M,) positions of the records.
        copies: (N,) c, or empty for 1 each.
        rate: η.

    Returns:
        The mistakes, and Σ -t a over them.
    """
    units, width = weights.shape
    mistakes, loss = 0, 0.0
    for position in range(len(order)):
        record = order[position]
        if len(copies) and copies[record] == 0.0:
            continue  # no copy is presented: it can be no mistake
        for unit in range(units):
            margin = 0.0
            for i in range(width):
                margin += weights[unit, i] * inputs[record, i]
            margin *= signs[record, unit]
            if margin > 0:
                continue
            mistakes += 1
            loss -= margin
            step = rate * signs[record, unit]
            if len(copies) and copies[record] != 1.0:
                step *= _corrections(inputs[record], margin, rate, copies[record])
            for i in range(width):
                weights[unit, i] += step * inputs[record, i]
    return mistakes, loss


@compiled
def _corrections(x: NDArray[np.float64], margin: float, rate: float, copies: float) -> float:
    """min(c, 1 + floor(-t a / (η |x|²)))."""
    gain = 0.0
    for i in range(len(x)):
        gain += x[i] * x[i]
    gain *= rate
    return min(copies, 1.0 + math.floor(-margin / gain)) if gain > 0 else copies
