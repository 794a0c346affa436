"""The rows of a run, kept column by column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.training.history import History

Row = dict[str, Any]
ROWS = st.lists(st.fixed_dictionaries({"epoch": st.integers(), "loss": st.floats(0, 1)}))


@given(ROWS, ROWS, ROWS)
def test_it_is_a_list_of_dicts(first: list[Row], second: list[Row], third: list[Row]) -> None:
    history = History(first)
    columns = {name: [row[name] for row in second] for name in ("epoch", "loss")}
    history.extend(columns, len(second))
    for row in third:
        history.append(row)
    rows = [*first, *second, *third]
    assert list(history) == rows
    assert history == rows
    assert len(history) == len(rows)
    assert [history[i] for i in range(-len(rows), len(rows))] == rows + rows
    assert history[1:-1:2] == rows[1:-1:2]
    if rows:
        assert history.column("loss") == [row["loss"] for row in rows]


def test_a_value_that_comes_or_goes_is_none_elsewhere() -> None:
    history = History([{"loss": 1.0}])
    history.append({"loss": 0.5, "error_rate": 0.1})
    history.append({"loss": 0.4})
    assert history == [
        {"loss": 1.0, "error_rate": None},
        {"loss": 0.5, "error_rate": 0.1},
        {"loss": 0.4, "error_rate": None},
    ]


def test_an_epoch_that_was_not_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="epoch 0 of 0"):
        History()[0]
    assert History() != [{"loss": 1.0}]


def test_rows_are_copies() -> None:
    history = History([{"loss": 1.0}])
    history[0]["loss"] = 2.0
    history.column("loss")[0] = 3.0
    assert history == [{"loss": 1.0}]
