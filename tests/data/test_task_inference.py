"""Classes or numbers, and from which column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnatomy.data.task_inference import choose_target, infer_task
from nnatomy.errors import DataError, SettingError


@pytest.mark.parametrize(
    ("values", "kind", "reason", "classes"),
    [
        (["b", "a", "NA", "a"], "classification", "text labels", ("NA", "a", "b")),
        (["007", "010"], "classification", "text labels", ("007", "010")),
        ([True, False, True], "classification", "boolean", (False, True)),
        (np.array([True, False]), "classification", "boolean", (False, True)),
        ([0.5, 1.0, 2.0], "regression", "numbers with fractions", ()),
        ([3, 1] * 4, "classification", "2 distinct integer values in 8 records", (1, 3)),
        (
            np.arange(150) % 12,
            "classification",
            "12 distinct integer values in 150 records",
            tuple(range(12)),
        ),
        (np.arange(150) % 21, "regression", "21 distinct integer values in 150 records", ()),
        ([1, 2, 3, 4, 5], "regression", "5 distinct integer values in 5 records", ()),
        (pd.Series(["x", "y"], dtype="category"), "classification", "text labels", ("x", "y")),
        ([10, "9", "b", 9], "classification", "text labels", (9, 10, "9", "b")),
    ],
)
def test_inference(values: object, kind: str, reason: str, classes: tuple[object, ...]) -> None:
    task = infer_task(values, "y")  # type: ignore[arg-type]
    assert (task.kind, task.reason, task.classes) == (kind, reason, classes)
    assert [type(label) for label in task.classes] == [type(label) for label in classes]


def test_the_user_decides() -> None:
    numbers = [1, 2, 3, 4, 5]
    for name in ("classification", "multiclass", "multi-class"):
        assert infer_task(numbers, "y", task=name).classes == (1, 2, 3, 4, 5)
    task = infer_task([0, 1, 0, 1], "y", task="regression")
    assert (task.kind, task.outputs) == ("regression", 1)
    assert task.reason == "given by the user (2 distinct integer values in 4 records)"
    with pytest.raises(DataError, match="a binary task has two"):
        infer_task(numbers, "y", task="binary")
    with pytest.raises(SettingError, match="did you mean 'regression'"):
        infer_task(numbers, "y", task="regresion")


def test_targets_that_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="record 1 is 'b', not a number"):
        infer_task([1, "b"], "y", task="regression")
    with pytest.raises(DataError, match="every record is 'a'"):
        infer_task(["a", "a"], "y")
    with pytest.raises(DataError, match="no record has a value"):
        infer_task([], "y")
    with pytest.raises(DataError, match="30 different texts in 30 records"):
        infer_task([f"t{i}" for i in range(30)], "y")
    assert len(infer_task([f"t{i}" for i in range(30)], "y", task="classification").classes) == 30
    with pytest.raises(DataError, match="record 1 is infinite"):
        infer_task([1.5, float("inf")], "y")


def test_choice_of_the_target() -> None:
    assert choose_target(["a", "Species", "b"], None)[0] == "Species"
    assert choose_target(["y", "target", "b"], None)[0] == "target"
    assert choose_target(["a", "b"], None) == ("b", "the last column")
    assert choose_target(["a", "b"], "a") == ("a", "given by the user")
    with pytest.raises(DataError, match="did you mean 'price'"):
        choose_target(["price", "b"], "prize")
    with pytest.raises(DataError, match="only the column 'a'"):
        choose_target(["a"], None)
