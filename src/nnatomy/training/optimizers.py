"""The update rules of the lecture, each on one flat vector.

torch.optim does the arithmetic through its documented functional form: the same kernels, called
once for the whole network, without the per-parameter bookkeeping of the optimizer objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim.adadelta import adadelta
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from nnatomy.errors import SettingError, nearest

_EPSILON = 1e-8


@dataclass
class Rule:
    """An update rule bound to a vector of weights.

    Args:
        slots: What the rule remembers between steps, by name; saved in checkpoints.
        update: Changes the weights in place, given the learning rate.
    """

    slots: dict[str, Tensor]
    update: Callable[[float], None]


def _has_fused_kernel(weights: Tensor) -> bool:
    return weights.device.type in ("cpu", "cuda") and weights.is_floating_point()


def _plain(weights: Tensor, gradient: Tensor, _momentum: float) -> Rule:
    """w ← w - η ∇J."""

    def update(lr: float) -> None:
        weights.add_(gradient, alpha=-lr)

    return Rule({}, update)


def _with_velocity(nesterov: bool) -> Callable[[Tensor, Tensor, float], Rule]:
    def build(weights: Tensor, gradient: Tensor, momentum: float) -> Rule:
        velocity = torch.zeros_like(weights)

        def update(lr: float) -> None:
            sgd(
                [weights],
                [gradient],
                [velocity],
                foreach=False,
                fused=_has_fused_kernel(weights),
                weight_decay=0.0,
                momentum=momentum,
                lr=lr,
                dampening=0.0,
                nesterov=nesterov and momentum > 0,
                maximize=False,
            )

        return Rule({"velocity": velocity}, update)

    return build


def _adagrad(weights: Tensor, gradient: Tensor, _momentum: float) -> Rule:
    """G ← G + ∇J²;  w ← w - η ∇J / (sqrt(G) + ε). Source: Duchi et al. 2011, JMLR 12."""
    squares, count = torch.zeros_like(weights), torch.zeros((), device=weights.device)

    def update(lr: float) -> None:
        adagrad(
            [weights],
            [gradient],
            [squares],
            [count],
            foreach=False,
            lr=lr,
            weight_decay=0.0,
            lr_decay=0.0,
            eps=1e-10,
            maximize=False,
        )

    return Rule({"squares": squares, "count": count}, update)


def _adadelta(weights: Tensor, gradient: Tensor, _momentum: float) -> Rule:
    """Δw = -RMS[Δw] / RMS[∇J] ∇J with decay 0.9. Source: Zeiler 2012, arXiv 1212.5701."""
    squares, changes = torch.zeros_like(weights), torch.zeros_like(weights)
    count = torch.zeros((), device=weights.device)

    def update(lr: float) -> None:
        adadelta(
            [weights],
            [gradient],
            [squares],
            [changes],
            [count],
            foreach=False,
            lr=lr,
            rho=0.9,
            eps=1e-6,
            weight_decay=0.0,
            maximize=False,
        )

    return Rule({"squares": squares, "changes": changes, "count": count}, update)


def _rmsprop(weights: Tensor, gradient: Tensor, momentum: float) -> Rule:
    """E ← γ E + (1-γ) ∇J²;  w ← w - η ∇J / (sqrt(E) + ε), with γ the `momentum` setting.

    Source: Tieleman and Hinton 2012, lecture 6.5 of Neural networks for machine learning.
    """
    squares, count = torch.zeros_like(weights), torch.zeros((), device=weights.device)

    def update(lr: float) -> None:
        rmsprop(
            [weights],
            [gradient],
            [squares],
            [],
            [],
            [count],
            foreach=False,
            lr=lr,
            alpha=momentum,
            eps=_EPSILON,
            weight_decay=0.0,
            momentum=0.0,
            centered=False,
        )

    return Rule({"squares": squares, "count": count}, update)


def _adam(weights: Tensor, gradient: Tensor, _momentum: float) -> Rule:
    """m ← β₁ m + (1-β₁) ∇J;  v ← β₂ v + (1-β₂) ∇J²;  w ← w - η m̂ / (sqrt(v̂) + ε).

    m̂ and v̂ are corrected for their start at zero; β = (0.9, 0.999).
    Source: Kingma and Ba 2015, arXiv 1412.6980, algorithm 1.
    """
    mean, squares = torch.zeros_like(weights), torch.zeros_like(weights)
    count = torch.zeros((), device=weights.device)
    slots = {"mean": mean, "squares": squares, "count": count}
    if _has_fused_kernel(weights) and hasattr(torch, "_fused_adam_"):
        return Rule(slots, partial(_fused_adam, weights, gradient, slots))
    return Rule(slots, partial(_functional_adam, weights, gradient, slots))


def _fused_adam(weights: Tensor, gradient: Tensor, slots: dict[str, Tensor], lr: float) -> None:
    """The kernel that torch.optim.adam calls, without the 10 µs of checks around it."""
    torch._fused_adam_(
        [weights],
        [gradient],
        [slots["mean"]],
        [slots["squares"]],
        [],
        [slots["count"].add_(1)],
        lr=lr,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=_EPSILON,
        amsgrad=False,
        maximize=False,
    )


def _functional_adam(
    weights: Tensor, gradient: Tensor, slots: dict[str, Tensor], lr: float
) -> None:
    adam(
        [weights],
        [gradient],
        [slots["mean"]],
        [slots["squares"]],
        [],
        [slots["count"]],
        foreach=False,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=lr,
        weight_decay=0.0,
        eps=_EPSILON,
        maximize=False,
    )


OPTIMIZERS: dict[str, Callable[[Tensor, Tensor, float], Rule]] = {
    "sgd": _plain,
    "momentum": _with_velocity(nesterov=False),
    "nesterov": _with_velocity(nesterov=True),
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "rmsprop": _rmsprop,
    "adam": _adam,
}


def build_optimizer(name: str, weights: Tensor, gradient: Tensor, momentum: float) -> Rule:
    """Bind an update rule to the flat weights and their gradient.

    Args:
        name: A name of OPTIMIZERS.
        weights: (P,) changed in place by every update.
        gradient: (P,) read at every update.
        momentum: γ of momentum, nesterov and rmsprop.

    Raises:
        SettingError: The name is unknown.
    """
    if name not in OPTIMIZERS:
        raise SettingError(f"optimizer '{name}' is unknown: {nearest(name, OPTIMIZERS)}")
    return OPTIMIZERS[name](weights, gradient, momentum)
