"""The answers in a table's target column: labels as they are spelled, or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data import table_cells
from nnatomy.data.quality import Rejected
from nnatomy.data.table_cells import Objects
from nnatomy.data.table_file import AnyTable
from nnatomy.data.task import Task
from nnatomy.data.task_inference import are_class_numbers, infer_task, plain_label
from nnatomy.errors import DataError

_NUMBERS_AS_TEXT = ("regression", "string")


@dataclass(frozen=True)
class Answers:
    """The answers of some rows of a table.

    Args:
        rows: Positions of the rows that have one.
        truth: Labels or numbers of these rows, as they stand in the table.
        values: Class indices (int64) or numbers (float64) of these rows.
        rejected: The other rows.
    """

    rows: NDArray[np.int64]
    truth: list[Any]
    values: NDArray[Any]
    rejected: list[Rejected]


def find_answers(
    table: AnyTable, target: str, wanted: str | None, usable: NDArray[np.bool_]
) -> tuple[Task, Answers]:
    """Infer the task from the usable rows and read their answers."""
    cells = read_target(table.column(target), is_text=table.is_text, task=wanted)
    known = np.array([cell is not None for cell in cells], dtype=bool)
    if wanted == "regression":
        _check_numbers(table, target, cells)
    rows = np.flatnonzero(known & usable)
    task = infer_task(cells[rows], target, task=wanted)
    reason = f"no value in the target column {target!r}"
    rejected = reject(table, np.flatnonzero(~known & usable), reason)
    return task, _answers(task, cells, rows, rejected)


def match_answers(table: AnyTable, task: Task) -> Answers | None:
    """Read the answers of a further table to a known task; None when it has none at all."""
    series = table.column(task.target)
    cells = read_target(series, is_text=table.is_text, task=task.kind)
    known = np.array([cell is not None for cell in cells], dtype=bool)
    if not known.any():
        return None
    rejected = reject(
        table, np.flatnonzero(~known), f"no value in the target column {task.target!r}"
    )
    if task.kind == "regression":
        fits = np.array([_is_number(cell) for cell in cells], dtype=bool)
    else:
        index = _label_index(task)
        fits = np.array([_find(index, cell) is not None for cell in cells], dtype=bool)
    for row in np.flatnonzero(known & ~fits):
        what = "number" if task.kind == "regression" else "label of the training data"
        rejected += reject(table, [int(row)], f"{cells[row]!r} in {task.target!r} is no {what}")
    return _answers(task, cells, np.flatnonzero(known & fits), rejected)


def reject(table: AnyTable, rows: NDArray[np.int64] | Sequence[int], reason: str) -> list[Rejected]:
    """The rows as rejected records."""
    return [Rejected(table.origin, int(table.lines[row]), reason) for row in rows]


def read_target(series: pd.Series[Any], *, is_text: bool, task: str | None) -> Objects:
    """The target's cells as plain labels or numbers, None where there is no answer.

    In a text source, whole numbers become integers, other numbers floats, and everything else
    stays as it is spelled: `NA` is a label, `007` is not 7. Only among numbers that are amounts
    is a marker such as NA a missing value.

    Args:
        series: The target column.
        is_text: Whether texts may stand for numbers.
        task: The wanted task, or None.
    """
    cells = series.to_numpy(object)
    inferred = pd.api.types.infer_dtype(cells, skipna=True)
    from_texts = is_text or inferred.startswith("mixed") or (task, inferred) == _NUMBERS_AS_TEXT
    texts = [_plain(cell) for cell in cells]
    if not from_texts:
        return _objects(texts)
    readings = [table_cells.numbers(series, comma) for comma in (False, True)]
    values, odd = min(readings, key=lambda reading: len(reading[1]))
    if np.isfinite(values).any() and (task == "regression" or not len(odd)):
        return _objects(_spelled_numbers(texts, values, task))
    return _objects(texts)


def _spelled_numbers(texts: list[Any], values: NDArray[np.float64], task: str | None) -> list[Any]:
    """Cells of a column of numbers: amounts as floats, class numbers as integers, codes as texts.

    Cells that are no numbers (of a column that is meant to be one) stay texts.
    """
    finite = np.isfinite(values)
    if task == "regression" or (task is None and not are_class_numbers(values[finite])):
        amounts: list[Any] = values.tolist()
        for row in np.flatnonzero(np.isinf(values)):
            amounts[row] = None
        for row in np.flatnonzero(np.isnan(values)):
            amounts[row] = None if table_cells.is_marker(texts[row]) else texts[row]
        return amounts
    plain = all(
        text is None or (known and text == str(int(value)))
        for text, value, known in zip(texts, values, finite, strict=True)
    )
    return [None if text is None else int(text) for text in texts] if plain else list(texts)


def _check_numbers(table: AnyTable, target: str, cells: Objects) -> None:
    for row, cell in enumerate(cells):
        if cell is not None and not _is_number(cell):
            raise DataError(
                f"{table.origin}, {table.unit} {table.lines[row]}: target {target!r} is {cell!r}, "
                "not a number; regression needs numbers: correct it, or choose classification"
            )


def _answers(
    task: Task, cells: Objects, rows: NDArray[np.int64], rejected: list[Rejected]
) -> Answers:
    if task.kind == "regression":
        values: NDArray[Any] = cells[rows].astype(np.float64)
        return Answers(rows, values.tolist(), values, rejected)
    index = _label_index(task)
    codes = np.array([_find(index, cell) for cell in cells[rows]], dtype=np.int64)
    return Answers(rows, [task.classes[code] for code in codes], codes, rejected)


def _label_index(task: Task) -> dict[Any, int]:
    """Class indices by label, and by the text of the label where that is not taken."""
    index: dict[Any, int] = {label: i for i, label in enumerate(task.classes)}
    for i, label in enumerate(task.classes):
        index.setdefault(table_cells.level_text(label), i)
    return index


def _find(index: dict[Any, int], cell: Any) -> int | None:
    return index[cell] if cell in index else index.get(table_cells.level_text(cell))


def _plain(cell: Any) -> Any:
    if table_cells.is_missing(cell):
        return None
    label = float(cell) if isinstance(cell, Decimal) else plain_label(cell)
    if isinstance(label, float) and not math.isfinite(label):
        return None
    return None if isinstance(label, str) and not label.strip() else label


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float))


def _objects(cells: Sequence[Any]) -> Objects:
    out = np.empty(len(cells), dtype=object)
    out[:] = cells
    return out
