"""The answers in a table's target column: labels as they are spelled, or numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data import table_cells
from nnatomy.data.number_text import MAX_ODD_SHARE, Writing, recognize
from nnatomy.data.quality import Finding, Rejected, counted
from nnatomy.data.table_cells import Objects
from nnatomy.data.table_file import AnyTable
from nnatomy.data.target_code import find_label, label_index
from nnatomy.data.task import Task
from nnatomy.data.task_inference import are_class_numbers, infer_task, is_regression, plain_label
from nnatomy.errors import DataError

_MOSTLY_NUMBERS = 0.5
"""A target with at least this share of amounts is a column of numbers with slips, not of labels."""

_PLAINLY = Writing(table_cells.PLAIN, "", 0, "")
_SAMPLE = 1000


@dataclass(frozen=True)
class Answers:
    """The answers of some rows of a table.

    Args:
        rows: Positions of the rows that have one.
        truth: Labels or numbers of these rows, as they stand in the table.
        values: Class indices (int64) or numbers (float64) of these rows.
        rejected: The other rows.
        findings: What the user should know about how the answers were read.
    """

    rows: NDArray[np.int64]
    truth: list[Any]
    values: NDArray[Any]
    rejected: list[Rejected]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class TargetCells:
    """The target's cells as plain labels or numbers, None where there is no answer.

    Args:
        cells: One a row; texts among amounts are cells that are no numbers.
        amounts: Whether the column holds amounts, written as texts.
        writing: How they are written.
        twins: Texts that were taken as one label.
        findings: What the user should know about the reading.
    """

    cells: Objects
    amounts: bool = False
    writing: Writing = _PLAINLY
    twins: tuple[list[str], ...] = ()
    findings: tuple[Finding, ...] = ()


def find_answers(
    table: AnyTable, target: str, wanted: str | None, usable: NDArray[np.bool_]
) -> tuple[Task, Answers]:
    """Infer the task from the usable rows and read their answers.

    Raises:
        DataError: The column cannot be learned, or its numbers allow two readings.
    """
    as_numbers = None if wanted is None else is_regression(wanted)
    reading = read_answers(table, target, as_numbers=as_numbers)
    cells, findings = reading.cells, [*reading.findings]
    known = np.array([cell is not None for cell in cells], dtype=bool)
    reason = f"no value in the target column {target!r}"
    rejected = reject(table, np.flatnonzero(~known & usable), reason)
    if reading.amounts or as_numbers:
        odd = _odd_answers(table, target, cells)
        rejected += [r for row in odd if usable[row] for r in _no_number(table, target, cells, row)]
        known[odd] = False
        if odd:
            message = (
                f"{counted(len(odd), 'record')} rejected: {cells[odd[0]]!r} in {target!r} is no "
                "number; if these are classes, choose the task classification"
            )
            findings.append(Finding("odd-answers", message, target))
    rows = np.flatnonzero(known & usable)
    task = infer_task(cells[rows], target, task=wanted)
    findings += _case_twins(task)
    return task, _answers(task, cells, rows, rejected, tuple(findings))


def match_answers(table: AnyTable, task: Task) -> Answers | None:
    """Read the answers of a further table to a known task; None when it has none at all.

    Raises:
        DataError: There are answers, and the model knows none of them.
    """
    reading = read_answers(table, task.target, as_numbers=task.kind == "regression")
    cells = reading.cells
    known = np.array([cell is not None for cell in cells], dtype=bool)
    if not known.any():
        return None
    rejected = reject(
        table, np.flatnonzero(~known), f"no value in the target column {task.target!r}"
    )
    if task.kind == "regression":
        fits = np.array([_is_number(cell) for cell in cells], dtype=bool)
    else:
        index = label_index(task)
        fits = np.array([find_label(index, cell) is not None for cell in cells], dtype=bool)
    if not fits.any():
        raise DataError(_nothing_known(table, task, cells[np.flatnonzero(known)[0]]))
    for row in np.flatnonzero(known & ~fits):
        if task.kind == "regression":
            rejected += _no_number(table, task.target, cells, int(row))
        else:
            reason = f"{cells[row]!r} in {task.target!r} is no label of the training data"
            rejected += reject(table, [int(row)], reason)
    return _answers(task, cells, np.flatnonzero(known & fits), rejected, reading.findings)


def _nothing_known(table: AnyTable, task: Task, cell: Any) -> str:
    start = f"{table.origin}: no answer in the target column {task.target!r} is known to the model"
    if task.kind == "regression":
        return f"{start}: it learned numbers, and the first answer is {cell!r}"
    labels = ", ".join(repr(label) for label in task.classes[:5])
    more = ", …" if len(task.classes) > 5 else ""
    return f"{start}: it learned {labels}{more}, and the first answer is {cell!r}"


def reject(table: AnyTable, rows: NDArray[np.int64] | Sequence[int], reason: str) -> list[Rejected]:
    """The rows as rejected records."""
    return [Rejected(table.origin, int(table.lines[row]), reason) for row in rows]


def _no_number(table: AnyTable, target: str, cells: Objects, row: int) -> list[Rejected]:
    return reject(table, [row], f"{cells[row]!r} in {target!r} is no number")


def read_target(series: pd.Series[Any], *, is_text: bool, task: str | None) -> Objects:
    """Answers that lie outside of a table, by the rules for a target column (`read_answers`).

    Args:
        series: The answers.
        is_text: Whether texts may stand for numbers.
        task: The wanted task, or None.
    """
    as_numbers = None if task is None else task == "regression"
    reading = _read(series, is_text=is_text, as_numbers=as_numbers)
    if as_numbers is None and any(isinstance(cell, str) for cell in reading.cells):
        reading = _read(series, is_text=is_text, as_numbers=False)
    return reading.cells


def read_answers(table: AnyTable, target: str, *, as_numbers: bool | None) -> TargetCells:
    """The target's cells as plain labels or numbers.

    In a text source, whole numbers become integers, other numbers floats, and everything else
    stays as it is spelled: `NA` is a label, `007` is not 7. Only among numbers that are amounts
    is a marker such as NA a missing value. Labels that differ only in Unicode form or surrounding
    space are one label.

    Args:
        table: The table.
        target: Name of the target column.
        as_numbers: Whether the answers are amounts; None to infer it.

    Raises:
        DataError: Amounts are written so that they allow two readings.
    """
    series = table.column(target)
    commas = as_numbers is not False and has_decimal_commas(table)
    reading = _read(series, is_text=table.is_text, as_numbers=as_numbers, commas=commas)
    writing = reading.writing
    if writing.code == "ambiguous-numbers":
        row = int(np.flatnonzero(series.to_numpy(object) == writing.example)[0])
        digits = re.sub("[,.]", "", writing.example).strip()
        other = writing.example.replace(",", ".").strip()
        raise DataError(
            f"{table.origin}, {table.unit} {table.lines[row]}: target {target!r} is "
            f"{writing.example!r}, which may be {digits} or {other}; write numbers without "
            "thousands marks and with decimal points"
        )
    findings = [*writing.findings(target)]
    for texts in reading.twins:
        spellings = ", ".join(map(repr, texts))
        message = f"{spellings} in {target!r} differ only in Unicode form or spaces: taken as one"
        findings.append(Finding("unicode-twins", message, target))
    return replace(reading, findings=tuple(findings))


def has_decimal_commas(table: AnyTable) -> bool:
    """Whether a text file, separated by something else than commas, has decimal commas for sure."""
    if not table.is_text or all(finding.code != "delimiter" for finding in table.findings):
        return False
    columns = (table.column(name).head(_SAMPLE) for name in table.names)
    writings = (recognize(table_cells.count_texts(column)) for column in columns)
    return any(writing.code == "decimal-comma" and not writing.odd for writing in writings)


def _read(
    series: pd.Series[Any], *, is_text: bool, as_numbers: bool | None, commas: bool = False
) -> TargetCells:
    cells = series.to_numpy(object)
    inferred = pd.api.types.infer_dtype(cells, skipna=True)
    plain = [_plain(cell) for cell in cells]
    from_texts = is_text or inferred.startswith("mixed")
    if as_numbers is not False and (from_texts or inferred == "string"):
        writing = _writing(series, commas)
        values, odd = table_cells.numbers(series, writing.format)
        if as_numbers or _are_amounts(values, len(odd)):
            return TargetCells(_objects(_amounts(plain, values)), True, writing)
    if from_texts and not as_numbers:
        values, odd = table_cells.numbers(series)
        if not len(odd) and np.isfinite(values).any():
            plain = _class_numbers(plain, values)
    twins = table_cells.twins(dict.fromkeys(cell for cell in plain if isinstance(cell, str)))
    one = {text: level for level, texts in twins.items() for text in texts}
    merged = [one.get(cell, cell) if isinstance(cell, str) else cell for cell in plain]
    return TargetCells(_objects(merged), twins=tuple(twins.values()))


def _writing(series: pd.Series[Any], commas: bool) -> Writing:
    if not commas and not len(table_cells.numbers(series)[1]):
        return _PLAINLY  # the usual case, settled in one fast pass
    return recognize(table_cells.count_texts(series), commas_elsewhere=commas)


def _are_amounts(values: NDArray[np.float64], odd: int) -> bool:
    """Whether a column holds mostly numbers, which are no class numbers."""
    finite = values[np.isfinite(values)]
    if not len(finite) or len(finite) < _MOSTLY_NUMBERS * (len(finite) + odd):
        return False
    return not are_class_numbers(finite)


def _amounts(plain: list[Any], values: NDArray[np.float64]) -> list[Any]:
    """Amounts as floats; None where one is missing; cells that are no numbers stay as they are."""
    amounts: list[Any] = values.tolist()
    for row in np.flatnonzero(np.isinf(values)):
        amounts[row] = None
    for row in np.flatnonzero(np.isnan(values)):
        amounts[row] = None if table_cells.is_marker(plain[row]) else plain[row]
    return amounts


def _class_numbers(texts: list[Any], values: NDArray[np.float64]) -> list[Any]:
    """Class numbers as integers, unless one is spelled in another way (007, 1.0, NA)."""
    plain = all(
        text is None or (value == value and text == str(int(value)))
        for text, value in zip(texts, np.where(np.isfinite(values), values, np.nan), strict=True)
    )
    return [None if text is None else int(text) for text in texts] if plain else list(texts)


def _case_twins(task: Task) -> list[Finding]:
    """Labels that differ only in capital letters, which are probably one."""
    alike: dict[str, list[str]] = {}
    for label in task.classes:
        if isinstance(label, str):
            alike.setdefault(label.casefold(), []).append(label)
    return [
        Finding(
            "case-twins",
            f"{', '.join(map(repr, labels))} in {task.target!r} differ only in capital letters and "
            f"are {len(labels)} classes; spell them alike if they are one",
            task.target,
        )
        for labels in alike.values()
        if len(labels) > 1
    ]


def _odd_answers(table: AnyTable, target: str, cells: Objects) -> list[int]:
    """Rows whose answer is no number: few of them are rejected, many stop the work."""
    odd = [i for i, cell in enumerate(cells) if cell is not None and not _is_number(cell)]
    if len(odd) > MAX_ODD_SHARE * len(cells):
        raise DataError(
            f"{table.origin}, {table.unit} {table.lines[odd[0]]}: target {target!r} is "
            f"{cells[odd[0]]!r}, not a number, in {counted(len(odd), 'record')} of {len(cells)}; "
            "correct or remove them, or choose the task classification"
        )
    return odd


def _answers(
    task: Task,
    cells: Objects,
    rows: NDArray[np.int64],
    rejected: list[Rejected],
    findings: tuple[Finding, ...],
) -> Answers:
    if task.kind == "regression":
        values: NDArray[Any] = cells[rows].astype(np.float64)
        return Answers(rows, values.tolist(), values, rejected, findings)
    index = label_index(task)
    codes = np.array([find_label(index, cell) for cell in cells[rows]], dtype=np.int64)
    return Answers(rows, [task.classes[code] for code in codes], codes, rejected, findings)


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
