"""The three matrix products of a dense layer, on vectors of numbers with offsets.

A layer's values lie unit by unit, the records of a batch side by side, so that the innermost loop
runs over the records also where layers are narrow. Large products are left to BLAS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.compilation import compiled
from nnatomy.types import Values

BLAS_PRODUCTS = 16_000
"""Multiplications from which a call of BLAS is faster than the loops (bench/dense.py)."""


@compiled
def _matrix(values: Values, start: int, rows: int, columns: int) -> Values:
    return values[start : start + rows * columns].reshape((rows, columns))


@compiled
def pre_activations(
    weights: Values, layer: NDArray[np.int64], inputs: Values, outputs: Values, records: int
) -> None:
    """a_j = b_j + Σ_i w_ji x_i for every unit j and record.

    Args:
        weights: All parameters.
        layer: Its row in the table of layers (see dense_kernel).
        inputs: Holds x (n_in, records) in its place.
        outputs: Receives a (n_out, records) in its place.
        records: Records of the batch.
    """
    n_in, n_out, w, b = layer[0], layer[1], layer[2], layer[3]
    x = _matrix(inputs, layer[6] * records, n_in, records)
    a = _matrix(outputs, layer[7] * records, n_out, records)
    if n_in * n_out * records > BLAS_PRODUCTS:
        np.dot(_matrix(weights, w, n_out, n_in), x, a)
        for j in range(n_out):
            for r in range(records):
                a[j, r] += weights[b + j]
        return
    for j in range(n_out):
        if records == 1:
            total = weights[b + j]
            for i in range(n_in):
                total += weights[w + j * n_in + i] * x[i, 0]
            a[j, 0] = total
        else:
            _combine_rows(a[j], weights[b + j], weights, w + j * n_in, 1, x)


@compiled
def parameter_gradients(
    gradient: Values, layer: NDArray[np.int64], inputs: Values, deltas: Values, records: int
) -> None:
    """∂J/∂w_ji = Σ_r δ_jr x_ir and ∂J/∂b_j = Σ_r δ_jr, δ being ∂J/∂a.

    Args:
        gradient: Receives the gradient of this layer's parameters.
        layer: As in `pre_activations`.
        inputs: Holds x (n_in, records).
        deltas: Holds δ (n_out, records).
        records: Records of the batch.
    """
    n_in, n_out, w, b = layer[0], layer[1], layer[2], layer[3]
    x = _matrix(inputs, layer[6] * records, n_in, records)
    d = _matrix(deltas, layer[7] * records, n_out, records)
    if n_in * n_out * records > BLAS_PRODUCTS:
        np.dot(d, x.T, _matrix(gradient, w, n_out, n_in))
        for j in range(n_out):
            gradient[b + j] = _sum(d[j])
        return
    for j in range(n_out):
        row = gradient[w + j * n_in : w + (j + 1) * n_in]
        if records == 1:
            gradient[b + j] = d[j, 0]
            for i in range(n_in):
                row[i] = d[j, 0] * x[i, 0]
        else:
            gradient[b + j] = _dot_rows(row, d[j], x)


@compiled
def input_gradients(
    weights: Values, layer: NDArray[np.int64], deltas: Values, records: int
) -> None:
    """∂J/∂x_i = Σ_j w_ji δ_j: what the layer below is told.

    Args:
        weights: All parameters.
        layer: As in `pre_activations`.
        deltas: Holds δ (n_out, records); receives ∂J/∂x (n_in, records).
        records: Records of the batch.
    """
    n_in, n_out, w = layer[0], layer[1], layer[2]
    below = _matrix(deltas, layer[6] * records, n_in, records)
    d = _matrix(deltas, layer[7] * records, n_out, records)
    if n_in * n_out * records > BLAS_PRODUCTS:
        np.dot(_matrix(weights, w, n_out, n_in).T, d, below)
        return
    for i in range(n_in):
        _combine_rows(below[i], weights.dtype.type(0), weights, w + i, n_in, d)


@compiled
def _combine_rows(
    out: Values, begin: Any, factors: Values, first: int, stride: int, rows: Values
) -> None:
    """out = begin + Σ_k f_k rows_k, four rows at a time: `out` is then read and written less.

    The factors f_k lie `stride` apart, from `first` on.
    """
    last, zero = len(rows) - 1, out.dtype.type(0)
    for k in range(0, last + 1, 4):
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        f0 = factors[first + k * stride]
        f1 = factors[first + k1 * stride] if k + 1 <= last else zero
        f2 = factors[first + k2 * stride] if k + 2 <= last else zero
        f3 = factors[first + k3 * stride] if k + 3 <= last else zero
        if k == 0:
            for r in range(len(out)):
                out[r] = begin + (
                    (f0 * rows[k, r] + f1 * rows[k1, r]) + (f2 * rows[k2, r] + f3 * rows[k3, r])
                )
        else:
            for r in range(len(out)):
                out[r] += (f0 * rows[k, r] + f1 * rows[k1, r]) + (
                    f2 * rows[k2, r] + f3 * rows[k3, r]
                )


@compiled
def _dot_rows(out: Values, vector: Values, rows: Values) -> Any:
    """out_k = Σ_r v_r rows_kr, four rows at a time; returns Σ_r v_r, which comes along."""
    last, zero = len(out) - 1, out.dtype.type(0)
    total = zero
    for k in range(0, last + 1, 4):
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        s0 = s1 = s2 = s3 = total = zero
        for r in range(len(vector)):
            v = vector[r]
            total += v
            s0 += v * rows[k, r]
            s1 += v * rows[k1, r]
            s2 += v * rows[k2, r]
            s3 += v * rows[k3, r]
        # Backwards: where rows are missing the last one stands for them.
        out[k3], out[k2], out[k1], out[k] = s3, s2, s1, s0
    return total


@compiled
def _sum(values: Values) -> Any:
    total = values.dtype.type(0)
    for r in range(len(values)):
        total += values[r]
    return total
