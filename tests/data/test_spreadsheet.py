"""Texts that a spreadsheet would compute."""

from __future__ import annotations

import pytest

from nnatomy.data.spreadsheet import neutralized


@pytest.mark.parametrize(
    "text", ["=1+2", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-", "-1-1"]
)
def test_formulas_stand_behind_an_apostrophe(text):
    assert neutralized(text) == "'" + text


@pytest.mark.parametrize(
    "value", ["", "plain", "a=b", "-3.5", "+7", "-1,5", "-1e-5", -3.5, 7, None, True]
)
def test_everything_else_stays(value):
    assert neutralized(value) is value
