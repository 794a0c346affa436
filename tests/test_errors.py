"""Errors are catchable by their plain Python kind, and hints name the nearest spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy import errors
from nnatomy.errors import InterruptedRunError, NnatomyError, nearest


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (errors.DataError, ValueError),
        (errors.SettingError, ValueError),
        (errors.RunError, Exception),
        (errors.IntegrityError, Exception),
        (errors.NonFiniteError, FloatingPointError),
    ],
)
def test_errors_are_of_one_family_and_of_a_plain_kind(
    kind: type[NnatomyError], plain: type[Exception]
) -> None:
    error = kind("what, where, what to do")
    assert isinstance(error, NnatomyError)
    assert isinstance(error, plain)
    assert str(error) == "what, where, what to do"


def test_interruption_carries_its_signal() -> None:
    assert InterruptedRunError("stopped", 15).signal_number == 15


@given(st.sampled_from(["momentum", "hidden", "batch_size", "dropout"]), st.data())
def test_one_lost_letter_is_forgiven(name: str, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(name) - 1))
    misspelt = name[:lost] + name[lost + 1 :]
    known = ["momentum", "hidden", "batch_size", "dropout"]
    assert nearest(misspelt, iter(known)) == f"did you mean '{name}'?"


def test_a_strange_name_gets_the_list() -> None:
    assert nearest("qqqq", {"sgd", "adam"}) == "known names: adam, sgd"
