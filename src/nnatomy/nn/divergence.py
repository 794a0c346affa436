"""How much one distribution differs from another."""

from __future__ import annotations

import torch
from torch import Tensor


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ_k p_k log(p_k / q_k), the nats lost by taking q for p.

    It is the cross-entropy of p and q minus the entropy of p; 0 where p_k = 0, and infinite where
    q_k = 0 < p_k. NaN where a value is NaN or negative, which no probability is.
    Source: Kullback and Leibler 1951, Annals of Mathematical Statistics 22.

    Shape: p (..., K), q (..., K), each summing to 1 over k -> (...).
    """
    # Where p is 0 the term is 0, whatever q is; ones there keep the gradient finite. Asked with !=
    # so that NaN and negative values are not taken for 0.
    present = (p != 0) | ~(q >= 0)
    ratio = torch.where(present, p, 1.0).log() - torch.where(present, q, 1.0).log()
    return torch.where(present, p * ratio, 0.0).sum(-1)
