"""Finding out what is to be learned: classes or numbers, and from which column."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data.task import Task, TaskKind
from nnatomy.errors import DataError, SettingError, nearest
from nnatomy.types import Label

MAX_INTEGER_CLASSES = 20
RECORDS_A_CLASS = 3
"""Whole numbers are classes when there are at most 20 of them, each with 3 records on average."""

TARGET_NAMES = (
    "target",
    "label",
    "labels",
    "class",
    "y",
    "species",
    "outcome",
    "diagnosis",
    "quality",
)

_TASK_NAMES: dict[str, TaskKind] = {
    "classification": "classification",
    "binary": "classification",
    "multiclass": "classification",
    "multi-class": "classification",
    "regression": "regression",
}


def choose_target(names: Sequence[str], wanted: str | None) -> tuple[str, str]:
    """The target column and why it was chosen.

    Raises:
        DataError: There is no column of the wanted name, or no other column to learn from.
    """
    wanted = None if wanted is None else str(wanted)  # columns of a frame may be called 0, 1, …
    if wanted is not None and wanted not in names:
        raise DataError(f"there is no target column {wanted!r}; {nearest(wanted, names)}")
    if len(names) < 2:
        raise DataError(
            f"the table has only the column {names[0]!r}; it needs features and a target"
        )
    if wanted is not None:
        return wanted, "given by the user"
    by_name = {name.lower(): name for name in reversed(names)}
    for usual in TARGET_NAMES:
        if usual in by_name:
            return by_name[usual], f"a usual name of a target ({usual})"
    return names[-1], "the last column"


def infer_task(
    values: Sequence[Any] | NDArray[Any] | pd.Series[Any], target: str, *, task: str | None = None
) -> Task:
    """Decide between classification and regression.

    Booleans, texts, and few different whole numbers are classes; other numbers are values.

    Args:
        values: The answers, one a record, none missing.
        target: Name of the column they come from.
        task: "classification" ("binary", "multiclass", "multi-class") or "regression" to decide
            it; None to infer it.

    Raises:
        DataError: There is one class only, a number is wanted and a record has none, or nearly
            every record has a text of its own.
        SettingError: The wanted task is not known.
    """
    cells = pd.Series(values).to_numpy(object)
    if not len(cells):
        raise DataError(f"target {target!r}: no record has a value")
    wanted = None if task is None else _wanted(task)
    kind, reason = _infer(cells, target)
    if wanted == "regression":
        _check_numbers(cells, target)
    if wanted is not None:
        kind, reason = wanted, f"given by the user ({reason})"
    if kind == "regression":
        return Task(kind, reason, target)
    classes = sorted_labels(cells)
    if len(classes) < 2:
        raise DataError(
            f"target {target!r}: every record is {classes[0]!r}; two classes are needed"
        )
    if task == "binary" and len(classes) > 2:
        raise DataError(f"target {target!r} has {len(classes)} classes; a binary task has two")
    if wanted is None and len(classes) > max(MAX_INTEGER_CLASSES, len(cells) // 2):
        raise DataError(
            f"target {target!r} has {len(classes)} different texts in {len(cells)} records: "
            "these are no classes; name another target column, or give the task classification"
        )
    return Task(kind, reason, target, classes)


def sorted_labels(cells: Sequence[Any] | NDArray[Any]) -> tuple[Label, ...]:
    """The different labels as plain Python values: numbers by size, then texts by spelling."""
    labels = {plain_label(cell) for cell in pd.unique(pd.Series(cells, dtype=object))}
    return tuple(sorted(labels, key=_label_order))


def plain_label(cell: Any) -> Label:
    """A label as text, whole number, fraction or truth value of plain Python."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return cell if isinstance(cell, (str, bool, int, float)) else str(cell)


def _label_order(label: Label) -> tuple[bool, float, str]:
    if isinstance(label, str):
        return True, 0.0, label
    return False, float(label), str(label)


def is_regression(task: str) -> bool:
    """Whether a wanted task, under any of its names, is one of numbers.

    Raises:
        SettingError: The task is not known.
    """
    return _wanted(task) == "regression"


def _wanted(task: str) -> TaskKind:
    if task not in _TASK_NAMES:
        raise SettingError(f"task {task!r} is not known; {nearest(str(task), _TASK_NAMES)}")
    return _TASK_NAMES[task]


def _infer(cells: NDArray[np.object_], target: str) -> tuple[TaskKind, str]:
    inferred = pd.api.types.infer_dtype(cells, skipna=False)
    if inferred == "boolean":
        return "classification", "boolean"
    if inferred not in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "classification", "text labels"
    numbers = _as_floats(cells)
    if not np.isfinite(numbers).all():
        raise DataError(
            f"target {target!r}: record {int(np.argmin(np.isfinite(numbers)))} is infinite"
        )
    if (numbers != np.floor(numbers)).any():
        return "regression", "numbers with fractions"
    reason = f"{len(pd.unique(numbers))} distinct integer values in {len(cells)} records"
    return ("classification" if are_class_numbers(numbers) else "regression"), reason


def are_class_numbers(numbers: NDArray[np.float64]) -> bool:
    """Whether finite numbers are few different whole ones, as class numbers are."""
    distinct = len(pd.unique(numbers))
    few = distinct <= 2 or distinct <= min(MAX_INTEGER_CLASSES, len(numbers) // RECORDS_A_CLASS)
    return few and bool((numbers == np.floor(numbers)).all())


def _as_floats(cells: NDArray[np.object_]) -> NDArray[np.float64]:
    try:
        return cells.astype(np.float64)
    except OverflowError:
        return np.full(len(cells), np.inf)


def _check_numbers(cells: NDArray[np.object_], target: str) -> None:
    for row, cell in enumerate(cells):
        if not isinstance(cell, (int, float, Decimal, np.number, np.bool_)):
            raise DataError(
                f"target {target!r}: record {row} is {cell!r}, not a number; regression needs "
                "numbers: name another target column, or give the task classification"
            )
