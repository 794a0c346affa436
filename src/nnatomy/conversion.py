"""Settings as people write them, turned into the types that code expects."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin

from nnatomy.errors import SettingError

_MAX_ITEMS = 1000
_MAX_NUMBER = 2_000_000_000
_WANTED: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a name",
    bool: "true or false",
}


def convert(name: str, value: Any, hint: Any) -> Any:
    """The value in the type that an annotation names; texts are read.

    Args:
        name: The setting, for the message.
        value: A text such as "64,32", "0.1", "true" or "none", or a value of the right type.
        hint: int, float, str, bool, `X | None`, or a sequence of whole numbers or of names
            ("none": an empty one).

    Raises:
        SettingError: The value does not fit.

    >>> convert("hidden", "64,32", tuple[int, ...]), convert("clip_norm", "none", float | None)
    ((64, 32), None)
    """
    kind, optional = _unwrap(hint)
    if optional and (value is None or str(value).lower() == "none"):
        return None
    try:
        if kind is bool:
            return _boolean(value)
        if kind in (int, float, str):
            return _scalar(value, kind)
        if str(value).lower() == "none":
            return ()
        return _names(value) if get_args(kind)[:1] == (str,) else _whole_numbers(value)
    except (TypeError, ValueError, OverflowError):
        items = "names" if get_args(kind)[:1] == (str,) else "whole numbers"
        wanted = _WANTED.get(kind, f"{items} separated by commas (or none)")
        more = " or none" if optional else ""
        raise SettingError(f"setting '{name}' takes {wanted}{more}, got {value!r}") from None


def convert_all(values: Mapping[str, Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Every value in the type of its annotation."""
    return {name: convert(name, value, hints[name]) for name, value in values.items()}


def written(value: Any) -> str:
    """The text that `convert` reads as this value: "64,32", "true", "none".

    >>> written((64, 32)), written(()), written(True), written(0.1)
    ('64,32', 'none', 'true', '0.1')
    """
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _unwrap(hint: Any) -> tuple[Any, bool]:
    """The type inside `X | None` and whether None is allowed; a Literal of names is a name."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [item for item in get_args(hint) if item is not type(None)]
        return inner[0], True
    if get_args(hint) and all(isinstance(item, str) for item in get_args(hint)):
        return str, False
    return hint, False


def _scalar(value: Any, kind: Callable[[Any], Any]) -> Any:
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and value % 1):
        raise ValueError
    result = kind(value)
    if kind is int and abs(result) > _MAX_NUMBER:
        raise ValueError
    return result


def _whole_numbers(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        items = [item for item in value.split(",") if item.strip()]
        if not items:  # an empty text is more often a slip than a wish
            raise ValueError
    else:
        items = list(value) if isinstance(value, list | tuple) else [value]
    if len(items) > _MAX_ITEMS:
        raise ValueError
    return tuple(_scalar(item, int) for item in items)


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else list(value)
    if len(items) > _MAX_ITEMS or not all(isinstance(item, str) and item.strip() for item in items):
        raise ValueError
    return tuple(item.strip() for item in items)


def _boolean(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    text = str(value).lower()
    if text not in words:
        raise ValueError
    return words[text]
