"""The printed table of the lecture."""

from __future__ import annotations

import pytest

from nnatomy.cli.lecture import command


def test_every_reason_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    command(["O7", "O9"], out=None, as_json=False, only_list=False, quiet=True)
    words = " ".join(capsys.readouterr().out.split())
    assert "the sigmoid" in words  # of an erratum
    assert "own rule" in words  # of what agrees
    assert "not public" in words  # of what cannot be computed here
    assert "5 agree with the slides, 2 checks of our own hold, 7 errata" in words
    assert "4 not reproducible here" in words
