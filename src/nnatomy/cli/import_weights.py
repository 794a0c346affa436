"""nnatomy import-weights."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnatomy.cli.output import pairs, print_json, say
from nnatomy.conversion import written

if TYPE_CHECKING:
    from nnatomy.jobs.import_weights import Imported


def command(
    source: Annotated[Path, typer.Argument(help="A .pth or .pt file of a network's weights.")],
    network: Annotated[str, typer.Option(help="Whose weights they are, e.g. resnet18.")],
    out: Annotated[Path, typer.Option(help="The file to write, ending in .safetensors.")],
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the network, e.g. stem=small; as published by default. Repeatable.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Make a file of tensors, which cannot run code, of a file of PyTorch's own.

    Only weights are read from it; whatever else it asks for is refused.
    """
    from nnatomy.jobs.import_weights import import_weights

    settings = pairs("--set", setting or [])
    done = import_weights(source, network, out=out, settings=settings, overwrite=overwrite)
    if as_json:
        print_json(asdict(done))
        return
    if done.converted:
        say(f"{done.converted} became float32")
    print(
        f"{done.path}: {done.network}, {done.tensors} tensors with {done.parameters:,} numbers for "
        f"{done.outputs} classes"
    )
    print(f"start from it: {_next(done)}")


def _next(done: Imported) -> str:
    """The command that builds the network of these weights again."""
    words = ["nnatomy", "train", "FOLDER", "--network", done.network]
    for name, value in done.settings.items():
        words += ["--set", f"{name}={written(value)}"]
    return shlex.join([*words, "--from", done.path])
