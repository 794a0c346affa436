"""What a model file or a run folder is, and how it was made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnatomy.errors import RunError
from nnatomy.jobs.predictor import load
from nnatomy.jobs.run import Run
from nnatomy.models.summary import count_parameters, summarize


def inspect(path: str | Path) -> dict[str, Any]:
    """The facts of a model file, or of a finished run.

    Args:
        path: A model file or a run folder.

    Returns:
        For a model: kind "model", network, settings, task, classes, inputs, architecture,
        parameters, and how it was made. For a run: kind "run", its result and the model's facts.

    Raises:
        IntegrityError: The model file is damaged.
        RunError: There is no such file or folder, or the run has not finished.
    """
    path = Path(path)
    if not path.exists():
        raise RunError(f"there is no file or folder {path}")
    if path.is_dir():
        run = Run(path)
        return {"kind": "run", "result": run.result, "model": inspect(path / "model.nnatomy")}
    predictor = load(path)
    facts = predictor.facts
    shape = tuple(facts["input_shape"])
    return {
        "kind": "model",
        "file": str(path),
        "network": facts["network"],
        "network_settings": facts["network_settings"],
        "task": asdict(predictor.task),
        "objective": facts["objective"],
        "input_shape": list(shape),
        "inputs": facts["inputs"],
        "preprocessing": facts["codec"],
        "parameters": count_parameters(predictor.network),
        "architecture": [asdict(row) for row in summarize(predictor.network, shape)],
        "made": facts["made"],
    }
