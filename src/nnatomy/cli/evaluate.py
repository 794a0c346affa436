"""nnatomy evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnatomy.cli.output import print_json, say
from nnatomy.report.wording import metric_interval, metric_name, metric_value, plural


def command(
    model: Annotated[Path, typer.Argument(help="Model file or run folder.")],
    source: Annotated[str, typer.Argument(help="Labelled data like those it was trained on.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Judge a trained model on labelled data."""
    # Before torch allocates anything.
    from nnatomy.training.memory import keep_freed_memory

    keep_freed_memory()
    from nnatomy.jobs.evaluate import evaluate

    result = evaluate(model, source)
    if as_json:
        print_json(result)
        return
    for finding in result["findings"]:
        say(f"data: {finding['message']}")
    if result["rejected"]:
        rejected = plural(len(result["rejected"]), "record")
        say(f"data: {rejected} cannot be used (listed with --json)")
    print(f"{result['network']} on {source}: {plural(result['records'], 'record')}")
    for name, figure in result["metrics"].items():
        value, interval = metric_value(name, figure["value"]), metric_interval(name, figure)
        print(f"  {metric_name(name):24} {value:>8}  {interval:17}  {figure['interval']}")
