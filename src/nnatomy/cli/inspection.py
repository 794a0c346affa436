"""nnatomy inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nnatomy.cli.output import print_json


def command(
    path: Annotated[Path, typer.Argument(help="Model file or run folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Say what a model file or a run folder is and how it was made."""
    from nnatomy.jobs.inspection import inspect

    facts = inspect(path)
    if as_json:
        print_json(facts)
        return
    if facts["kind"] == "run":
        print(facts["result"]["verdict"]["text"])
        print(f"made by: {facts['result']['command']}")
        facts = facts["model"]
    _print_model(facts)


def _print_model(facts: dict[str, Any]) -> None:
    task, made = facts["task"], facts["made"]
    print(f"{facts['network']}, {facts['parameters']:,} parameters, {facts['file']}")
    print(f"  task: {task['kind']} of '{task['target']}' ({task['reason']})")
    if task["classes"]:
        print(f"  classes: {', '.join(map(str, task['classes']))}")
    settings = ", ".join(f"{k}={v}" for k, v in facts["network_settings"].items())
    print(f"  settings: {settings or 'none'}")
    print(f"  trained: {made['epochs']} epochs, {made['step']} steps; {made['stopped']}")
    print(f"  data: {made['config']['source']}, splits {made['splits']}")
    print(f"  {'layer':16} {'kind':28} {'output':>14} {'parameters':>11} {'products':>12}")
    for row in facts["architecture"]:
        shape = "×".join(map(str, row["output"]))
        print(
            f"  {row['name']:16} {row['layer']:28} {shape:>14} {row['parameters']:>11,} "
            f"{row['multiplications']:>12,}"
        )
