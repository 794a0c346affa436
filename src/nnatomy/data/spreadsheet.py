"""Texts that a spreadsheet would take for formulas."""

from __future__ import annotations

import re
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def neutralized(value: Any) -> Any:
    """A text that a spreadsheet would compute, behind an apostrophe; anything else as it is.

    Source: OWASP, CSV Injection.

    >>> neutralized("=1+2"), neutralized("-3.5"), neutralized(-3.5)
    ("'=1+2", '-3.5', -3.5)
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    if value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
