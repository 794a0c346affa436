"""nnatomy report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nnatomy.cli.output import say
from nnatomy.errors import IntegrityError, SettingError


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the page here (.html or .md); default: report.html.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Recompute the report's figures from the predictions.")
    ] = False,
) -> None:
    """Write a run's report again, as HTML or Markdown, or verify its figures."""
    from nnatomy.report.build import build_document
    from nnatomy.report.facts import read_facts
    from nnatomy.report.html import render_html
    from nnatomy.report.markdown import render_markdown
    from nnatomy.report.verify import verify_report
    from nnatomy.training.atomic import write_bytes

    if verify:
        table = run / "test_predictions.csv"
        try:
            mismatches = verify_report(run / "report.html", table)
        except ValueError as error:  # the table is not what a run writes
            raise IntegrityError(f"{table} cannot be compared with the report: {error}") from None
        if mismatches:
            raise IntegrityError(f"{run / 'report.html'} does not hold: {'; '.join(mismatches)}")
        sys.stdout.write("verified: every test figure follows from test_predictions.csv\n")
        return
    facts = read_facts(run)
    document = build_document(facts)
    path = out or run / "report.html"
    if path.suffix.lower() in (".md", ".markdown"):
        page = render_markdown(document)
    elif path.suffix.lower() in (".html", ".htm"):
        page = render_html(document, facts)
    else:
        raise SettingError(f"--out {path}: a report is written as .html or .md")
    write_bytes(path, page.encode())
    say(f"report in {path}")
