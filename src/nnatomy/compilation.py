"""Compiling loops over numbers to machine code, once for each machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

_ORDERED = {"contract", "nsz", "arcp"}
_LIBERTIES = _ORDERED | {"reassoc"}
"""What the compiler may do with floating-point numbers: reorder and fuse sums, so that they run
on vector units. NaN and infinity keep their meaning, since training has to notice them."""


# Inlined, because the process that compiles would otherwise run other copies of the called
# functions, rounded in another order, than those which find the machine code on disk.
_OPTIONS: dict[str, Any] = {"nogil": True, "forceinline": True, "error_model": "numpy"}


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers and arrays with Numba when it is first called.

    The machine code is kept on disk, so that the next process starts at once, and made anew when
    a source of compiled functions beside it has changed. The function releases the interpreter
    while it runs.

    Args:
        function: Uses numbers, arrays and other compiled functions only.
    """
    options = _OPTIONS | {"fastmath": _LIBERTIES}
    with _cache_for(Path(function.__code__.co_filename).parent):
        try:
            made = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder can be written: every process compiles for itself
            made = numba.njit(**options)(function)
    return cast(_Function, made)


def compiled_in_order(function: _Function) -> _Function:
    """A compiled part whose sums are taken in the order in which they are written."""
    return cast(_Function, numba.njit(**_OPTIONS, fastmath=_ORDERED)(function))


def inlined(function: _Function) -> _Function:
    """A part of a compiled function that stands on its own for the reader only."""
    return cast(_Function, numba.njit(inline="always")(function))


def lies_ready(function: Callable[..., Any]) -> bool:
    """Whether machine code of a compiled function was kept by an earlier process."""
    original = getattr(function, "py_func", function)
    folder = _cache_folder(Path(original.__code__.co_filename).parent)
    return any(folder.rglob(f"*.{original.__name__}-*.nbc"))


@contextmanager
def _cache_for(folder: Path) -> Iterator[None]:
    """Let Numba keep its files in a folder named after the sources they are made from.

    Numba itself looks at the file of a function only, not at the functions that it calls.
    """
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_cache_folder(folder))
    try:
        yield
    finally:
        settings.CACHE_DIR = before


def _cache_folder(folder: Path) -> Path:
    chosen: Any = numba.config
    return Path(chosen.CACHE_DIR or _cache_root(folder)) / f"nnatomy-{_digest(folder)}"


@cache
def _digest(folder: Path) -> str:
    digest = sha256(Path(__file__).read_bytes())  # the options count too
    for path in sorted(folder.glob("*.py")):
        text = path.read_bytes()
        if b"nnatomy.compilation" in text:
            digest.update(text)
    return digest.hexdigest()[:12]


def _cache_root(folder: Path) -> Path:
    """Beside the sources where that can be written, else where the user's caches are."""
    beside = folder / "__pycache__"
    if os.access(beside if beside.exists() else folder, os.W_OK):
        return beside
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home()))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
