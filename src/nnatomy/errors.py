"""Errors that a user can act on: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from difflib import get_close_matches


class NnatomyError(Exception):
    """Base of every error raised on purpose; the command line prints it in one line."""


class DataError(NnatomyError, ValueError):
    """The data cannot be used as they are: names the file and the row or the column."""


class SettingError(NnatomyError, ValueError):
    """A setting has an unknown name or an unusable value."""


class RunError(NnatomyError):
    """A run folder cannot be used: it is busy, of another configuration, or unreadable."""


class OccupiedError(RunError):
    """A folder holds another run or comparison, which only --overwrite removes."""


class IntegrityError(NnatomyError):
    """A file's content does not match its recorded digest, or is not of the expected form."""


class NonFiniteError(NnatomyError, FloatingPointError):
    """A loss or gradient became NaN or infinite; the weights were not touched by it."""


class InterruptedRunError(NnatomyError):
    """Training was stopped by a signal after its state had been saved.

    Args:
        message: What happened and how to go on.
        signal_number: The signal that stopped the run; the exit code is 128 plus this number.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def signal_words(number: int) -> str:
    """How people call a signal: "Ctrl-C", "SIGTERM"."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the closest known spelling, else the list of known names.

    >>> nearest("hiden", ["hidden", "dropout"])
    "did you mean 'hidden'?"
    >>> nearest("zzz", ["b", "a"])
    'known names: a, b'
    """
    known = sorted(known)
    close = get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known names: {', '.join(known)}"
