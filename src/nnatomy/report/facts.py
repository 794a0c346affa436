"""The facts of one run, as its folder holds them: the only input of a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

from nnatomy.errors import RunError
from nnatomy.report.health import health_of


class Facts(TypedDict, total=False):
    """The files of a run folder, read as JSON; every key may be missing.

    Attributes:
        config: Settings as the user gave them (config.json).
        env: Versions, platform, processor (env.json).
        data_report: What was found in the data (data_report.json).
        metrics: One dict an epoch (metrics.jsonl).
        result: Network, test metrics, baselines, verdict, evaluation, examples (result.json).
        health: Findings on the training and what was measured by layer (of diagnosis.json, see
            nnatomy.report.health).
        left_out: Parts removed to keep the report small; written by `render_html` alone.
    """

    config: dict[str, Any]
    env: dict[str, Any]
    data_report: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any]
    health: dict[str, Any]
    left_out: list[str]


def read_facts(folder: Path) -> Facts:
    """Read the files of a run folder.

    Args:
        folder: The run folder; result.json must be there, the other files may be missing.

    Raises:
        RunError: The folder has no result.json, or a file in it is not JSON.
    """
    if not (folder / "result.json").is_file():
        raise RunError(f"{folder}: no result.json, so this is not a finished run; finish it first")
    facts: Facts = {"result": _read(folder / "result.json")}
    if (folder / "config.json").is_file():
        facts["config"] = _read(folder / "config.json")
    if (folder / "env.json").is_file():
        facts["env"] = _read(folder / "env.json")
    if (folder / "data_report.json").is_file():
        facts["data_report"] = _read(folder / "data_report.json")
    if (folder / "metrics.jsonl").is_file():
        facts["metrics"] = _read_rows(folder / "metrics.jsonl")
    if (folder / "diagnosis.json").is_file():
        facts["health"] = health_of(_read(folder / "diagnosis.json"))
    return facts


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path}: not readable as JSON ({error}); run the training again") from error
    return content


def _read_rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise RunError(f"{path}, line {number}: not readable as JSON ({error})") from error
    return rows
