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
from nnatomy.diagnose.examination import examine_records
from nnatomy.diagnose.probe import Probe
from nnatomy.diagnose.record import record
from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.objectives import objective_named
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.types import Samples

_UNEVEN = 0.65
_ROUNDING = 1e-6


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
        mean = values.mean(axes, keepdim=True)
        spread = (values - mean).square().sum(axes, keepdim=True)
        spread = (spread / max(1, values.numel() // mean.numel() - 1)).sqrt()
        varied = spread > _ROUNDING * mean.abs()  # a constant column has the spread of rounding
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(varied, spread, torch.ones_like(spread)))

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs with mean 0 and spread 1 over the training records."""
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        return (inputs - mean) / scale


class Rescale(nn.Module):
    """μ + σ y: the answers of a network that learned standardized targets.

    Shape: (B, D) -> (B, D).
    """

    def __init__(self, targets: Tensor) -> None:
        super().__init__()
        mean, spread = _scale_of(targets)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", spread)

    def forward(self, outputs: Tensor) -> Tensor:
        """The answers in the units of the targets."""
        return self.get_buffer("mean") + self.get_buffer("scale") * outputs


def _scale_of(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each target; a spread of 1 where all are alike."""
    spread = targets.std(0) if len(targets) > 1 else torch.zeros_like(targets[0])
    return targets.mean(0), torch.where(spread > 0, spread, 1.0)


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


Examined = dict[tuple[Any, ...], dict[str, Any]]
"""Facts about records, by what plans wanted of these."""


def carry_out(
    plan: Plan, train: Samples, valid: Samples | None, examined: Examined | None = None
) -> Trial:
    """Make the run of a plan, watched.

    Args:
        plan: What to do.
        train: Training records.
        valid: Validation records.
        examined: Facts about the training records that plans before this one found, and this one
            adds to, so that records which stay as they are need not be looked at again.
    """
    with seeded(plan.training.seed):
        network = plan.build(plan.architecture)
    if _changes(plan):
        learned = _loaded(train, plan)
        valid = None if valid is None else _prepared(plan, _loaded(valid, plan), learned.targets)
        train = _prepared(plan, learned, learned.targets)
    if plan.scale_inputs:
        (batch,) = train.batches(torch.arange(min(len(train), 4096)), 4096)
        network = nn.Sequential(Standardize(batch.inputs), network)
    if plan.find_rate:
        plan = _with_found_rate(plan, network, train)
    probe, failure = Probe(), ""
    try:
        fit(
            network,
            train,
            valid,
            objective=plan.objective,
            settings=plan.training,
            observers=[probe],
        )
    except NonFiniteError as error:
        failure = str(error)
    finally:
        probe.close()
    assert probe.session is not None
    examined, wanted = {} if examined is None else examined, _wanted(plan)
    if wanted not in examined:
        examined[wanted] = examine_records(train, plan.objective)
    case = record(probe.session, probe, failure, examined[wanted])
    return Trial(plan, probe.session, case, score_of(case))


def _with_found_rate(plan: Plan, network: nn.Module, train: Samples) -> Plan:
    """The plan with the learning rate that the range test suggests; as it was where it fails."""
    objective = objective_named(plan.objective)
    try:
        curve = find_learning_rate(network, train, objective=objective, settings=plan.training)
    except SettingError:
        return replace(plan, find_rate=False)
    training = replace(plan.training, lr=curve.suggestion)
    return replace(plan, training=training, find_rate=False)


def score_of(case: Case) -> float:
    """The validation score; the mean recall where one class has more than six records in ten."""
    facts = case.facts
    if facts.get("majority", 0.0) > _UNEVEN and facts.get("balanced") is not None:
        return float(facts["balanced"])
    return float(facts.get("valid_score", facts.get("train_score", -math.inf)))


def _changes(plan: Plan) -> bool:
    """Whether the plan wants other records than those that are there."""
    return _wanted(plan) != (False, False, False, None)


def _wanted(plan: Plan) -> tuple[Any, ...]:
    """What the plan changes in the records."""
    return plan.scale_targets, plan.balance, plan.drop_not_finite, plan.drop_column


def _loaded(samples: Samples, plan: Plan) -> TensorSamples:
    """The records in memory; without those that are not finite, where the plan drops them."""
    batches = list(samples.batches(None, len(samples)))
    inputs, targets = (torch.cat([b[i] for b in batches]) for i in (0, 1))  # type: ignore[misc]
    given = [b.weights for b in batches if b.weights is not None]
    weights = torch.cat(given) if given else None
    if plan.drop_not_finite:
        usable = _finite(inputs) & _finite(targets)
        inputs, targets = inputs[usable], targets[usable]
        weights = None if weights is None else weights[usable]
    return TensorSamples(inputs, targets, weights)


def _finite(values: Tensor) -> Tensor:
    return torch.isfinite(values.reshape(len(values), -1)).all(1)


def _prepared(plan: Plan, samples: TensorSamples, learned: Tensor) -> TensorSamples:
    """The records as the plan wants them.

    Args:
        plan: What is wanted.
        samples: Training or validation records.
        learned: The targets of the training records, which alone tell means and frequencies.
    """
    inputs, targets, weights = samples.inputs, samples.targets, samples.weights
    if plan.drop_column is not None:
        flat = inputs.reshape(len(inputs), -1).clone()
        flat[:, plan.drop_column] = 0
        inputs = flat.reshape(inputs.shape)
    if plan.scale_targets:
        mean, spread = _scale_of(learned)
        targets = (targets - mean) / spread
    if plan.balance:
        most = int(torch.cat([learned, targets]).max()) + 1
        counts = torch.bincount(learned, minlength=most).float()
        own = (len(learned) / (counts.gt(0).sum() * counts.clamp(min=1)))[targets]
        weights = own if weights is None else weights * own
    return TensorSamples(inputs, targets, weights)
