"""Activations, their derivatives, and losses of a dense network, for the compiled steps."""

from __future__ import annotations

import math
from typing import Any

from nnatomy.compilation import compiled
from nnatomy.training.dense_exponential import exponential
from nnatomy.types import Values

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, SOFTPLUS, SILU = range(9)
CROSS_ENTROPY, BINARY_CROSS_ENTROPY, SQUARED, PERCEPTRON = range(4)

_SLOPE = 0.01  # of nn.LeakyReLU
_FACTORS = 512  # each is at most 2, and their product below the largest number
_LINEAR_SOFTPLUS = 20.0  # nn.Softplus is the identity above


@compiled
def activate(code: int, pre: Values, out: Values) -> None:
    """h = g(a), value by value."""
    one = pre.dtype.type(1)
    half, root = pre.dtype.type(0.5), pre.dtype.type(math.sqrt(0.5))
    if code == SIGMOID:
        for i in range(len(pre)):
            out[i] = one / (one + exponential(-pre[i]))
    elif code == TANH:
        for i in range(len(pre)):
            out[i] = math.tanh(pre[i])
    elif code == RELU:
        for i in range(len(pre)):
            # In this order a NaN stays one.
            out[i] = pre.dtype.type(0) if pre[i] <= 0 else pre[i]
    elif code == LEAKY_RELU:
        slope = pre.dtype.type(_SLOPE)
        for i in range(len(pre)):
            out[i] = pre[i] if pre[i] > 0 else slope * pre[i]
    elif code == ELU:
        for i in range(len(pre)):
            out[i] = pre[i] if pre[i] > 0 else math.expm1(pre[i])
    elif code == GELU:
        for i in range(len(pre)):
            out[i] = half * pre[i] * (one + math.erf(pre[i] * root))
    elif code == SOFTPLUS:
        for i in range(len(pre)):
            out[i] = pre[i] if pre[i] > _LINEAR_SOFTPLUS else math.log1p(math.exp(pre[i]))
    elif code == SILU:
        for i in range(len(pre)):
            out[i] = pre[i] / (one + exponential(-pre[i]))
    else:
        for i in range(len(pre)):
            out[i] = pre[i]


@compiled
def slope(code: int, pre: Values, out: Values, delta: Values) -> None:
    """δ ← δ g'(a), value by value.

    Args:
        code: Of the activation g.
        pre: a.
        out: g(a).
        delta: ∂J/∂h; becomes ∂J/∂a.
    """
    one = pre.dtype.type(1)
    half, root = pre.dtype.type(0.5), pre.dtype.type(math.sqrt(0.5))
    if code == SIGMOID:
        for i in range(len(pre)):
            delta[i] *= out[i] * (one - out[i])
    elif code == TANH:
        for i in range(len(pre)):
            delta[i] *= one - out[i] * out[i]
    elif code == RELU:
        for i in range(len(pre)):
            delta[i] = delta[i] if pre[i] > 0 else pre.dtype.type(0)
    elif code == LEAKY_RELU:
        leak = pre.dtype.type(_SLOPE)
        for i in range(len(pre)):
            delta[i] = delta[i] if pre[i] > 0 else leak * delta[i]
    elif code == ELU:
        for i in range(len(pre)):
            delta[i] = delta[i] if pre[i] > 0 else delta[i] * exponential(pre[i])
    elif code == GELU:
        density = pre.dtype.type(1 / math.sqrt(2 * math.pi))
        for i in range(len(pre)):
            below = half * (one + math.erf(pre[i] * root))
            delta[i] *= below + pre[i] * density * math.exp(-half * pre[i] * pre[i])
    elif code == SOFTPLUS:
        for i in range(len(pre)):
            if pre[i] <= _LINEAR_SOFTPLUS:
                delta[i] /= one + exponential(-pre[i])
    elif code == SILU:
        for i in range(len(pre)):
            gate = one / (one + exponential(-pre[i]))
            delta[i] *= gate * (one + pre[i] * (one - gate))


@compiled
def loss_and_delta(
    code: int, outputs: Values, targets: Values, shares: Values, delta: Values, scratch: Values
) -> Any:
    """The loss of a batch, Σ_r s_r L_r, and δ = ∂/∂a of it.

    Args:
        code: Of the loss L.
        outputs: a (K, B), the pre-activations of the output units.
        targets: (B, D): class numbers, or values.
        shares: s (B): the record's weight divided by B.
        delta: Receives δ (K, B).
        scratch: At least 2 B numbers.
    """
    units, records = outputs.shape
    if code == CROSS_ENTROPY:
        return _cross_entropy(outputs, targets, shares, delta, scratch)
    total: Any = 0.0
    one, zero = outputs.dtype.type(1), outputs.dtype.type(0)
    if code == BINARY_CROSS_ENTROPY:
        return _binary_cross_entropy(outputs[0], targets, shares, delta[0], scratch)
    if code == SQUARED:
        for k in range(units):
            for r in range(records):
                gap = outputs[k, r] - targets[r, k]
                total += outputs.dtype.type(0.5) * shares[r] * gap * gap
                delta[k, r] = shares[r] * gap
    else:
        for k in range(units):
            for r in range(records):
                sign = one if int(targets[r, 0]) == k else -one
                margin = sign * outputs[k, r]
                wrong = not margin > 0  # a NaN counts as wrong
                total += -shares[r] * margin if wrong else zero
                delta[k, r] = -shares[r] * sign if wrong else zero
    return total


@compiled
def _binary_cross_entropy(
    a: Values, targets: Values, shares: Values, delta: Values, scratch: Values
) -> Any:
    """max(a, 0) - a t + log(1 + exp(-|a|)); δ = s (σ(a) - t).

    Loop by loop, so that all but the exponentials run on vector units.
    """
    one, zero = a.dtype.type(1), a.dtype.type(0)
    records, t, e = len(a), targets.reshape(targets.size), scratch
    total: Any = 0.0
    for r in range(records):
        e[r] = exponential(-abs(a[r]))
    for r in range(records):
        p = one / (one + e[r])
        delta[r] = shares[r] * ((p if a[r] >= 0 else one - p) - t[r])
        total += shares[r] * (max(a[r], zero) - a[r] * t[r])
    different = 0
    for r in range(records):
        different += shares[r] != shares[0]
    if different:
        for r in range(records):
            total += shares[r] * math.log1p(e[r])
        return total
    # Σ log(1 + e) is the logarithm of a product, taken once in many records.
    for first in range(0, records, _FACTORS):
        product = 1.0
        for r in range(first, min(first + _FACTORS, records)):
            product *= 1.0 + e[r]
        total += shares[0] * math.log(product)
    return total


@compiled
def _cross_entropy(
    outputs: Values, targets: Values, shares: Values, delta: Values, scratch: Values
) -> Any:
    """log Σ exp(a_k - m) + m - a_t with m = max a; δ = s (softmax - 1 at t)."""
    units, records = outputs.shape
    highest, sums = scratch[:records], scratch[records : 2 * records]
    for r in range(records):
        highest[r] = outputs[0, r]
        sums[r] = 0
    for k in range(1, units):
        for r in range(records):
            # In this order a NaN wins, and is noticed.
            highest[r] = highest[r] if highest[r] >= outputs[k, r] else outputs[k, r]
    for k in range(units):
        for r in range(records):
            delta[k, r] = exponential(outputs[k, r] - highest[r])
            sums[r] += delta[k, r]
    total: Any = 0.0
    for r in range(records):
        t = int(targets[r, 0])
        total += shares[r] * (math.log(sums[r]) + highest[r] - outputs[t, r])
        sums[r] = shares[r] / sums[r]
    for k in range(units):
        for r in range(records):
            delta[k, r] *= sums[r]
    for r in range(records):
        delta[int(targets[r, 0]), r] -= shares[r]
    return total


@compiled
def silence(
    masks: Values, first: int, keep: float, units: int, records: int, out: Values, begin: int
) -> None:
    """Dropout: h ← h m / keep with m drawn as 0 or 1.

    Args:
        masks: Holds m (B, units), record by record.
        first: Where m begins.
        keep: The share of units that stay.
        units: Of the layer.
        records: B.
        out: Holds h (units, B).
        begin: Where h begins.
    """
    scale = out.dtype.type(1) / out.dtype.type(keep)
    for r in range(records):
        for j in range(units):
            out[begin + j * records + r] *= masks[first + r * units + j] * scale
