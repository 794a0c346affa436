"""The lecture table as a whole, and the verdicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnatomy.errors import SettingError
from nnatomy.lecture.catalog import EXPERIMENTS, run_item
from nnatomy.lecture.items import ITEMS, chosen_items
from nnatomy.lecture.row import claim, compare, counts, same

LIGHT = (
    *("O1", "O2", "O3", "O4", "O5", "O7", "O8", "O9"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9"),
)


def test_a_value_within_the_tolerance_agrees() -> None:
    row = compare("O7", "h1", slide=0.269, computed=0.2689, tolerance=5e-4, erratum="no")
    assert (row.verdict, row.reason) == ("agrees", "")


def test_a_value_outside_is_an_erratum_where_one_is_known() -> None:
    row = compare("O7", "h1", slide=0.269, computed=0.731, tolerance=5e-4, erratum="sign")
    assert (row.verdict, row.reason) == ("erratum", "sign")


def test_a_value_outside_without_a_known_erratum_is_not_reproducible() -> None:
    row = compare("P1", "loss", slide=0.383, computed=0.4, tolerance=5e-4)
    assert row.verdict == "not reproducible here"
    assert "5e-04" in row.reason or "0.0005" in row.reason


@pytest.mark.parametrize(
    ("slide", "computed", "expected"),
    [
        ([1, 0], [1.0, 0.0], True),
        ([1, 0], [1.0, 0.2], False),
        ([1, 0], [1.0], False),
        ([1], 1.0, False),
        ("a", "a", True),
        ("a", 1.0, False),
        (0.5, 0.5004, True),
        (0.5, float("nan"), False),
    ],
)
def test_same(slide: object, computed: object, expected: bool) -> None:
    assert same(slide, computed, 5e-4) is expected  # type: ignore[arg-type]


def test_a_claim_that_fails_does_not_agree() -> None:
    assert claim("O6", "x", False, 1.0).verdict == "not reproducible here"
    assert claim("O6", "x", True, 1.0).verdict == "agrees"


def test_a_claim_that_fails_says_so() -> None:
    assert "does not bear it out" in claim("O6", "x", False, 1.0).reason
    assert "3 starts" in claim("O6", "x", False, 1.0, reason="3 starts").reason


def test_checks_of_our_own_are_counted_apart() -> None:
    rows = [
        claim("O6", "x", True, 1.0, slide="words"),
        claim("O6", "y", True, 1.0),
        claim("O6", "z", False, 1.0),
        compare("O7", "h", slide=1.0, computed=2.0, erratum="sign"),
    ]
    assert list(counts(rows).values()) == [1, 1, 1, 1]


def test_every_item_has_an_experiment() -> None:
    assert list(EXPERIMENTS) == list(ITEMS)


def test_choice_of_items() -> None:
    assert chosen_items([]) == list(ITEMS)
    assert chosen_items(["p1", "O7"]) == ["O7", "P1"]
    assert chosen_items(["P"]) == ["P1", "P2", "P3", "P4", "P5", "P6", "P7"]
    with pytest.raises(SettingError, match="no item 'O77'"):
        chosen_items(["O77"])


@pytest.mark.parametrize("item", LIGHT)
def test_experiments_give_rows_of_their_item_and_the_same_twice(item: str) -> None:
    first, second = EXPERIMENTS[item](), EXPERIMENTS[item]()
    assert first.rows == second.rows
    assert {row.id for row in first.rows} == {item}
    for row in first.rows:
        assert row.what
        assert row.verdict == "agrees" or row.reason
        assert row.slide is None or row.slide


def test_an_item_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    for item in ("O6", "O8", "P1"):
        run_item(item)
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()
