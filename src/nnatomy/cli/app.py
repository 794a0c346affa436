"""The command `nnatomy`."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

from nnatomy.cli import (
    augment,
    compare,
    convolve,
    diagnose,
    evaluate,
    explain,
    import_weights,
    inspection,
    lecture,
    listing,
    predict,
    report,
    train,
)
from nnatomy.cli.output import exit_code, say
from nnatomy.errors import NnatomyError, signal_words

app = typer.Typer(
    name="nnatomy",
    help="The anatomy of neural networks: train a network on your own data, see inside, ship it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train", short_help="Train on your data; write model and report.")(train.command)
app.command("compare", short_help="Compare settings, networks and seeds.")(compare.command)
app.command("augment", short_help="Draw what the network sees of varied images.")(augment.command)
app.command("evaluate", short_help="Judge a model on labelled data.")(evaluate.command)
app.command("predict", short_help="Predict for new data.")(predict.command)
app.command("explain", short_help="Show what an image network looks at.")(explain.command)
app.command("import-weights", short_help="Make a safe file of weights of a .pth file.")(
    import_weights.command
)
app.command("inspect", short_help="Say what a model or a run is.")(inspection.command)
app.command("diagnose", short_help="Say what is wrong with a training run.")(diagnose.command)
app.command("report", short_help="Write or verify a run's report.")(report.command)
app.command(
    "convolve",
    short_help="Show a convolution or pooling, step by step.",
    context_settings={"ignore_unknown_options": True},  # a kernel may begin with "-1"
)(convolve.command)
app.command("lecture", short_help="Compute the lecture's numbers and figures.")(lecture.command)
app.command("list", short_help="List networks, data sets and other names.")(listing.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"nnatomy {version('nnatomy')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Nothing but --version is common to all commands."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


_LATER = 0.01
"""Seconds after which a signal is sent again that came where it would be lost."""


def _one_line(message: Warning | str, *_where: Any, **_more: Any) -> None:
    say(f"warning: {message}")


def main() -> None:
    """Run the command line; a user's mistake ends in one line and a non-zero exit code."""
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", module="nnatomy")
    warnings.showwarning = _one_line
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    with _signals() as received:
        code = _run()
    if received:
        say(f"error: stopped by {signal_words(received[0])}; run the same command again")
        code = 128 + received[0]
    sys.exit(code)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGTERM ends the command as Ctrl-C does, with everything given back on the way out."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        if _swallows(frame):
            threading.Timer(_LATER, os.kill, (os.getpid(), number)).start()
            return
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _swallows(frame: FrameType | None) -> bool:
    """Whether what is raised here would be lost: in a callback of the import system."""
    code = None if frame is None else frame.f_code
    return (
        code is not None
        and code.co_filename.startswith("<frozen importlib")
        and (code.co_name == "cb")
    )


def _run() -> int:
    try:
        code = app(prog_name="nnatomy", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except NnatomyError as error:
        say(f"error: {error}")
        return exit_code(error)
    except typer.TyperException as error:
        words = error.format_message().rstrip(".")
        say(f"error: {words[0].lower()}{words[1:]} (see {_help_command(error)})")
        return error.exit_code
    except BrokenPipeError:
        # Nobody reads on; what is still buffered must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        say(f"error: {error.filename or 'a file'} cannot be used: {error.strerror or error}")
        return 1
    except MemoryError as error:
        say(f"error: out of memory; use fewer records or smaller images ({error})")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _help_command(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'nnatomy'} --help"


if __name__ == "__main__":
    main()
