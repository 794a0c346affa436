"""nnatomy lecture."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnatomy.cli.output import print_json, say
from nnatomy.errors import RunError
from nnatomy.lecture.items import ITEMS, chosen_items

if TYPE_CHECKING:
    from nnatomy.lecture.experiment import Experiment
    from nnatomy.lecture.row import Row

_FILE_WIDTH = 140
_COLORS = {"agrees": "green", "erratum": "yellow", "not reproducible here": "bright_black"}


def command(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Items such as O7 or P1, or the parts O, C and P; all by default.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for index.html, rows.json and the figures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list of rows.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the items only.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Compute the numbers that the lecture prints, and say where its slides are wrong."""
    chosen = chosen_items(items or [])
    if only_list:
        for item in chosen:
            print(f"{item:4} {ITEMS[item]}")
        return
    if out is not None and out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: name a folder with --out")
    experiments = _run(chosen, quiet)
    rows = [row for experiment in experiments.values() for row in experiment.rows]
    if out is not None:
        from nnatomy.lecture.page import write_page

        page = write_page(out, experiments)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _print_table(rows)
    if out is not None:
        say(f"page  {page}")


def _run(chosen: list[str], quiet: bool) -> dict[str, Experiment]:
    # Before torch allocates anything.
    from nnatomy.training.memory import keep_freed_memory

    keep_freed_memory()
    from nnatomy.lecture.catalog import run_item

    experiments = {}
    for item in chosen:
        began = time.perf_counter()
        experiments[item] = run_item(item)
        if not quiet:
            say(f"{item:4} {ITEMS[item]}, {time.perf_counter() - began:.1f} s")
    return experiments


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nnatomy.lecture.page import words_of
    from nnatomy.lecture.row import counts

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name, ratio in (("id", None), ("what", 6), ("slide", 3), ("computed", 3), ("verdict", 4)):
        table.add_column(name, ratio=ratio, overflow="fold", vertical="top")
    for row in rows:
        verdict = Text(row.verdict, style=_COLORS[row.verdict])
        if row.reason:
            verdict.append(f": {row.reason}", style="default")
        table.add_row(
            row.id, Text(row.what), Text(words_of(row.slide)), Text(words_of(row.computed)), verdict
        )
    table.expand = True
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    console.print(table)
    console.print(Text(", ".join(f"{count} {words}" for words, count in counts(rows).items())))
