"""What is varied in a comparison: names with their values, and all their combinations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nnatomy.errors import SettingError

MOST = 1000
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")


def read_grid(entries: Iterable[str]) -> dict[str, list[str]]:
    """The names and values of entries such as "init=zeros,normal,he" and "seed=0..9".

    Values are separated by commas; by slashes (or semicolons, which a shell wants quoted) where
    there is one, so that a value can hold commas: "hidden=64/64,32". "0..9" stands for the whole
    numbers from 0 to 9, "0..20..5" for every fifth.

    Raises:
        SettingError: An entry has no name or value, or a name comes twice.
    """
    grid: dict[str, list[str]] = {}
    for entry in entries:
        name, sign, text = entry.partition("=")
        name = name.strip()
        separator = next((mark for mark in ";/" if mark in text), ",")
        parts = text.split(separator)
        values = [value for part in parts for value in _values(part.strip())]
        if not sign or not name or not all(values):
            raise SettingError(f"--over takes name=value,value,…, got '{entry}'")
        if name in grid:
            raise SettingError(f"--over: '{name}' is given twice; write all its values in one")
        grid[name] = values
    return grid


def _values(part: str) -> list[str]:
    found = _RANGE.fullmatch(part)
    if found is None:
        return [part]
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if step < 1 or last < first or (last - first) // step >= MOST:
        raise SettingError(f"--over: '{part}' is no range of at most {MOST} rising numbers")
    return [str(value) for value in range(first, last + 1, step)]


def as_lists(over: Any) -> dict[str, list[Any]]:
    """The grid with its values in lists, plain numbers in place of NumPy's.

    Raises:
        SettingError: It is no mapping from names to lists of values.
    """
    wanted = "over takes a mapping from name to a list of values"
    if not isinstance(over, Mapping) or not all(isinstance(name, str) for name in over):
        raise SettingError(f'{wanted}, e.g. {{"seed": range(10)}}, got {over!r}')
    for name, values in over.items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise SettingError(f"{wanted}: '{name}' needs a list of values, got {values!r}")
    return {
        name: [value.item() if isinstance(value, np.generic) else value for value in values]
        for name, values in over.items()
    }


def combinations(over: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values, the last name varying fastest.

    Raises:
        SettingError: Nothing is varied, a name has no values or one twice, or there are too many
            combinations.
    """
    over = as_lists(over)
    if not over:
        raise SettingError("nothing to compare: name values, e.g. --over init=zeros,he")
    count = 1
    for name, values in over.items():
        if not values:
            raise SettingError(f"over: '{name}' needs a list of values")
        written = [str(value) for value in values]
        if len(set(written)) < len(written):
            raise SettingError(f"over: '{name}' has a value twice")
        count *= len(values)
    if count > MOST:
        raise SettingError(f"over: {count:,} combinations, at most {MOST:,} are compared at once")
    return [dict(zip(over, values, strict=True)) for values in itertools.product(*over.values())]
