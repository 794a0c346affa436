"""Rosenblatt's learning rule, record by record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pass:
    """What one pass over the records showed.

    Args:
        mistakes: Records that a unit had on the wrong side, summed over the units.
        loss: Σ -t a over the mistakes, a being the pre-activation before the correction.
    """

    mistakes: int
    loss: float


class PerceptronRule:
    """Step units that each learn to tell one set of records from the rest.

    a = w x + b, and a unit is wrong about a record when t a <= 0 (a unit on the boundary too, so
    that learning starts from zero weights). Then w ← w + η t x and b ← b + η t.

    A record of weight c counts like c copies presented one after the other: the unit is corrected
    until it is right, c times at most (c η in all where c < 1). In closed form the number of
    corrections is min(c, 1 + floor(-t a / (η (|x|² + 1)))).

    Differs from Rosenblatt 1958 (The perceptron, Psychological Review 65) in that it has a row of
    units. The rule converges after finitely many mistakes if a hyperplane separates the records
    (Novikoff 1962), and never comes to rest otherwise.

    Args:
        units: Number of units K.
        inputs: Number of input values d.
        rate: η. Beginning with zero weights it only scales the weights.
        intercept: Whether the units have a bias b.

    Attributes:
        weights: (K, d + 1), the last column being the biases; (K, d) without.
    """

    def __init__(
        self, units: int, inputs: int, *, rate: float = 1.0, intercept: bool = True
    ) -> None:
        self.rate = rate
        self.intercept = intercept
        self.weights = np.zeros((units, inputs + intercept))

    def extended(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Inputs (N, d) with a last column of ones for the bias, where there is one."""
        if not self.intercept:
            return inputs
        return np.column_stack([inputs, np.ones(len(inputs))])

    def learn(
        self,
        inputs: NDArray[np.float64],
        signs: NDArray[np.float64],
        order: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> Pass:
        """Present the records once, in the given order.

        Args:
            inputs: (N, d + 1) as `extended` gives them.
            signs: (N, K) t: 1 where the unit is to fire, -1 elsewhere.
            order: (M,) positions of the records.
            weights: (N,) c, or None for 1 each.
        """
        from nnatomy.zoo.perceptron_kernel import present

        copies = np.empty(0) if weights is None else np.asarray(weights, dtype=np.float64)
        mistakes, loss = present(
            self.weights,
            np.ascontiguousarray(inputs, dtype=np.float64),
            np.ascontiguousarray(signs, dtype=np.float64),
            np.asarray(order, dtype=np.int64),
            copies,
            float(self.rate),
        )
        return Pass(mistakes, loss)
