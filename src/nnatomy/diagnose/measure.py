"""From tensors of one step to the numbers that checks look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_VALUES = 1 << 14
"""Values of a layer that are looked at; more would tell the same."""
_RANK_UNITS = 64
_DEAD_ROWS = 4
"""Rows from which on a unit that is zero in all of them may be called dead: a healthy ReLU is zero
in one row as often as not."""
# Where the derivative has fallen to a twentieth of its largest value.
_SIGMOID_FLAT = 0.0127
_TANH_FLAT = 0.9747


def by_unit(values: Tensor, module: nn.Module) -> Tensor:
    """A layer's inputs, one column a unit (or channel).

    Shape: (B, ..., units), or (B, units, ...) where the layer convolves -> (n, units).
    """
    values = values.detach()
    if isinstance(module, nn.modules.conv._ConvNd):
        values = values.movedim(1, -1)
    units = values.shape[-1]
    most = max(8, _VALUES // max(1, values[0].numel() if len(values) else 1))
    rows = values[:most].reshape(-1, units)
    step = max(1, len(rows) * units // _VALUES)
    return rows[::step].float()


def fed_numbers(rows: Tensor, activation: str, dropout: float = 0.0) -> dict[str, float]:
    """What the units of a layer looked like in a batch.

    Args:
        rows: (n, units) activations.
        activation: Where they come from; guessed from the values where it is "".
        dropout: The rate of the dropout that they went through.

    Returns:
        mean, std, low and high over all; dead: the share of units that were zero throughout, 0
        where there are too few rows to tell; saturated: the share of values where the derivative
        of a sigmoid or tanh is below a twentieth of its largest, of those that dropout let stay.
    """
    values = rows.cpu().numpy()
    mean, std, low, high = _spread_of(values)
    dead = 0.0
    if len(values) >= _DEAD_ROWS and low <= 0 <= high:
        dead = _zeros(np.any(values, 0))
    kind = activation or guess(low, high, _zeros(values))
    if dropout:
        values = values[values != 0] * (1 - dropout)
    numbers = {"mean": mean, "std": std, "low": low, "high": high}
    return numbers | {"dead": dead, "saturated": _saturated(values, kind)}


def _spread_of(values: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Mean, standard deviation, smallest and largest, the squares in a type that holds them."""
    low, high, mean = values.min(), values.max(), values.mean()
    if values.size < 2:
        return float(mean), 0.0, float(low), float(high)
    away = np.subtract(values, mean, dtype=np.float64).ravel(order="K")
    std = math.sqrt(away.dot(away) / (values.size - 1))
    return float(mean), std, float(low), float(high)


def _zeros(values: NDArray[Any]) -> float:
    """The share of values that are zero."""
    return 1.0 - np.count_nonzero(values) / values.size if values.size else 0.0


def _saturated(values: NDArray[np.float32], kind: str) -> float:
    if not values.size or kind not in ("sigmoid", "tanh"):
        return 0.0
    if kind == "sigmoid":
        flat = (values < _SIGMOID_FLAT) | (values > 1 - _SIGMOID_FLAT)
    else:
        flat = np.abs(values) > _TANH_FLAT
    return np.count_nonzero(flat) / values.size


def guess(low: float, high: float, zeros: float) -> str:
    """The activation that values look like."""
    if low == 0 and zeros > 0.02:
        return "relu"
    if low >= 0 and high <= 1 and zeros == 0:
        return "sigmoid"
    return "tanh" if -1 <= low < 0 < high <= 1 else ""


def participation(rows: Tensor) -> float:
    """How many directions the activations of a layer take: (Σ λ)² / Σ λ² of their covariance.

    1 where all records lie on a line, the number of units where all directions count alike.
    Source: Gao et al. 2017, A theory of multineuronal dimensionality, eq. 5.
    """
    values = rows[:256, :_RANK_UNITS].cpu().numpy().astype(np.float64)
    values -= values.mean(0)
    covariance = values.T @ values
    total = float(np.square(covariance).sum())
    return float(covariance.trace()) ** 2 / total if total > 0 else 0.0


def output_numbers(outputs: Tensor, targets: Tensor | None) -> dict[str, Any]:
    """What the network answered to a batch.

    Returns:
        out_mean, out_std, out_low, out_high; out_sum: largest distance of a row's sum from 1;
        share: of the answer given most often; target_share: of the class most often right;
        target_mean and target_std where the targets are numbers.
    """
    outputs = outputs.detach().float()
    if outputs.dim() < 2:  # one output a record
        outputs = outputs.reshape(-1, 1)
    flat = outputs.reshape(-1, outputs.shape[-1])
    values = flat.cpu().numpy()
    numbers: dict[str, Any] = {
        "batch": len(outputs),
        **dict(
            zip(("out_mean", "out_std", "out_low", "out_high"), _spread_of(values), strict=True)
        ),
        "out_zeros": _zeros(values),
        "out_sum": float(np.abs(values.sum(1) - 1).max()),
        "share": None,
        "target_share": None,
    }
    if outputs.dim() == 2:
        answers = values.argmax(1) if values.shape[1] > 1 else values[:, 0] > 0
        numbers["share"] = _largest_share(answers)
    if targets is not None and len(targets):
        numbers |= target_numbers(targets)
    return numbers


def _largest_share(classes: NDArray[Any]) -> float:
    """Of the class that comes most often."""
    return float(np.bincount(classes).max() / len(classes))


def target_numbers(targets: Tensor) -> dict[str, Any]:
    """The answers that were wanted: see `output_numbers`."""
    if targets.dim() == 1 and not targets.is_floating_point():
        classes = targets.cpu().numpy()
        classes = classes[classes >= 0]  # the others are left out by the loss
        return {"target_share": _largest_share(classes) if len(classes) else None}
    values = targets.float()
    std = values.std().item() if values.numel() > 1 else 0.0
    return {"target_mean": values.mean().item(), "target_std": std}


def norms(tensors: Sequence[Tensor | None]) -> list[float]:
    """The Euclidean norm of each tensor; 0 where there is none."""
    present = [dense(t.detach()) for t in tensors if t is not None]
    found = iter(torch._foreach_norm(present) if present else ())
    return [0.0 if t is None else next(found).item() for t in tensors]


def dense(gradient: Tensor) -> Tensor:
    """A gradient in full, also where an embedding gives only the rows that it used."""
    return gradient.to_dense() if gradient.is_sparse else gradient


def spread(weight: Tensor) -> float:
    """How different the units of a layer are; 0 where they are all alike.

    The largest distance of a unit's weights from the mean unit's, as a share of the largest weight.
    """
    rows = weight.detach().flatten(1)
    largest = rows.abs().max().item()
    return (rows - rows.mean(0)).abs().max().item() / largest if largest > 0 else 0.0


def agreement(one: Tensor | None, other: Tensor | None) -> dict[str, float | None]:
    """How far the gradients of two batches, drawn one after the other, say the same.

    With the mean gradient G and the covariance Σ of single records' gradients, batches of B
    records have E[g₁·g₂] = |G|² and E[|g₁ - g₂|² / 2] = tr Σ / B, the weights being nearly the
    same. Source: McCandlish et al. 2018, An empirical model of large-batch training, app. A.1,
    where batches of two sizes take the place of two batches.

    Returns:
        cosine: of the angle between them; power: g₁·g₂; noise: |g₁ - g₂|² / 2. All None where one
        is not known, zero, not finite or of other weights.
    """
    nothing: dict[str, float | None] = {"cosine": None, "power": None, "noise": None}
    if one is None or other is None or one.shape != other.shape:
        return nothing
    squares, power = (one.dot(one).item(), other.dot(other).item()), one.dot(other).item()
    product = math.sqrt(squares[0]) * math.sqrt(squares[1])
    if not (product > 0 and math.isfinite(product) and math.isfinite(power)):
        return nothing
    return {"cosine": power / product, "power": power, "noise": max(0.0, sum(squares) / 2 - power)}
