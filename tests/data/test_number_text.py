"""How numbers are written: decimal marks, thousands marks, units."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.data.number_text import NumberFormat, parse, recognize


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("\u22123.2", NumberFormat(), -3.2),
        ("1 000", NumberFormat(), 1000.0),
        ("12\u00a0345\u00a0678.5", NumberFormat(), 12345678.5),
        ("1\u202f234,5", NumberFormat(comma=True), 1234.5),
        ("10 00", NumberFormat(), None),
        ("1,011", NumberFormat(thousands=True), 1011.0),
        ("-1,234,567.25", NumberFormat(thousands=True), -1234567.25),
        ("12,34", NumberFormat(thousands=True), None),
        ("1.234.567", NumberFormat(comma=True), 1234567.0),
        ("50%", NumberFormat(unit="%"), 50.0),
        ("-$3.50", NumberFormat(unit="$"), -3.5),
        ("$1,200", NumberFormat(thousands=True, unit="$"), 1200.0),
        ("3,5 kg", NumberFormat(comma=True, unit="kg"), 3.5),
        ("50", NumberFormat(unit="%"), None),
        ("12 kg", NumberFormat(unit="g"), None),
    ],
)
def test_reading_one_cell(text: str, form: NumberFormat, value: float | None) -> None:
    assert parse(text, form) == value


@pytest.mark.parametrize(
    ("texts", "elsewhere", "form", "code"),
    [
        (["916", "1,011", "3,747"], False, NumberFormat(thousands=True), "thousands-commas"),
        (["1,234,567", "2,345"], False, NumberFormat(thousands=True), "thousands-commas"),
        (["1,234.5", "2,345"], False, NumberFormat(thousands=True), "thousands-commas"),
        (["1,011", "3,747"], False, NumberFormat(thousands=True), "ambiguous-numbers"),
        (["1500", "1,011"], False, NumberFormat(thousands=True), "ambiguous-numbers"),
        (["1,011", "3,747"], True, NumberFormat(comma=True), "decimal-comma"),
        (["3,5", "1,011"], False, NumberFormat(comma=True), "decimal-comma"),
        (["0,916", "1,011", "3,747"], False, NumberFormat(comma=True), "decimal-comma"),
        (["7"] * 200 + ["3,5"], False, NumberFormat(comma=True), "decimal-comma"),
        (["1.234", "12.345"], False, NumberFormat(), ""),
        (["1.234", "12.345"], True, NumberFormat(comma=True), "ambiguous-numbers"),
        (["916", "1.234"], True, NumberFormat(comma=True), "thousands-points"),
        (["1.234.567", "2.345"], False, NumberFormat(comma=True), "thousands-points"),
        (["1.5", "1.234"], True, NumberFormat(), ""),
        (["50%", "7.5%"], False, NumberFormat(unit="%"), ""),
        (["$1,250", "$80"], False, NumberFormat(thousands=True, unit="$"), "thousands-commas"),
        (["12kg", "7"], False, NumberFormat(), ""),
    ],
)
def test_reading_a_column(texts: list[str], elsewhere: bool, form: NumberFormat, code: str) -> None:
    writing = recognize(Counter(texts), commas_elsewhere=elsewhere)
    assert (writing.format, writing.code) == (form, code)


def test_findings_show_a_cell() -> None:
    (found,) = recognize({"916": 1, "1,011": 1}).findings("price")
    assert (found.code, found.where) == ("thousands-commas", "price")
    assert "'1,011' is 1011" in found.message
    (unit,) = recognize({"50%": 9, "7%": 2}).findings("share")
    assert unit.code == "numbers-with-units"
    assert "'%'" in unit.message


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=30), st.sampled_from("$ "))
def test_american_integers_come_back_or_are_called_ambiguous(numbers: list[int], unit: str) -> None:
    texts = [f"{number:,}{unit.strip()}" for number in numbers]
    writing = recognize(Counter(texts))
    assert writing.code in ("", "thousands-commas", "ambiguous-numbers")
    assert [parse(text, writing.format) for text in texts] == numbers


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.text("1,.$ -", max_size=8))
def test_any_text_is_a_number_or_none_in_every_format(text: str) -> None:
    writing = recognize({text: 1})
    for comma in (False, True):
        for unit in ("", "$"):
            value = parse(text, NumberFormat(comma, not comma, unit))
            assert value is None or isinstance(value, float)
    assert writing.odd in (0, 1)
