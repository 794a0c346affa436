"""What training makes small: a loss, with the score that people read and the way to decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nnatomy.errors import DataError, SettingError, nearest
from nnatomy.types import Answers

AUXILIARY_WEIGHT = 0.3
"""Of the losses of auxiliary heads: Szegedy et al. 2015 (arXiv 1409.4842), section 5."""


@dataclass(frozen=True)
class Objective:
    """A loss and what belongs to it.

    Args:
        name: Its name in settings and files.
        loss: (outputs, targets, weights) -> Σ w L / B over the B records, a scalar.
        decode: Outputs -> class probabilities (B, K), or predicted values (B, D).
        score: (outputs, targets, weights) -> the number that people read; higher is better. A
            record of weight 2 counts like the record twice.
        score_name: Its name.
        formula: The loss of one record.
    """

    name: str
    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    decode: Callable[[Tensor], Tensor]
    score: Callable[[Tensor, Tensor, Tensor | None], float]
    score_name: str
    formula: str

    def cost(
        self, answers: Tensor | Answers, targets: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What a step makes small, and the loss that is told: those of the outputs.

        With auxiliary heads a step makes L(outputs) + 0.3 Σ L(auxiliary) small; the loss that is
        told leaves them out, so that it can be compared with the one of the validation records.

        Args:
            answers: What the network returned in training.
            targets: As for `loss`.
            weights: As for `loss`.
        """
        if not isinstance(answers, Answers):
            loss = self.loss(answers, targets, weights)
            return loss, loss
        loss = self.loss(answers.outputs, targets, weights)
        asides = [self.loss(outputs, targets, weights) for outputs in answers.auxiliary]
        return loss + AUXILIARY_WEIGHT * sum(asides), loss

    def mean_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> float:
        """Σ w L / Σ w, in which the scale of the weights plays no part.

        For whole sets of records; the loss of a batch must not be divided so.
        """
        relative = None if weights is None else weights / weights.mean()
        return self.loss(outputs, targets, relative).item()


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    """Σ w L / B: a record of weight 2 pulls twice as hard, in whatever batch it comes.

    Dividing by Σ w instead would take the weights out of a batch of one, and bend them in every
    small one. Weights whose mean over all records is 1 leave the size of the steps as it is.
    """
    return losses.mean() if weights is None else (losses * weights).mean()


def cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """-Σ_k t_k log p_k with p = softmax(outputs), averaged over the records.

    Shape: outputs (B, K), targets (B,) int64, weights (B,) -> ().
    """
    if weights is None:
        return functional.cross_entropy(outputs, targets)
    return _mean(functional.cross_entropy(outputs, targets, reduction="none"), weights)


def binary_cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """-t log p - (1-t) log(1-p) with p = σ(output), averaged over the records.

    Shape: outputs (B, 1), targets (B,) of 0 and 1, weights (B,) -> ().
    """
    losses = functional.binary_cross_entropy_with_logits(
        outputs[:, 0], targets.to(outputs.dtype), reduction="none"
    )
    return _mean(losses, weights)


def _beside(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets in the shape of the outputs: (B,) beside (B, 1) would silently spread to (B, B).

    Raises:
        DataError: There is not one target for each output.
    """
    if targets.numel() != outputs.numel():
        raise DataError(
            f"targets of shape {tuple(targets.shape)} do not fit outputs of shape "
            f"{tuple(outputs.shape)}: give one value for each output unit"
        )
    return targets.reshape(outputs.shape)


def squared_error(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """½ Σ_d (t_d - y_d)², averaged over the records.

    Shape: outputs (B, D), targets (B, D) (or (B,) where D is 1), weights (B,) -> ().
    """
    targets = _beside(outputs, targets)
    if weights is None:
        return 0.5 * outputs.shape[1] * functional.mse_loss(outputs, targets)
    return _mean(0.5 * (outputs - targets).square().sum(1), weights)


def perceptron_criterion(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Σ_k max(0, -t_k a_k) with t_k = 1 for the record's class and -1 for the others.

    Its gradient step on one record is Rosenblatt's rule: w ← w + η t x when t a <= 0. A unit on
    the boundary (a = 0) counts as wrong, so that training starts from zero weights.

    Shape: outputs (B, K), targets (B,) int64, weights (B,) -> ().
    """
    classes = torch.arange(outputs.shape[1], device=outputs.device)
    margins = torch.where(targets[:, None] == classes, outputs, -outputs)
    # In this order a NaN stays one instead of counting as right.
    return _mean(torch.where(margins > 0, 0.0, -margins).sum(1), weights)


def accuracy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> float:
    """Share of the records whose largest output is the target's: Σ w [met] / Σ w."""
    return _average(outputs.argmax(1) == targets, weights).item()


def _binary_accuracy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> float:
    return _average((outputs[:, 0] > 0) == targets, weights).item()


def _average(values: Tensor, weights: Tensor | None) -> Tensor:
    """Σ w v / Σ w over the records, in float64."""
    values = values.double()
    if weights is None:
        return values.mean(0)
    weights = weights.double()
    return weights @ values / weights.sum()


def r2(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> float:
    """1 - Σ w (t - y)² / Σ w (t - mean t)², averaged over the target columns.

    The mean is the weighted one. A column of equal targets counts 1 when it is met exactly and 0
    otherwise.
    """
    targets = _beside(outputs, targets).double()
    residual = _average((targets - outputs.double()).square(), weights)
    total = _average((targets - _average(targets, weights)).square(), weights)
    scores = 1.0 - residual / torch.where(total > 0, total, 1.0)
    scores = torch.where(total > 0, scores, (residual == 0).double())
    return scores.mean().item()


def _softmax(outputs: Tensor) -> Tensor:
    return outputs.softmax(1)


def _both_sides(outputs: Tensor) -> Tensor:
    positive = outputs.sigmoid()
    return torch.cat([1.0 - positive, positive], 1)


def _winner(outputs: Tensor) -> Tensor:
    """A step unit knows no probabilities: the winner gets 1."""
    return functional.one_hot(outputs.argmax(1), outputs.shape[1]).to(outputs.dtype)


def _identity(outputs: Tensor) -> Tensor:
    return outputs


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective(
            "cross_entropy", cross_entropy, _softmax, accuracy, "accuracy", "L = -Σ t_k log p_k"
        ),
        Objective(
            "binary_cross_entropy",
            binary_cross_entropy,
            _both_sides,
            _binary_accuracy,
            "accuracy",
            "L = -t log p - (1-t) log(1-p)",
        ),
        Objective("squared", squared_error, _identity, r2, "r2", "L = ½ (t - y)²"),
        Objective(
            "perceptron",
            perceptron_criterion,
            _winner,
            accuracy,
            "accuracy",
            "L = Σ max(0, -t_k a_k)",
        ),
    )
}


def objective_named(name: str) -> Objective:
    """The objective of this name.

    Raises:
        SettingError: The name is unknown.
    """
    if name not in OBJECTIVES:
        raise SettingError(f"objective '{name}' is unknown: {nearest(name, OBJECTIVES)}")
    return OBJECTIVES[name]
