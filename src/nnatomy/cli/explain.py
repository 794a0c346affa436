"""nnatomy explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnatomy.cli.output import print_json, say
from nnatomy.report.wording import line, plural


def command(
    model: Annotated[Path, typer.Argument(help="Model file or run folder of an image network.")],
    source: Annotated[
        str, typer.Argument(help="An image, a folder of images, or a CSV file of paths.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the overlays and explanation.html.")],
    target: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Class to look for; default: the predicted one."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="cam, grad-cam, occlusion, or auto: exact CAM where the head is linear.",
        ),
    ] = "auto",
    limit: Annotated[int, typer.Option(help="Images at most, spread over the source.")] = 24,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Show what an image network looks at: a map an image, with its faithfulness."""
    from nnatomy.jobs.explain import explain_source
    from nnatomy.report.explanation import text_line

    result = explain_source(model, source, out, target=target, method=method, limit=limit, say=say)
    for finding in result["findings"]:
        say(f"data: {finding['message']}")
    if result["rejected"]:
        say(f"data: {plural(len(result['rejected']), 'image')} cannot be used (listed with --json)")
    shown = len(result["images"])
    if result["records"] > shown:
        say(f"{shown} of {plural(result['records'], 'image')}; --limit takes more")
    if as_json:
        print_json(result)
    else:
        for entry in result["images"]:
            print(line(text_line(entry), 300))
    say(f"page  {result['page']}")
