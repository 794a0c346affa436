"""What guessing costs by a loss of PyTorch's: the loss of the best answer that is always the same.

The loss itself is asked, with its weights and label smoothing, by its forward: no hook is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

OBJECTIVES: dict[str, str] = {
    "CrossEntropyLoss": "cross_entropy",
    "cross_entropy": "cross_entropy",
    "NLLLoss": "nll",
    "nll_loss": "nll",
    "BCEWithLogitsLoss": "binary_cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy",
    "BCELoss": "binary_probability",
    "binary_cross_entropy": "binary_probability",
    "MSELoss": "squared",
    "mse_loss": "squared",
    "L1Loss": "absolute",
    "l1_loss": "absolute",
    "SmoothL1Loss": "smooth_absolute",
    "smooth_l1_loss": "smooth_absolute",
    "HuberLoss": "huber",
    "huber_loss": "huber",
    "PoissonNLLLoss": "poisson",
    "poisson_nll_loss": "poisson",
}
"""What each loss is called in the facts, by the name of its class or function."""
VALUES = frozenset({"squared", "absolute", "smooth_absolute", "huber", "poisson"})
"""Losses of numbers, whatever type these have."""
_MOST = 1 << 24
"""Numbers that an answer to all records may hold; of more records an even part is judged."""
_TINY, _SURE = 1e-30, 1000.0


def objective_of(loss: object) -> str:
    """The name of the objective; "" of one that is not known."""
    name = type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", "")
    return OBJECTIVES.get(name, "")


def loss_of_guessing(loss: object, targets: Tensor, outputs: Tensor) -> tuple[float, float] | None:
    """What the best constant answer costs, and what the right answers would.

    Args:
        loss: A loss module of PyTorch's, or its function, both with the mean as reduction.
        targets: Of all records, as the loss is given them.
        outputs: Of some records, which tell the number of classes.

    Returns:
        The losses of guessing and of the right answers, the latter 0 unless labels are smoothed,
        shared by several classes or counts; None for other losses, and where the loss refuses.
    """
    judge = _judge(loss)
    if judge is None or not len(targets):
        return None
    buffers = [b for b in loss.buffers() if b is not None] if isinstance(loss, nn.Module) else []
    like = buffers[0] if buffers else torch.zeros((), dtype=torch.float64)
    answers = _ANSWERS[objective_of(loss)]
    numbers = targets.is_floating_point() or objective_of(loss) in VALUES
    targets = targets.to(like.device, like.dtype if numbers else torch.long)
    try:
        with torch.no_grad():
            guesses, right = answers(loss, targets, outputs.to(like.device, like.dtype))
            found = min(_asked(judge, guess, targets) for guess in guesses)
            best = 0.0 if right is None else _asked(judge, right, targets)
    except (RuntimeError, ValueError, IndexError):
        return None  # weights of each record of a batch, say
    return (found, best) if math.isfinite(found) and math.isfinite(best) else None


def value_of(loss: object, outputs: Tensor, targets: Tensor) -> float | None:
    """What a loss of PyTorch's gives with the mean as reduction; None for others."""
    judge = _judge(loss)
    try:
        with torch.no_grad():
            outputs = outputs.float() if outputs.is_floating_point() else outputs
            return None if judge is None else judge(outputs, targets).item()
    except (RuntimeError, ValueError, IndexError):
        return None


def _judge(loss: object) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The loss as a function, only where it is PyTorch's own."""
    name = getattr(loss, "__name__", "")
    if isinstance(loss, nn.Module):
        own = type(loss) is getattr(nn, type(loss).__name__, None)
        name = type(loss).__name__ if own and getattr(loss, "reduction", "") == "mean" else ""
        return loss.forward if name in OBJECTIVES else None
    own = name in OBJECTIVES and loss is getattr(functional, name, None)
    return loss if own and callable(loss) else None


Answers = tuple[Sequence[Tensor], Tensor | None]
"""Constant answers to all records, the best of which counts; and the right answers."""


def _asked(judge: Callable[[Tensor, Tensor], Tensor], answers: Tensor, targets: Tensor) -> float:
    """The loss of answers, on as many records as there are answers."""
    return judge(answers, targets[_part(len(targets), len(answers))]).item()


def _part(count: int, most: int) -> slice | Tensor:
    """All of so many places, or as many of them as may be, evenly spaced."""
    return slice(None) if most >= count else torch.linspace(0, count - 1, most).long()


def _weights(loss: Any, outputs: Tensor) -> Tensor:
    weights = getattr(loss, "weight", None)
    return outputs.new_ones(outputs.shape[1]) if weights is None else weights


def _classes(loss: Any, targets: Tensor, outputs: Tensor) -> Answers:
    """Log shares of the classes, as the loss weighs them."""
    classes, rest = outputs.shape[1], outputs.shape[2:]
    smooth = float(getattr(loss, "label_smoothing", 0.0))
    weights = _weights(loss, outputs)
    if targets.is_floating_point():  # (N, C, ...)
        pulls = targets.movedim(1, -1).reshape(-1, classes).mean(0)
    else:
        kept = targets[targets != getattr(loss, "ignore_index", -100)]
        pulls = torch.bincount(kept, minlength=classes).to(weights) / max(1, len(kept))
    pulls = weights * ((1 - smooth) * pulls + smooth / classes)
    most = max(1, min(len(targets), _MOST // max(1, math.prod(outputs.shape[1:]))))
    shape = (1, classes, *[1] * len(rest))
    guess = _log(pulls / pulls.sum()).reshape(shape).expand(most, classes, *rest)
    if not (smooth or targets.is_floating_point()):
        return [guess], None
    own = targets[_part(len(targets), most)]
    if not targets.is_floating_point():
        own = own.masked_fill(own == getattr(loss, "ignore_index", -100), 0)
        own = functional.one_hot(own.clamp(min=0), classes).movedim(-1, 1).to(weights)
    return [guess], _log(weights.reshape(shape) * ((1 - smooth) * own + smooth / classes))


def _log(shares: Tensor) -> Tensor:
    """Of no share a very small number, which no other number is changed by."""
    return shares.clamp(min=_TINY).log()


def _log_odds(loss: Any, targets: Tensor, _outputs: Tensor) -> Answers:
    more = getattr(loss, "pos_weight", None)

    def answer(shares: Tensor) -> Tensor:
        odds = shares.log() - (1 - shares).log()
        odds = odds if more is None else odds + more.log()
        return odds.clamp(-_SURE, _SURE).expand(targets.shape)

    soft = bool(((targets > 0) & (targets < 1)).any())
    return [answer(targets.mean(0, keepdim=True))], answer(targets) if soft else None


def _probability(_loss: Any, targets: Tensor, _outputs: Tensor) -> Answers:
    return [targets.mean(0, keepdim=True).expand(targets.shape)], targets


def _mean(_loss: Any, targets: Tensor, _outputs: Tensor) -> Answers:
    return [targets.mean(0, keepdim=True).expand(targets.shape)], None


def _center(_loss: Any, targets: Tensor, _outputs: Tensor) -> Answers:
    """Mean and median, between which the best answer lies."""
    centers = targets.mean(0, keepdim=True), targets.median(0, keepdim=True).values
    return [center.expand(targets.shape) for center in centers], None


def _rate(loss: Any, targets: Tensor, _outputs: Tensor) -> Answers:
    def answer(counts: Tensor) -> Tensor:
        return _log(counts) if getattr(loss, "log_input", True) else counts

    mean = targets.mean(0, keepdim=True).expand(targets.shape)
    return [answer(mean)], answer(targets)


_ANSWERS: dict[str, Callable[[Any, Tensor, Tensor], Answers]] = {
    "cross_entropy": _classes,
    "nll": _classes,
    "binary_cross_entropy": _log_odds,
    "binary_probability": _probability,
    "squared": _mean,
    "absolute": _center,
    "smooth_absolute": _center,
    "huber": _center,
    "poisson": _rate,
}
