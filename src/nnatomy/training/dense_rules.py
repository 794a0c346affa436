"""The update rules of the lecture in one pass over all parameters, for the compiled steps."""

from __future__ import annotations

import math

from nnatomy.compilation import compiled
from nnatomy.types import Values

SGD, MOMENTUM, NESTEROV, ADAGRAD, ADADELTA, RMSPROP, ADAM = range(7)


@compiled
def update(
    code: int,
    weights: Values,
    gradient: Values,
    first: Values,
    second: Values,
    lr: float,
    momentum: float,
    count: int,
) -> None:
    """One update; see nnatomy.training.optimizers for the formulas and their sources.

    Args:
        code: Of the rule.
        weights: (P,) changed in place.
        gradient: (P,).
        first: (P,) what the rule remembers: the velocity, mean or squares. Empty for sgd.
        second: (P,) the squares of adam, the changes of adadelta. Empty for the others.
        lr: η.
        momentum: γ.
        count: Updates done before.
    """
    kind = weights.dtype.type
    eta, gamma, rest = kind(lr), kind(momentum), kind(1 - momentum)
    tiny, small, smaller = kind(1e-6), kind(1e-8), kind(1e-10)
    if code == SGD:
        for i in range(len(weights)):
            weights[i] -= eta * gradient[i]
    elif code == MOMENTUM:
        for i in range(len(weights)):
            first[i] = gamma * first[i] + gradient[i]
            weights[i] -= eta * first[i]
    elif code == NESTEROV:
        for i in range(len(weights)):
            first[i] = gamma * first[i] + gradient[i]
            weights[i] -= eta * (gradient[i] + gamma * first[i])
    elif code == ADAGRAD:
        for i in range(len(weights)):
            first[i] += gradient[i] * gradient[i]
            weights[i] -= eta * gradient[i] / (math.sqrt(first[i]) + smaller)
    elif code == ADADELTA:
        for i in range(len(weights)):
            first[i] = kind(0.9) * first[i] + kind(0.1) * gradient[i] * gradient[i]
            change = gradient[i] * math.sqrt(second[i] + tiny) / math.sqrt(first[i] + tiny)
            second[i] = kind(0.9) * second[i] + kind(0.1) * change * change
            weights[i] -= eta * change
    elif code == RMSPROP:
        for i in range(len(weights)):
            first[i] = gamma * first[i] + rest * gradient[i] * gradient[i]
            weights[i] -= eta * gradient[i] / (math.sqrt(first[i]) + small)
    else:
        _adam(weights, gradient, first, second, lr, count)


@compiled
def _adam(
    weights: Values, gradient: Values, mean: Values, squares: Values, lr: float, count: int
) -> None:
    kind = weights.dtype.type
    size = kind(lr / (1 - 0.9 ** (count + 1)))
    root = kind(math.sqrt(1 - 0.999 ** (count + 1)))
    beta1, beta2, epsilon = kind(0.9), kind(0.999), kind(1e-8)
    rest1, rest2 = kind(1 - 0.9), kind(1 - 0.999)
    for i in range(len(weights)):
        mean[i] = beta1 * mean[i] + rest1 * gradient[i]
        squares[i] = beta2 * squares[i] + rest2 * gradient[i] * gradient[i]
        weights[i] -= size * mean[i] / (math.sqrt(squares[i]) / root + epsilon)
