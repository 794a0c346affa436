"""nnatomy predict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nnatomy.cli.output import print_json, say
from nnatomy.errors import SettingError
from nnatomy.report.wording import plural

_SHOWN = 20


def command(
    model: Annotated[Path, typer.Argument(help="Model file or run folder.")],
    source: Annotated[
        str, typer.Argument(help="Data like those it was trained on; answers are not needed.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File for the predictions: .csv, .json or .parquet.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the source to put beside the predictions, e.g. an id. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Predict for new data, with the probability of each class; CSV on stdout without --out."""
    # Before torch allocates anything.
    from nnatomy.training.memory import keep_freed_memory

    keep_freed_memory()
    from nnatomy.jobs.config import place_of
    from nnatomy.jobs.kept_columns import keep_columns
    from nnatomy.jobs.prediction_table import as_csv, records, write_table
    from nnatomy.jobs.predictor import load

    predictor = load(model)
    if keep and predictor.facts["inputs"] != "table":
        raise SettingError("--keep: images have no columns; their paths are in the column 'name'")
    encoded = predictor.encode(source)
    table = predictor.table(encoded)
    if keep:
        table = keep_columns(table, source, keep)
    for finding in encoded.findings:
        say(f"data: {finding.message}")
    for rejected in encoded.rejected[:_SHOWN]:
        say(f"data: no prediction for {place_of(rejected)}: {rejected.reason}")
    if len(encoded.rejected) > _SHOWN:
        more = plural(len(encoded.rejected) - _SHOWN, "record")
        say(f"data: no prediction for {more} besides (all are listed with --json)")
    if out is not None:
        write_table(out, table)
        say(f"{plural(len(table), 'prediction')} in {out}")
    if as_json:
        print_json(
            {
                "task": predictor.task.kind,
                "network": predictor.facts["network"],
                "records": len(table),
                "rejected": [r.__dict__ for r in encoded.rejected],
                "findings": [f.__dict__ for f in encoded.findings],
                "out": None if out is None else str(out),
                **({} if out is not None else {"predictions": records(table)}),
            }
        )
    elif out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(as_csv(table))
