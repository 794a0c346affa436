"""How numbers are written in a column of texts: decimal mark, thousands marks, unit.

`1,011` is a thousand in one country and a little more than one in another. A single cell cannot
tell; a column often can, by its other cells: `1,234,567` and `1,234.5` have thousands commas, `3,5`
and `0,125` have decimal commas. What a column leaves open is never settled in silence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from nnatomy.data.quality import Finding

MAX_ODD_SHARE = 0.01
"""A column of texts with at most this share of cells that are no numbers is still a number."""

_POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.I | re.ASCII)
_COMMA = re.compile(
    r"[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?|\d+(?:,\d*)?|,\d+)(?:e[+-]?\d+)?", re.I | re.A
)
_COMMA_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.A)
_POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+", re.A)
_SPACE_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f]\d{3})+(?:[.,]\d*)?", re.A)
_WITH_UNIT = re.compile(
    r"([+-]?)([$€£¥₹]?)[ \u00a0\u202f]?"
    r"([+-]?[\d.,](?:[\d., \u00a0\u2009\u202f]*[\d.,])?(?:[eE][+-]?\d+)?)"
    r"[ \u00a0\u202f]?([%‰°$€£¥₹A-Za-zµμΩ²³/]{0,8})",
    re.A,
)
_LONGEST = 40
_SAMPLE = 1000


@dataclass(frozen=True)
class NumberFormat:
    """How a number is written.

    Args:
        comma: Whether the decimal mark is a comma, and the thousands mark a point.
        thousands: Whether thousands are marked by commas.
        unit: What stands before or behind every number, such as % or $.
    """

    comma: bool = False
    thousands: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Writing:
    """How the numbers of a column are written, and how sure that is.

    Args:
        format: The reading.
        code: "decimal-comma", "thousands-commas", "thousands-points", or "ambiguous-numbers" where
            the column allows two readings; empty for plain numbers.
        odd: Number of cells that are no numbers.
        example: A cell that shows it.
    """

    format: NumberFormat
    code: str
    odd: int
    example: str

    def findings(self, name: str) -> tuple[Finding, ...]:
        """What the user should know about how the column of this name was read."""
        findings = [Finding(self.code, self._message(name), name)] if self.code else []
        if unit := self.format.unit:
            message = f"the numbers of {name!r} were read without their unit {unit!r}"
            findings.append(Finding("numbers-with-units", message, name))
        return tuple(findings)

    def _message(self, name: str) -> str:
        shown = f"{self.example!r} is {parse(self.example, self.format):.12g}"
        if self.code == "ambiguous-numbers":
            return (
                f"the marks in the numbers of {name!r} may be thousands or decimal marks; they "
                f"were read as thousands: {shown}; write the numbers without thousands marks"
            )
        marks = self.code.replace("-", " ").removesuffix("s") + "s"
        return f"{name!r} was read with {marks}: {shown}"


def parse(text: str, form: NumberFormat) -> float | None:
    """The number in a text, or None for something else.

    A true minus sign and thousands set off by (no-break) spaces are read in every format.
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if form.unit:
        text, unit = _split_unit(text)
        if unit != form.unit:
            return None
    if _SPACE_GROUPS.fullmatch(text):
        text = re.sub(r"\s", "", text)
    if form.comma:
        if not _COMMA.fullmatch(text):
            return None
        text = text.replace(".", "").replace(",", ".")
    elif form.thousands and _COMMA_GROUPS.fullmatch(text):
        text = text.replace(",", "")
    return float(text) if _POINT.fullmatch(text) else None


def recognize(cells: Mapping[str, int], *, commas_elsewhere: bool = False) -> Writing:
    """Find out how the numbers of a column are written.

    Args:
        cells: The different texts of a column, missing ones aside, and how often each occurs.
        commas_elsewhere: Whether other columns of the table have decimal commas for sure.
    """
    unit = _common_unit(cells)
    point, groups, comma = (
        NumberFormat(unit=unit),
        NumberFormat(thousands=True, unit=unit),
        NumberFormat(comma=True, unit=unit),
    )
    odd = {
        form: sum(count for text, count in cells.items() if parse(text, form) is None)
        for form in (point, groups, comma)
    }
    bare = {text: _split_unit(text)[0] if unit else text for text in cells}
    form, code = point, ""
    if odd[point] > min(odd.values()):
        marked = sum(count for text, count in cells.items() if "," in text)
        slack = min(odd.values()) + MAX_ODD_SHARE * marked
        form, code = groups, "thousands-commas"
        if odd[groups] > slack:
            form, code = comma, _mark_of_commas(bare)
        elif odd[comma] == min(odd.values()) and commas_elsewhere:
            form, code = comma, "decimal-comma"
        elif odd[comma] == min(odd.values()) and not (
            odd[groups] == odd[comma] and _goes_on(bare, ",")
        ):
            code = "ambiguous-numbers"
    elif commas_elsewhere and points_may_mark_thousands(bare.values()):
        form, code = comma, "thousands-points" if _goes_on(bare, ".") else "ambiguous-numbers"
    mark = "." if code == "thousands-points" or (form.comma and code != "decimal-comma") else ","
    readable = [text for text in cells if parse(text, form) is not None]
    example = next((text for text in readable if mark in text), readable[0] if readable else "")
    return Writing(form, code, odd[form], example)


def _mark_of_commas(bare: Mapping[str, str]) -> str:
    return "decimal-comma" if any("," in text for text in bare.values()) else "thousands-points"


def points_may_mark_thousands(texts: Iterable[str]) -> bool:
    """Whether there are points, and all of them may be thousands points."""
    with_point = [text.strip() for text in texts if "." in text]
    return bool(with_point) and all(_POINT_GROUPS.fullmatch(text) for text in with_point)


def _goes_on(bare: Mapping[str, str], mark: str) -> bool:
    """Whether the numbers without a mark end below 1000, where thousands marks would begin."""
    unmarked = (parse(text, NumberFormat()) for text in bare.values() if mark not in text)
    numbers = [number for number in unmarked if number is not None]
    return bool(numbers) and all(abs(number) < 1000 for number in numbers)


def _split_unit(text: str) -> tuple[str, str]:
    """A number's text and its unit; the text as it is and no unit where there is none."""
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    match = _WITH_UNIT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or bool(match[2]) == bool(match[4]):
        return text, ""
    return match[1] + match[3], match[2] or match[4]


def _common_unit(cells: Mapping[str, int]) -> str:
    """The unit of nearly all cells (of the first ones, where many differ), or an empty text."""
    units: Counter[str] = Counter()
    for text, count in islice(cells.items(), _SAMPLE):
        units[_split_unit(text)[1]] += count
    unit, count = units.most_common(1)[0] if units else ("", 0)
    return unit if count >= (1 - MAX_ODD_SHARE) * units.total() else ""
