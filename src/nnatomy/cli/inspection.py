"""nnatomy inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nnatomy.cli.output import print_json
from nnatomy.conversion import written
from nnatomy.report.wording import NO_VALUE, count, plural, shape


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
    print(f"{facts['network']}, {count(facts['parameters'])} parameters, {facts['file']}")
    print(f"  task: {task['kind']} of '{task['target']}' ({task['reason']})")
    if task["classes"]:
        print(f"  classes: {', '.join(map(str, task['classes']))}")
    settings = ", ".join(f"{k}={written(v)}" for k, v in facts["network_settings"].items())
    print(f"  settings: {settings or 'none'}")
    training = made["training"]
    chosen = ("optimizer", "lr", "schedule", "batch_size", "epochs", "patience", "l2", "clip_norm")
    words = ", ".join(f"{name}={written(training[name])}" for name in chosen)
    print(f"  training: {words}, seed={training['seed']}")
    epochs, steps = plural(made["epochs"], "epoch"), plural(made["step"], "step")
    print(f"  trained: {epochs}, {steps}; {made['stopped']}")
    splits = ", ".join(f"{count(amount)} {name}" for name, amount in made["splits"].items())
    print(f"  data: {made['config']['source']} ({splits})")
    _print_layers(facts["architecture"])


def _print_layers(layers: list[dict[str, Any]]) -> None:
    rows: list[tuple[str, ...]] = [("layer", "kind", "output", "parameters", "products", "sees")]
    rows += [
        (
            layer["name"],
            layer["layer"],
            shape(layer["output"]),
            count(layer["parameters"]),
            count(layer["multiplications"]),
            _field(layer),
        )
        for layer in layers
    ]
    if not any(layer["receptive_field"] for layer in layers):
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        left = [f"{cell:{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  " + "  ".join(left + right))


def _field(layer: dict[str, Any]) -> str:
    """The receptive field and the step between neighbouring ones: "35×35 / 8"."""
    side = layer["receptive_field"]
    return NO_VALUE if side is None else f"{side}×{side} / {layer['jump']}"
