"""A trained model on labelled data that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.data.prepared import Encoded
from nnatomy.data.quality import Finding
from nnatomy.data.task import Task
from nnatomy.errors import DataError
from nnatomy.jobs.config import source_name
from nnatomy.jobs.judgement import PRIMARY, Answers
from nnatomy.jobs.predictor import Predictor, load

_MOST_LABELS = 8
_TRAINED_ON = Finding(
    "trained-on-these",
    "this is the source that the model was trained on: these figures are no test of it; the "
    "figure to trust is the one of its run",
)


def evaluate(model: str | Path, source: Any) -> dict[str, Any]:
    """Judge a model file on a labelled source.

    Args:
        model: A model file or a run folder.
        source: Labelled data of the kind the model was trained on.

    Returns:
        task, network, primary, metrics (each with a 95 % interval), evaluation (confusion matrix
        and the like), records, rejected and findings.

    Raises:
        DataError: The source has no answers, or cannot be used.
        IntegrityError: The model file is damaged.
    """
    predictor = load(model)
    encoded = predictor.encode(source, answers=True)
    if encoded.truth is None:
        raise DataError(f"{source} {_missing(predictor.task, encoded.unknown)}")
    findings = [vars(finding) for finding in encoded.findings]
    if source_name(source) == predictor.facts["made"]["config"]["source"]:
        findings.insert(0, vars(_TRAINED_ON))
    answers = Answers(
        predictor.task, _truth(predictor, encoded), predictor.decoded(encoded.samples)
    )
    return {
        "task": predictor.task.kind,
        "network": predictor.facts["network"],
        "primary": PRIMARY[predictor.task.kind],
        "metrics": answers.metrics(),
        "evaluation": answers.details(),
        "records": len(encoded.names),
        "rejected": [r.__dict__ for r in encoded.rejected],
        "findings": findings,
    }


def _missing(task: Task, unknown: Sequence[Any]) -> str:
    """Why there is nothing to compare with."""
    if unknown and task.classes:
        return (
            f"has no answers: its classes {_listed(unknown)} are none of the network's: "
            f"{_listed(task.classes)}"
        )
    return f"has no column '{task.target}' to compare with; use predict for data without answers"


def _listed(labels: Sequence[Any]) -> str:
    more = f" and {len(labels) - _MOST_LABELS} more" if len(labels) > _MOST_LABELS else ""
    return ", ".join(map(str, labels[:_MOST_LABELS])) + more


def _truth(predictor: Predictor, encoded: Encoded) -> NDArray[Any]:
    assert encoded.truth is not None
    if predictor.task.kind == "regression":
        return np.array([float(value) for value in encoded.truth])
    positions = {label: k for k, label in enumerate(predictor.task.classes)}
    return np.array([positions[label] for label in encoded.truth])
