"""The record of a run that a probe has watched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nnatomy.diagnose.anatomy import describe_layers, describe_structure
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.examination import examine_answers, examine_records
from nnatomy.diagnose.probe import Probe
from nnatomy.training.session import Session


def record(
    session: Session, probe: Probe, failure: str = "", about: Mapping[str, Any] | None = None
) -> Case:
    """Everything the checks ask for, of a run that has ended in one way or another.

    Args:
        session: The run.
        probe: Was among its observers.
        failure: Why it broke off, where it did.
        about: What `examine_records` says of its training records; looked for where not given.
    """
    facts = dict(about or examine_records(session.train, session.objective.name))
    if not failure:
        facts |= examine_answers(session.network, session.train, session.valid, session.objective)
    settings = asdict(session.settings) | {
        "batch_size": session.batch_size,
        "freeze": list(session.settings.freeze),
        "objective": session.objective.name,
        "steps": session.step,
        "steps_per_epoch": math.ceil(len(session.train) / session.batch_size),
        "epochs_done": session.epoch,
        "best_epoch": session.rules.best_epoch,
        "validated": session.valid is not None,
        "stopped": session.stopped,
    }
    return Case(
        layers=probe.layers or describe_layers(session.network),
        structure=describe_structure(session.network),
        settings=settings,
        facts=facts,
        rows=session.probed,
        history=list(session.history),
        failure=failure,
    )
