"""Trying remedies on a run that has findings, for nnatomy train --heal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from nnatomy.data.prepared import Prepared
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.healing import heal
from nnatomy.diagnose.plan import Plan as Treatment
from nnatomy.diagnose.plan import Trial, carry_out, score_of
from nnatomy.jobs.config import Plan
from nnatomy.jobs.data_lines import Say
from nnatomy.jobs.weighting import weighted
from nnatomy.models.catalog import build_network
from nnatomy.training.session import Session

_TRIAL_EPOCHS = 60
"""Remedies are tried on runs of so many epochs at most."""


@dataclass(frozen=True)
class Healed:
    """What is to be concluded after healing.

    Args:
        plan: How the run that is kept was made.
        session: That run.
        case: Its record.
        attempts: Every remedy that was tried, as plain values.
    """

    plan: Plan
    session: Session
    case: Case
    attempts: list[dict[str, Any]]


def heal_run(before: Healed, prepared: Prepared, class_weight: str | None, say: Say) -> Healed:
    """Try remedies on short runs of the same seed and records; train anew with those that help.

    Test records play no part. Where nothing helps the run stays as it was.

    Args:
        before: The run as it was.
        prepared: Its records.
        class_weight: As in the configuration.
        say: Told of every attempt.
    """
    plan = before.plan
    train, valid = weighted(prepared, class_weight)
    build = partial(_build, plan.network, prepared.input_shape, prepared.task.outputs)
    whole = Treatment(build, plan.network_settings, plan.training, plan.objective)
    trial = Trial(whole, before.session, before.case, score_of(before.case))
    factor = plan.training.epochs / _TRIAL_EPOCHS
    if factor > 1:
        short = replace(plan.training, epochs=_TRIAL_EPOCHS)
        trial = carry_out(replace(whole, training=short), train, valid)
    healing = heal(trial, train, valid, say=say, allowed=_can_be_written_down)
    attempts = [asdict(attempt) for attempt in healing.attempts]
    if healing.after is trial:
        return replace(before, attempts=attempts)
    kept = healing.after
    if factor > 1:
        epochs = round(kept.plan.training.epochs * factor)
        say(f"training anew with what helped, {epochs} epochs")
        training = replace(kept.plan.training, epochs=epochs)
        kept = carry_out(replace(kept.plan, training=training), train, valid)
    changed = replace(
        plan, network_settings=dict(kept.plan.architecture), training=kept.plan.training
    )
    return Healed(changed, kept.session, kept.case, attempts)


def _build(
    name: str, shape: tuple[int, ...], outputs: int, settings: Mapping[str, Any]
) -> nn.Module:
    return build_network(name, shape, outputs, settings)


def _can_be_written_down(treatment: Treatment) -> bool:
    """Whether settings alone say what was done, so that the model file can hold it."""
    return not (
        treatment.scale_inputs
        or treatment.scale_targets
        or treatment.drop_not_finite
        or treatment.drop_column is not None
    )
