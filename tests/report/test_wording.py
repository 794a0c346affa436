from __future__ import annotations

import doctest

import pytest

from nnatomy.report import wording


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(wording).attempted >= 4
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.85, "850 ms"), (12.34, "12.3 s"), (245, "4 min 05 s"), (7620, "2 h 07 min"), (None, "–")],
)
def test_durations(value, text):
    assert wording.seconds(value) == text


def test_negative_numbers_have_a_true_minus_sign():
    assert wording.number(-0.5) == "−0.5"
    assert wording.score(-0.25) == "−0.250"
    assert wording.metric_interval("r2", {"low": -0.1, "high": 0.25}) == "−0.100 to 0.250"


def test_large_counts_have_thin_spaces():
    assert wording.count(1234567) == "1\u202f234\u202f567"
    assert wording.number(123456.7) == "123\u202f457"


def test_unprintable_characters_are_marked():
    assert wording.plain("a\x1b[0m\ud800\u202e\tb") == "a\ufffd[0m\ufffd\ufffd\tb"
    assert wording.line("a\n  b\tc") == "a b c"
    assert wording.line("abcdef", 4) == "abc…"
