"""What goes to the terminal: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from nnatomy.errors import InterruptedRunError, NnatomyError, SettingError
from nnatomy.report.wording import line

_LONGEST = 4000


def say(message: str) -> None:
    """A line for the user, on stderr; texts from the data cannot break it or drive the terminal."""
    print(line(message, _LONGEST), file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON value on stdout, in ASCII: it is the same in every encoding of the terminal."""
    print(json.dumps(value, allow_nan=False))


def pairs(option: str, entries: list[str]) -> dict[str, str]:
    """Entries such as "hidden=64,32" by name.

    Raises:
        SettingError: An entry has no equals sign, or a name is given twice.
    """
    values: dict[str, str] = {}
    for entry in entries:
        name, sign, value = entry.partition("=")
        name = name.strip()
        if not sign or not name:
            raise SettingError(f"{option} takes name=value, got '{entry}'")
        if name in values:
            raise SettingError(f"{option}: '{name}' is given twice")
        values[name] = value.strip()
    return values


def exit_code(error: NnatomyError) -> int:
    """128 plus the signal for a stopped run, 2 for a wrong setting, 1 for everything else."""
    if isinstance(error, InterruptedRunError):
        return 128 + error.signal_number
    return 2 if isinstance(error, SettingError) else 1
