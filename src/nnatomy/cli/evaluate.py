"""nnatomy evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnatomy.cli.output import print_json, say


def command(
    model: Annotated[Path, typer.Argument(help="Model file or run folder.")],
    source: Annotated[str, typer.Argument(help="Labelled data like those it was trained on.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Judge a trained model on labelled data."""
    from nnatomy.jobs.evaluate import evaluate

    result = evaluate(model, source)
    if as_json:
        print_json(result)
        return
    for finding in result["findings"]:
        say(f"data: {finding['message']}")
    if result["rejected"]:
        say(f"data: {len(result['rejected'])} records cannot be used (listed with --json)")
    print(f"{result['network']} on {source}: {result['records']} records")
    for name, figure in result["metrics"].items():
        interval = f"[{figure['low']:.4g}, {figure['high']:.4g}]"
        print(f"  {name:18} {figure['value']:.4g} {interval}  {figure['interval']}")
