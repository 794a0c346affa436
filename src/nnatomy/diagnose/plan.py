"""A training run as something that can be changed and done again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.probe import Probe
from nnatomy.diagnose.record import record
from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.objectives import objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.types import Samples

_UNEVEN = 0.65


@dataclass(frozen=True)
class Plan:
    """How a run is made.

    Args:
        build: Makes the network from its architecture.
        architecture: Settings of the network by name, e.g. hidden, activation, dropout.
        training: How it is trained.
        objective: Name of the loss.
        scale_inputs: Standardize the inputs in a first layer of the network.
        scale_targets: Train on standardized targets.
        drop_not_finite: Leave out records with values that are not finite.
        drop_column: Leave out this input, which tells the answer away.
        find_rate: Search the learning rate by a range test before training.
        balance: Weigh the classes by the inverse of their frequency.
    """

    build: Callable[[Mapping[str, Any]], nn.Module]
    architecture: Mapping[str, Any]
    training: Settings = field(default_factory=Settings)
    objective: str = "cross_entropy"
    scale_inputs: bool = False
    scale_targets: bool = False
    drop_not_finite: bool = False
    drop_column: int | None = None
    find_rate: bool = False
    balance: bool = False


class Standardize(nn.Module):
    """(x - μ) / σ with μ and σ of the training records, column by column or of all pixels.

    Shape: (B, ...) -> (B, ...).
    """

    standardizes = True

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        values = torch.nan_to_num(inputs.float(), posinf=0.0, neginf=0.0)
        axes = (0,) if inputs.dim() == 2 else tuple(range(inputs.dim()))
        spread = values.std(axes, keepdim=True)
        self.register_buffer("mean", values.mean(axes, keepdim=True))
        self.register_buffer("scale", torch.where(spread > 0, spread, torch.ones_like(spread)))

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs with mean 0 and spread 1 over the training records."""
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        return (inputs - mean) / scale


@dataclass(frozen=True)
class Trial:
    """A run that was made by a plan.

    Args:
        plan: How.
        session: The run.
        case: Its record.
        score: On the validation records (on the training records without), of the weights that
            were kept; -inf where training broke off.
    """

    plan: Plan
    session: Session
    case: Case
    score: float


def carry_out(plan: Plan, train: Samples, valid: Samples | None) -> Trial:
    """Make the run of a plan, watched.

    Args:
        plan: What to do.
        train: Training records.
        valid: Validation records.
    """
    with seeded(plan.training.seed):
        network = plan.build(plan.architecture)
    train, valid = _prepared(plan, train), None if valid is None else _prepared(plan, valid)
    if plan.scale_inputs:
        (batch,) = train.batches(torch.arange(min(len(train), 4096)), 4096)
        network = nn.Sequential(Standardize(batch.inputs), network)
    if plan.find_rate:
        plan = _with_found_rate(plan, network, train)
    probe, kept = Probe(), _Kept()
    failure = ""
    try:
        fit(
            network,
            train,
            valid,
            objective=plan.objective,
            settings=plan.training,
            observers=[kept, probe],
        )
    except NonFiniteError as error:
        failure = str(error)
    finally:
        probe.close()
    case = record(kept.session, probe, failure)
    return Trial(plan, kept.session, case, _score(case))


def _with_found_rate(plan: Plan, network: nn.Module, train: Samples) -> Plan:
    """The plan with the learning rate that the range test suggests; as it was where it fails."""
    objective = objective_named(plan.objective)
    try:
        curve = find_learning_rate(network, train, objective=objective, settings=plan.training)
    except SettingError:
        return replace(plan, find_rate=False)
    training = replace(plan.training, lr=curve.suggestion)
    return replace(plan, training=training, find_rate=False)


def _score(case: Case) -> float:
    """The validation score; the mean recall where one class has more than six records in ten."""
    facts = case.facts
    if facts.get("majority", 0.0) > _UNEVEN and facts.get("balanced") is not None:
        return float(facts["balanced"])
    return float(facts.get("valid_score", facts.get("train_score", -math.inf)))


class _Kept(Observer):
    """Holds on to the session, also when `fit` raises."""

    session: Session

    def on_start(self, session: Session) -> None:
        self.session = session


def _prepared(plan: Plan, samples: Samples) -> Samples:
    """The records as the plan wants them."""
    changes = (plan.scale_targets, plan.balance, plan.drop_not_finite)
    if not any(changes) and plan.drop_column is None:
        return samples
    batches = list(samples.batches(None, len(samples)))
    inputs, targets = (torch.cat([b[i] for b in batches]) for i in (0, 1))  # type: ignore[misc]
    weights = None
    if plan.drop_not_finite:
        usable = torch.isfinite(inputs.reshape(len(inputs), -1)).all(1)
        inputs, targets = inputs[usable], targets[usable]
    if plan.drop_column is not None:
        flat = inputs.reshape(len(inputs), -1).clone()
        flat[:, plan.drop_column] = 0
        inputs = flat.reshape(inputs.shape)
    if plan.scale_targets:
        targets = (targets - targets.mean(0)) / targets.std(0).clamp(min=1e-30)
    if plan.balance:
        counts = torch.bincount(targets).float()
        weights = (len(targets) / (counts.gt(0).sum() * counts.clamp(min=1)))[targets]
    return TensorSamples(inputs, targets, weights)
