"""Healing an estimator: its training diagnosed, remedies tried, what helps kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from torch import Tensor, nn

from nnatomy.diagnose.healing import Healing, heal
from nnatomy.diagnose.plan import Plan, Rescale, carry_out
from nnatomy.estimators.records import Records
from nnatomy.models.mlp import MLP
from nnatomy.training.settings import Settings

ARCHITECTURE = {
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "dropout": "dropout",
    "batch_norm": "batch_norm",
    "init": "init",
    "residual": "residual",
}
TRAINING = {
    "lr": "learning_rate_init",
    "batch_size": "batch_size",
    "l1": "l1",
    "l2": "alpha",
    "epochs": "max_iter",
    "patience": "n_iter_no_change",
    "clip_norm": "clip_norm",
    "shuffle": "shuffle",
}
"""What the plan's settings are called in the estimators."""


def heal_records(
    architecture: Mapping[str, Any],
    training: Settings,
    objective: str,
    records: tuple[Records, Records],
    outputs: int,
) -> Healing:
    """Train on records, diagnose, and try remedies.

    Args:
        architecture: Of the multi-layer perceptron, by the names of ARCHITECTURE.
        training: How it is trained.
        objective: Its loss.
        records: To train on, and to validate on.
        outputs: Units of the output layer.
    """
    train, valid = (part.samples() for part in records)
    build = partial(_build, records[0].inputs.shape[1], outputs)
    plan = Plan(build, architecture, training, objective)
    return heal(carry_out(plan, train, valid), train, valid)


def _build(inputs: int, outputs: int, architecture: Mapping[str, Any]) -> nn.Module:
    return MLP(inputs, outputs, **architecture)


def healed_network(healing: Healing, targets: Tensor) -> nn.Module:
    """The network of the last run, answering in the units of the targets."""
    network = healing.after.session.network
    if healing.after.plan.scale_targets:
        network = nn.Sequential(network, Rescale(targets))
    return network.eval()


def changed_parameters(healing: Healing) -> dict[str, Any]:
    """The estimator's parameters that were changed, with their new values."""
    before, after = healing.before.plan, healing.after.plan
    changed = {
        ARCHITECTURE[name]: value
        for name, value in after.architecture.items()
        if value != before.architecture[name]
    }
    changed |= {
        name: getattr(after.training, setting)
        for setting, name in TRAINING.items()
        if getattr(after.training, setting) != getattr(before.training, setting)
    }
    if after.balance:
        changed["class_weight"] = "balanced"
    return changed


def attempts_of(healing: Healing) -> list[dict[str, Any]]:
    """Everything that was tried, as plain values."""
    return [asdict(attempt) for attempt in healing.attempts]
