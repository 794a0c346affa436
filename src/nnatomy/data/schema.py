"""What each column of a table holds: explicit type inference, with a reason for every decision.

The rules, in the order in which they are tried on a column of texts:

1. no cell or a single value: *constant*;
2. only words such as yes and no: *boolean*;
3. only numbers (missing markers such as NA aside), written alike with decimal points or commas,
   thousands marks or one unit: *number*; codes with leading zeros (007) are no numbers, and whole
   numbers that are unique and evenly spaced are row numbers, unless named like a time: *id*;
4. only dates of one format: *date*;
5. at most 100 different texts, and at most half of the cells different: *category*;
6. otherwise *id* (every cell different) or *text*, which are not used.

Columns with a type of their own (frames, Parquet, XLSX) skip the rules that read meaning into text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data import number_text, table_cells
from nnatomy.data.number_text import MAX_ODD_SHARE, NumberFormat, Writing
from nnatomy.data.quality import Finding, counted
from nnatomy.data.table_cells import Floats, Objects, Rows
from nnatomy.errors import DataError, SettingError, nearest

Kind: TypeAlias = Literal["number", "category", "boolean", "date", "text", "id", "constant"]

KINDS: tuple[Kind, ...] = get_args(Kind)
USED_KINDS = ("number", "category", "boolean", "date")
MAX_LEVELS = 100
MAX_LEVEL_SHARE = 0.5
SERIES_NAMES = frozenset({"year", "time", "x", "t", "age", "hour", "day", "month", "week"})
"""Columns of these names are amounts even where they run like row numbers."""

ROW_NUMBER = "unique whole numbers without gaps: a row number"
_SAMPLE = 1000

_FORMATS = (
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?"), ("ISO8601",)),
    (re.compile(r"\d{4}/\d\d?/\d\d?"), ("%Y/%m/%d",)),
    (re.compile(r"\d\d?\.\d\d?\.\d{4}"), ("%d.%m.%Y",)),
    (re.compile(r"\d\d?\.\d\d?\.\d{4} \d\d?:\d\d"), ("%d.%m.%Y %H:%M",)),
    (re.compile(r"\d\d?/\d\d?/\d{4}"), ("%d/%m/%Y", "%m/%d/%Y")),
    (re.compile(r"\d\d?/\d\d?/\d{4} \d\d?:\d\d"), ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")),
)


@dataclass(frozen=True)
class Column:
    """What a column holds and how its cells are read.

    Args:
        name: Name in the header.
        kind: What it holds.
        reason: Why it is thought to hold that.
        comma: Whether numbers are written with a decimal comma.
        date_format: Format of dates that are written as text.
        thousands: Whether thousands are marked by commas.
        unit: What stands before or behind every number.
    """

    name: str
    kind: Kind
    reason: str
    comma: bool = False
    date_format: str = "ISO8601"
    thousands: bool = False
    unit: str = ""

    @property
    def form(self) -> NumberFormat:
        """How its numbers are written."""
        return NumberFormat(self.comma, self.thousands, self.unit)

    @property
    def is_used(self) -> bool:
        """Whether a column of this kind can be a feature."""
        return self.kind in USED_KINDS

    def read(self, series: pd.Series[Any]) -> tuple[Floats | Objects, Rows]:
        """Typed values (float64, or level texts) and the positions of cells that do not fit."""
        if self.kind == "number":
            return table_cells.numbers(series, self.form)
        if self.kind == "boolean":
            return table_cells.booleans(series)
        if self.kind == "date":
            return table_cells.dates(series, self.date_format)
        return table_cells.categories(series), np.empty(0, np.int64)


@dataclass(frozen=True)
class Schema:
    """The feature columns of a table, in the order in which a network takes them."""

    columns: tuple[Column, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The columns as JSON-able values."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_json(cls, values: list[dict[str, Any]]) -> Schema:
        """The inverse of `to_json`.

        Raises:
            ValueError: A column is of a kind that cannot be a feature.
        """
        columns = tuple(Column(**column) for column in values)
        strange = [column.kind for column in columns if not column.is_used]
        if strange:
            raise ValueError(f"a feature cannot be of kind {strange[0]!r}")
        return cls(columns)


@dataclass(frozen=True)
class TypedColumn:
    """A column with its typed values.

    Args:
        column: What it holds.
        values: float64 with NaN where missing, or level texts with None where missing.
        unique: Number of different values.
        findings: What the user should know.
    """

    column: Column
    values: Floats | Objects
    unique: int
    findings: tuple[Finding, ...] = ()

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where no value is known."""
        return np.asarray(pd.isna(self.values), dtype=bool)


def check_kinds(kinds: Mapping[str, str], names: list[str]) -> None:
    """Raise a DataError where there is no such column, a SettingError where no such kind."""
    for name, kind in kinds.items():
        if name not in names:
            raise DataError(f"kinds: there is no column {name!r}; {nearest(name, names)}")
        if kind not in KINDS:
            hint = nearest(kind, KINDS)
            raise SettingError(f"kinds: {name!r} cannot be of kind {kind!r}; {hint}")


def infer_column(
    series: pd.Series[Any],
    name: str,
    *,
    is_text: bool,
    kind: Kind | None = None,
    commas_elsewhere: bool = False,
) -> TypedColumn:
    """Find out what a column holds.

    Args:
        series: Its cells.
        name: Its name.
        is_text: Whether texts may stand for numbers, dates or booleans.
        kind: What the user says it holds; None to infer it.
        commas_elsewhere: Whether other columns have decimal commas for sure.
    """
    if kind is not None:
        return _as_told(series, name, kind, commas_elsewhere)
    dtype = series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _typed(series, Column(name, "boolean", "of boolean type"))
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return _number(series, Column(name, "number", "of numeric type"))
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _typed(series, Column(name, "date", "of date-time type"))
    if is_text:
        return _from_text(series, name, commas_elsewhere)
    if isinstance(dtype, pd.CategoricalDtype):
        return _levels(series, name)
    return _from_objects(series, name)


def _as_told(series: pd.Series[Any], name: str, kind: Kind, commas_elsewhere: bool) -> TypedColumn:
    column = Column(name, kind, "given by the user")
    findings: tuple[Finding, ...] = ()
    if kind == "number" and (commas_elsewhere or len(column.read(series)[1])):
        writing = number_text.recognize(
            table_cells.count_texts(series), commas_elsewhere=commas_elsewhere
        )
        column = _written(column, writing)
        findings = writing.findings(name)
    if kind == "date":
        texts = [cell for cell in table_cells.factorize(series)[1] if isinstance(cell, str)]
        formats = {f for _, formats in _FORMATS for f in formats if texts}
        options = [column, *(replace(column, date_format=f) for f in sorted(formats))]
        odd = [len(option.read(series)[1]) for option in options]
        column = options[odd.index(min(odd))]
        if odd.count(min(odd)) > 1 and "/" in column.date_format:
            findings = (_ambiguous_dates(name),)
    typed = _typed(series, column)
    return replace(typed, findings=(*findings, *typed.findings))


def _written(column: Column, writing: Writing) -> Column:
    return replace(column, **asdict(writing.format))


def _from_text(series: pd.Series[Any], name: str, commas_elsewhere: bool) -> TypedColumn:
    number = Column(name, "number", "every cell is a number")
    values, odd = table_cells.numbers(series)
    plain = not len(odd) and not np.isnan(values).all()
    if plain and not (
        commas_elsewhere and number_text.points_may_mark_thousands(series.head(_SAMPLE))
    ):
        return _amounts(series, number, values)
    if not (texts := table_cells.count_texts(series)):
        return _typed(series, Column(name, "constant", "every cell is empty"))
    words = {cell.strip().lower() for cell in texts}
    if words <= table_cells.TRUE_WORDS | table_cells.FALSE_WORDS and len(words) == 2:
        reason = f"only the words {' and '.join(sorted(words))}"
        return _typed(series, Column(name, "boolean", reason))
    writing = number_text.recognize(texts, commas_elsewhere=commas_elsewhere)
    number, findings = _written(number, writing), writing.findings(name)
    if not writing.odd:
        return _amounts(series, number, table_cells.numbers(series, number.form)[0], findings)
    found = _date(series, name, next(iter(texts)).strip())
    found = found or _mostly_number(series, number, writing.odd, findings)
    return found or _levels(series, name)


def _amounts(
    series: pd.Series[Any], column: Column, values: Floats, findings: tuple[Finding, ...] = ()
) -> TypedColumn:
    """A column of numbers, or of codes that look like numbers."""
    if not _is_code(series, values):
        return _number(series, column, values, findings)
    found = _levels(series, column.name)
    return replace(found, column=replace(found.column, reason="codes with leading zeros"))


def _is_code(series: pd.Series[Any], values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return bool((known == np.floor(known)).all()) and table_cells.has_leading_zeros(series)


def _from_objects(series: pd.Series[Any], name: str) -> TypedColumn:
    """A column of Python objects: their types decide, where all are of one type."""
    inferred = pd.api.types.infer_dtype(series.to_numpy(object), skipna=True)
    if inferred == "empty":
        return _typed(series, Column(name, "constant", "every cell is empty"))
    if inferred == "boolean":
        return _typed(series, Column(name, "boolean", "of boolean type"))
    if inferred in ("integer", "floating", "decimal", "mixed-integer-float"):
        return _number(series, Column(name, "number", "every cell is a number"))
    if inferred in ("datetime", "date", "datetime64"):
        return _typed(series, Column(name, "date", "every cell is a date"))
    if inferred.startswith("mixed"):
        column = Column(name, "number", "every cell is a number or a missing marker")
        values, odd = table_cells.numbers(series)
        few = (
            _mostly_number(series, column, len(odd))
            if len(odd)
            else _number(series, column, values)
        )
        if few is not None and few.unique:
            return few
    found = _levels(series, name)
    if inferred == "string" and not len(table_cells.numbers(series)[1]):
        message = (
            f"{name!r} holds numbers as texts and was taken as {found.column.kind}; "
            f"if they are amounts, give it the kind number"
        )
        return replace(found, findings=(*found.findings, Finding("numbers-as-text", message, name)))
    return found


def _number(
    series: pd.Series[Any],
    column: Column,
    values: Floats | None = None,
    findings: tuple[Finding, ...] = (),
) -> TypedColumn:
    """A column of numbers, unless it is constant or counts the rows."""
    if values is None:
        values = table_cells.numbers(series, column.form)[0]
    known = values[~np.isnan(values)]
    unique = len(pd.unique(known))
    if unique <= 1 and len(known) in (0, len(values)):
        reason = f"every cell is {known[0]:g}" if len(known) else "every cell is empty"
        column = replace(column, kind="constant", reason=reason)
    elif (
        unique == len(values)
        and column.name.strip().lower() not in SERIES_NAMES
        and _counts_rows(values)
    ):
        column = replace(column, kind="id", reason=ROW_NUMBER)
    return TypedColumn(column, values, unique, findings)


def _counts_rows(values: Floats) -> bool:
    if not np.isfinite(values).all() or not (values == np.floor(values)).all():
        return False
    steps = np.diff(values)
    dense = bool(np.ptp(values) == len(values) - 1)
    return dense or bool((steps == steps[0]).all())


def varying(typed: TypedColumn, train: Rows) -> TypedColumn:
    """The column, or a constant one where it does not vary in the training rows."""
    values = typed.values[train]
    known = values[pd.notna(values)]
    if not typed.column.is_used or len(pd.unique(known)) > 1 or 0 < len(known) < len(values):
        return typed
    reason = "one value in the training records" if len(known) else "empty in the training records"
    return replace(typed, column=replace(typed.column, kind="constant", reason=reason))


def _date(series: pd.Series[Any], name: str, first: str) -> TypedColumn | None:
    """The column as dates when one format fits every cell."""
    formats = next((f for pattern, f in _FORMATS if pattern.fullmatch(first)), ())
    fitting = []
    for date_format in formats:
        column = Column(name, "date", f"every cell is a date ({date_format})", False, date_format)
        if not len(column.read(series)[1]):
            fitting.append(column)
    if not fitting:
        return None
    found = _typed(series, fitting[0])
    if len(fitting) == 1:
        return found
    return replace(found, findings=(_ambiguous_dates(name),))


def _ambiguous_dates(name: str) -> Finding:
    message = (
        f"the dates of {name!r} may be day/month or month/day; they were read as day/month; "
        "write them as 2024-12-31"
    )
    return Finding("ambiguous-dates", message, name)


def _mostly_number(
    series: pd.Series[Any], column: Column, odd: int, findings: tuple[Finding, ...] = ()
) -> TypedColumn | None:
    """The column as numbers when nearly every cell is one; the others count as missing."""
    if odd > MAX_ODD_SHARE * len(series):
        return None
    found = _typed(series, replace(column, reason=f"all cells but {odd} are numbers"))
    return replace(found, findings=(*findings, *found.findings))


def _levels(series: pd.Series[Any], name: str) -> TypedColumn:
    """A column of texts: a category when it has few levels."""
    distinct = table_cells.factorize(series)[1]
    values = table_cells.categories(series)
    known = values[pd.notna(values)]
    unique = len(pd.unique(known))
    findings = []
    for texts in table_cells.twins(distinct).values():
        spellings = ", ".join(map(repr, texts))
        message = f"{spellings} in {name!r} differ only in Unicode form or spaces: taken as one"
        findings.append(Finding("unicode-twins", message, name))
    if unique <= 1 and len(known) in (0, len(values)):
        reason = f"every cell is {known[0]!r}" if len(known) else "every cell is empty"
        return TypedColumn(Column(name, "constant", reason), values, unique, tuple(findings))
    if unique <= MAX_LEVELS and unique <= MAX_LEVEL_SHARE * len(values):
        column = Column(name, "category", f"{unique} different texts")
    elif unique == len(known):
        column = Column(name, "id", "every text is different")
    else:
        column = Column(name, "text", f"{unique} different texts in {len(values)} records")
    return TypedColumn(column, values, unique, tuple(findings))


def _typed(series: pd.Series[Any], column: Column) -> TypedColumn:
    """Read a column of a kind that is settled, unless all its cells are alike."""
    typed = read_column(series, column)
    known = len(typed.values) - int(typed.missing.sum())
    if typed.unique <= 1 and known in (0, len(typed.values)) and column.is_used:
        reason = "every cell is alike" if known else "every cell is empty"
        return replace(typed, column=replace(column, kind="constant", reason=reason))
    return typed


def read_column(series: pd.Series[Any], column: Column) -> TypedColumn:
    """Read a column as what it is known to hold; the finding lists cells that do not fit."""
    values, odd = column.read(series)
    findings: tuple[Finding, ...] = ()
    if len(odd):
        cells = ", ".join(repr(series.iloc[i]) for i in odd[:3])
        what = f"{counted(len(odd), 'cell')} of {column.name!r}"
        message = f"{what} without a {column.kind}, taken as missing: {cells}"
        findings = (Finding("odd-cells", message, column.name),)
    unique = len(pd.unique(values[pd.notna(values)]))
    return TypedColumn(column, values, unique, findings)
