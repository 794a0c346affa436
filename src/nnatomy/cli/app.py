"""The command `nnatomy`."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from nnatomy.cli import evaluate, inspection, listing, predict, report, train
from nnatomy.cli.output import exit_code, say
from nnatomy.errors import NnatomyError

app = typer.Typer(
    name="nnatomy",
    help="The anatomy of neural networks: train a network on your own data, see inside, ship it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train", short_help="Train on your data; write model and report.")(train.command)
app.command("evaluate", short_help="Judge a model on labelled data.")(evaluate.command)
app.command("predict", short_help="Predict for new data.")(predict.command)
app.command("inspect", short_help="Say what a model or a run is.")(inspection.command)
app.command("report", short_help="Write or verify a run's report.")(report.command)
app.command("list", short_help="List networks, data sets and other names.")(listing.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"nnatomy {version('nnatomy')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Nothing but --version is common to all commands."""


def _one_line(message: Warning | str, *_where: Any, **_more: Any) -> None:
    say(f"warning: {message}")


def main() -> None:
    """Run the command line; a user's mistake ends in one line and a non-zero exit code."""
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", module="nnatomy")
    warnings.showwarning = _one_line
    try:
        app()
    except NnatomyError as error:
        say(f"error: {error}")
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
