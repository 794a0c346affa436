"""Batch normalization by the printed algorithm, and whitening, its costly ancestor.

Networks train with torch.nn.BatchNorm1d and 2d; these functions are the formulas, to look at and
to check by.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nnatomy.errors import DataError, SettingError, nearest

_METHODS = ("pca", "zca")


class Normalized(NamedTuple):
    """A normalized batch and what it was normalized with.

    Shape: values (m, d), mean (d,), variance (d,).
    """

    values: Tensor
    mean: Tensor
    variance: Tensor


def batch_norm_training(
    x: Tensor, gamma: Tensor, beta: Tensor, *, epsilon: float = 1e-5
) -> Normalized:
    """y = γ x̂ + β with x̂ = (x - μ) / sqrt(σ² + ε), μ and σ² being those of the batch.

    σ² is divided by m, the number of records. Source: Ioffe and Szegedy 2015, arXiv 1502.03167,
    algorithm 1.

    Shape: x (m, d), gamma (d,), beta (d,).

    Raises:
        DataError: There are fewer than two records.
    """
    if len(x) < 2:
        raise DataError(f"a batch of {len(x)} has no spread to divide by: give two records or more")
    mean = x.mean(0)
    variance = (x - mean).square().mean(0)
    return Normalized(batch_norm_test(x, gamma, beta, mean, variance, epsilon), mean, variance)


def batch_norm_test(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float = 1e-5,
) -> Tensor:
    """y = γ (x - E[x]) / sqrt(Var[x] + ε) + β with averages over the batches of training.

    The slide says that γ and β are averaged; they are learned. Averaged are mean and variance.
    Source: Ioffe and Szegedy 2015, algorithm 2.

    Shape: x (m, d), all others (d,) -> (m, d).
    """
    return gamma * (x - mean) / torch.sqrt(variance + epsilon) + beta


def running_averages(
    mean: Tensor, variance: Tensor, batch: Normalized, *, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    """The averages after one more batch: (1 - α) old + α new.

    The batch's variance enters with the divisor m - 1, as an estimate of that of all records.

    Args:
        mean: (d,) before.
        variance: (d,) before.
        batch: The normalized batch.
        momentum: α.
    """
    count = len(batch.values)
    unbiased = batch.variance * count / (count - 1)
    return (
        (1 - momentum) * mean + momentum * batch.mean,
        (1 - momentum) * variance + momentum * unbiased,
    )


def whiten(x: Tensor, *, method: Literal["pca", "zca"] = "zca", epsilon: float = 0.0) -> Tensor:
    """Records whose features have mean 0, variance 1 and no correlation.

    With the covariance Σ = U Λ Uᵀ: pca gives (x - μ) U Λ^(-1/2), zca turns back, U Λ^(-1/2) Uᵀ,
    and so stays closest to x. It costs O(m d² + d³) for each batch, where batch normalization costs
    O(m d). Source: Kessy, Lewin, Strimmer 2018, The American Statistician 72.

    Args:
        x: (m, d).
        method: "pca" or "zca".
        epsilon: Added to the eigenvalues; needed where features are linearly dependent.

    Shape: (m, d) -> (m, d).

    Raises:
        DataError: The features are linearly dependent and epsilon is 0, or a value is not finite.
        SettingError: The method is unknown.
    """
    if method not in _METHODS:
        raise SettingError(f"method '{method}' is unknown: {nearest(method, _METHODS)}")
    if not bool(torch.isfinite(x).all()):
        raise DataError("a value is not finite: leave its record out, or fill the gap")
    centered = (x - x.mean(0)).double()
    covariance = centered.T @ centered / (len(x) - 1)
    eigenvalues, directions = torch.linalg.eigh(covariance)
    eigenvalues = eigenvalues.clamp(min=0)  # rounding may leave them a little below
    smallest = eigenvalues[-1] * torch.finfo(x.dtype).eps * len(eigenvalues)
    if epsilon == 0.0 and bool(eigenvalues[0] <= smallest):
        raise DataError(
            "the features are linearly dependent (fewer records than features, a constant or a "
            "repeated one): leave some out, or give an epsilon"
        )
    scaled: Tensor = centered @ directions / torch.sqrt(eigenvalues + epsilon)
    return (scaled if method == "pca" else scaled @ directions.T).to(x.dtype)
