"""Texts that a spreadsheet would take for formulas."""

from __future__ import annotations

from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def neutralized(value: Any) -> Any:
    """A text that a spreadsheet would compute, behind an apostrophe; anything else as it is.

    Source: OWASP, CSV Injection.

    >>> neutralized("=1+2"), neutralized("plain"), neutralized(-3.5)
    ("'=1+2", 'plain', -3.5)
    """
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
