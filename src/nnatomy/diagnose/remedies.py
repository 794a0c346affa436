"""What can be changed in a run against each illness, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.plan import Plan

Change = Callable[[Plan, Case], Plan | None]
_BATCH = 32
_UNEVEN = 0.6


@dataclass(frozen=True)
class Remedy:
    """One change of a plan.

    Args:
        name: What is changed, as a person would type it.
        change: Makes the new plan; None where there is nothing to change.
    """

    name: str
    change: Change


def _trained(**settings: Any) -> Change:
    def change(plan: Plan, _case: Case) -> Plan | None:
        return _differs(plan, replace(plan, training=replace(plan.training, **settings)))

    return change


def _differs(plan: Plan, new: Plan) -> Plan | None:
    return None if new == plan else new


def _built(required: str, **settings: Any) -> Change:
    """Settings of the network; of those after the first, only what the network has."""

    def change(plan: Plan, _case: Case) -> Plan | None:
        if required not in plan.architecture:
            return None
        own = {k: v for k, v in settings.items() if k in plan.architecture}
        return _differs(plan, replace(plan, architecture={**plan.architecture, **own}))

    return change


def _times(factor: float) -> Change:
    def change(plan: Plan, _case: Case) -> Plan | None:
        return replace(plan, training=replace(plan.training, lr=plan.training.lr * factor))

    return change


def _fresh_start(plan: Plan, case: Case) -> Plan | None:
    """Random weights of the size that suits the activation, biases at 0."""
    activation = plan.architecture.get("activation", "relu")
    scheme = "xavier_normal" if activation in ("tanh", "sigmoid") else "he_normal"
    return _built("init", init=scheme, gain=1.0, bias=0.0)(plan, case)


def _without_column(plan: Plan, case: Case) -> Plan | None:
    column = case.facts.get("single_column")
    return None if column is None else _differs(plan, replace(plan, drop_column=int(column)))


def _wider(plan: Plan, case: Case) -> Plan | None:
    hidden = plan.architecture.get("hidden")
    if not isinstance(hidden, tuple | list) or not hidden:
        return None
    widths = tuple(max(32, 8 * width) for width in hidden)
    residual = bool(plan.architecture.get("residual")) and _can_be_residual(widths)
    return _built("hidden", hidden=widths, residual=residual)(plan, case)


def _shallower(plan: Plan, case: Case) -> Plan | None:
    hidden = plan.architecture.get("hidden")
    if not isinstance(hidden, tuple | list) or len(hidden) < 3:
        return None
    # Two layers need no shortcut, and can have none where their widths differ.
    change = _built(
        "hidden", hidden=tuple(hidden[:2]), activation="relu", init="he_normal", residual=False
    )
    return change(plan, case)


def _can_be_residual(widths: Sequence[int]) -> bool:
    """Whether a hidden layer is as wide as the one before; inputs are not known here."""
    return any(width == following for width, following in pairwise(widths))


def _residual(plan: Plan, case: Case) -> Plan | None:
    """Shortcuts, where a hidden layer is as wide as the one before.

    With tanh and small weights: ReLU adds nothing below 0, so that sums only rise (He et al. 2016,
    Identity mappings in deep residual networks, 4.1), from He's initialization 1.6-fold with each
    layer; what many layers add must be small (Hanin and Rolnick 2018, How to start training).
    """
    hidden = plan.architecture.get("hidden")
    if not isinstance(hidden, tuple | list) or not _can_be_residual(hidden):
        return None
    change = _built(
        "residual", residual=True, activation="tanh", init="default", gain=1.0, bias=0.0
    )
    return change(plan, case)


def _more_epochs(plan: Plan, _case: Case) -> Plan | None:
    return replace(plan, training=replace(plan.training, epochs=5 * plan.training.epochs))


def _flag(name: str) -> Change:
    """Switch on something that the plan itself does."""
    flags: dict[str, Any] = {name: True}
    return lambda plan, _case: _differs(plan, replace(plan, **flags))


def _both(plan: Plan, case: Case, *remedies: Remedy) -> Plan | None:
    changed = plan
    for remedy in remedies:
        changed = remedy.change(changed, case) or changed
    return _differs(plan, changed)


def _unregularized(plan: Plan, case: Case) -> Plan | None:
    plain = _trained(l1=0.0, l2=0.0)(plan, case) or plan
    return _differs(plan, _built("dropout", dropout=0.0)(plain, case) or plain)


def _balanced(plan: Plan, case: Case) -> Plan | None:
    """Class weights, where one class has most of the records and none are set."""
    uneven = (case.facts.get("majority") or 0.0) > _UNEVEN and not case.facts.get("weighted")
    return _flag("balance")(plan, case) if uneven else None


FRESH = Remedy("initial weights by He or Xavier, biases 0", _fresh_start)
RELU = Remedy(
    "activation=relu init=he_normal",
    _built("activation", activation="relu", init="he_normal", gain=1.0, bias=0.0),
)
NORMALIZED = Remedy(
    "batch_norm=true activation=relu init=he_normal",
    _built("batch_norm", batch_norm=True, activation="relu", init="he_normal", gain=1.0, bias=0.0),
)
RESIDUAL = Remedy("residual=true activation=tanh init=default", _residual)
SCALED = Remedy("standardized inputs", _flag("scale_inputs"))
LOWER = [Remedy(f"lr / {factor}", _times(1 / factor)) for factor in (10, 30, 100, 300)]
HIGHER = [Remedy(f"lr × {factor}", _times(factor)) for factor in (10, 100, 1000, 3000)]
FOUND = Remedy("lr=auto", _flag("find_rate"))
CLIPPED = Remedy("clip_norm=1", _trained(clip_norm=1.0))
MINI = Remedy(f"batch_size={_BATCH}", _trained(batch_size=_BATCH))
LONGER = Remedy("epochs × 5", _more_epochs)
EARLY = Remedy("patience=15", _trained(patience=15))
DROPOUT = Remedy("dropout=0.3", _built("dropout", dropout=0.3))
DECAY = Remedy("l2=1", _trained(l2=1.0))

STEPS = (("/ 3", 1 / 3), ("× 3", 3.0), ("/ 10", 0.1), ("× 10", 10.0))
BALANCED = Remedy("class_weight=balanced", _balanced)
MINI_LONGER = Remedy(
    f"batch_size={_BATCH} epochs × 5", lambda plan, case: _both(plan, case, MINI, LONGER)
)

TUNING = (LONGER, *(Remedy(f"lr {name}", _times(by)) for name, by in STEPS))
"""What may bring more once an illness is gone."""

REMEDIES: Mapping[str, list[Remedy]] = {
    "non_finite": [
        Remedy("without records that are not finite", _flag("drop_not_finite")),
        *LOWER,
        CLIPPED,
        FRESH,
        SCALED,
    ],
    "inputs_not_scaled": [SCALED],
    "targets_not_scaled": [Remedy("standardized targets", _flag("scale_targets"))],
    "wrong_output": [Remedy("a linear output layer", _built("output", output=None))],
    "leakage": [Remedy("without the input that tells the answer", _without_column)],
    "unshuffled": [Remedy("shuffle=true", _trained(shuffle=True))],
    "symmetric_start": [FRESH],
    "frozen_parameters": [Remedy("all parameters trained", _built("frozen", frozen=()))],
    "batch_norm_tiny_batch": [
        MINI_LONGER,
        MINI,
        Remedy("batch_norm=false", _built("batch_norm", batch_norm=False)),
    ],
    "vanishing_gradients": [
        # Shortcuts first: whatever makes the finding go ends the search, and of what does, they let
        # the most be learned (bench/clinic).
        *(RESIDUAL, RELU, NORMALIZED),
        Remedy("two hidden layers", _shallower),
    ],
    "exploding_gradients": [FRESH, NORMALIZED, CLIPPED, *LOWER],
    "dead_relus": [
        FRESH,
        Remedy("activation=leaky_relu", _built("activation", activation="leaky_relu")),
        *LOWER,
    ],
    "saturated_units": [FRESH, RELU, NORMALIZED, *LOWER],
    "learning_rate_too_high": [*LOWER, FOUND, CLIPPED],
    "learning_rate_too_low": [*HIGHER, FOUND],
    "batch_too_small": [
        MINI,
        MINI_LONGER,
        *LOWER,
    ],
    "batch_too_large": [MINI, LONGER],
    "over_regularized": [
        Remedy("l1=0 l2=0 dropout=0", _unregularized),
    ],
    "label_noise": [EARLY, DECAY, DROPOUT],
    "too_little_capacity": [Remedy("wider hidden layers", _wider)],
    "overfitting": [DROPOUT, DECAY, EARLY],
    "majority_collapse": [
        BALANCED,
        LONGER,
        HIGHER[0],
        Remedy(
            "class_weight=balanced epochs × 5",
            lambda plan, case: _both(plan, case, BALANCED, LONGER),
        ),
    ],
}
"""By the name of the check."""
