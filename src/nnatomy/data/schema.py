"""What each column of a table holds: explicit type inference, with a reason for every decision.

The rules, in the order in which they are tried on a column of texts:

1. no cell or a single value: *constant*;
2. only words such as yes and no: *boolean*;
3. only numbers (missing markers such as NA aside), all with decimal points or all with decimal
   commas: *number*; codes with leading zeros (007) are no numbers, and whole numbers that are
   unique and evenly spaced are row numbers: *id*;
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

from nnatomy.data import table_cells
from nnatomy.data.quality import Finding
from nnatomy.data.table_cells import Floats, Objects, Rows
from nnatomy.errors import DataError, nearest

Kind: TypeAlias = Literal["number", "category", "boolean", "date", "text", "id", "constant"]

KINDS: tuple[Kind, ...] = get_args(Kind)
USED_KINDS = ("number", "category", "boolean", "date")
MAX_LEVELS = 100
MAX_LEVEL_SHARE = 0.5
MAX_ODD_SHARE = 0.01
"""A column of texts with at most this share of cells that are no numbers is still a number."""

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
    """

    name: str
    kind: Kind
    reason: str
    comma: bool = False
    date_format: str = "ISO8601"

    @property
    def is_used(self) -> bool:
        """Whether a column of this kind can be a feature."""
        return self.kind in USED_KINDS

    def read(self, series: pd.Series[Any]) -> tuple[Floats | Objects, Rows]:
        """Typed values (float64, or level texts) and the positions of cells that do not fit."""
        if self.kind == "number":
            return table_cells.numbers(series, self.comma)
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
    """Raise a DataError for a column that does not exist or a kind that is not known."""
    for name, kind in kinds.items():
        if name not in names:
            raise DataError(f"kinds: there is no column {name!r}; {nearest(name, names)}")
        if kind not in KINDS:
            raise DataError(f"kinds: {name!r} cannot be of kind {kind!r}; {nearest(kind, KINDS)}")


def infer_column(
    series: pd.Series[Any], name: str, *, is_text: bool, kind: Kind | None = None
) -> TypedColumn:
    """Find out what a column holds.

    Args:
        series: Its cells.
        name: Its name.
        is_text: Whether texts may stand for numbers, dates or booleans.
        kind: What the user says it holds; None to infer it.
    """
    if kind is not None:
        return _as_told(series, name, kind)
    dtype = series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _typed(series, Column(name, "boolean", "of boolean type"))
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return _number(series, Column(name, "number", "of numeric type"))
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _typed(series, Column(name, "date", "of date-time type"))
    if is_text:
        return _from_text(series, name)
    if isinstance(dtype, pd.CategoricalDtype):
        return _levels(series, name)
    return _from_objects(series, name)


def _as_told(series: pd.Series[Any], name: str, kind: Kind) -> TypedColumn:
    column = Column(name, kind, "given by the user")
    if kind == "number" and len(column.read(series)[1]):
        comma = replace(column, comma=True)
        column = min(column, comma, key=lambda c: len(c.read(series)[1]))
    if kind == "date":
        texts = [cell for cell in table_cells.factorize(series)[1] if isinstance(cell, str)]
        formats = {f for _, formats in _FORMATS for f in formats if texts}
        options = [column, *(replace(column, date_format=f) for f in sorted(formats))]
        column = min(options, key=lambda c: len(c.read(series)[1]))
    return _typed(series, column)


def _from_text(series: pd.Series[Any], name: str) -> TypedColumn:
    number = Column(name, "number", "every cell is a number")
    values, odd = table_cells.numbers(series)
    if not len(odd) and not np.isnan(values).all():
        if not _is_code(series, values):
            return _number(series, number, values)
        found = _levels(series, name)
        return replace(found, column=replace(found.column, reason="codes with leading zeros"))
    distinct = table_cells.factorize(series)[1]
    solid = [cell.strip() for cell in distinct if not table_cells.is_marker(cell)]
    if not solid:
        return _typed(series, Column(name, "constant", "every cell is empty"))
    words = {cell.lower() for cell in solid}
    if words <= table_cells.TRUE_WORDS | table_cells.FALSE_WORDS and len(words) == 2:
        reason = f"only the words {' and '.join(sorted(words))}"
        return _typed(series, Column(name, "boolean", reason))
    if all("," in cell or cell.lstrip("+-").isdigit() for cell in solid):
        column = replace(number, comma=True, reason="every cell is a number with a decimal comma")
        if not len(column.read(series)[1]):
            message = f"{name!r} was read with decimal commas: {solid[0]!r} is {_example(solid[0])}"
            return _number(series, column, finding=Finding("decimal-comma", message, name))
    return (
        _date(series, name, solid) or _mostly_number(series, number, odd) or _levels(series, name)
    )


def _is_code(series: pd.Series[Any], values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return bool((known == np.floor(known)).all()) and table_cells.has_leading_zeros(series)


def _example(cell: str) -> float | None:
    return table_cells.parse_number(cell, comma=True)


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
        few = _mostly_number(series, column, odd) if len(odd) else _number(series, column, values)
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
    finding: Finding | None = None,
) -> TypedColumn:
    """A column of numbers, unless it is constant or counts the rows."""
    if values is None:
        values = table_cells.numbers(series, column.comma)[0]
    known = values[~np.isnan(values)]
    unique = len(pd.unique(known))
    findings = () if finding is None else (finding,)
    if unique <= 1 and len(known) in (0, len(values)):
        reason = f"every cell is {known[0]:g}" if len(known) else "every cell is empty"
        column = replace(column, kind="constant", reason=reason)
    elif unique == len(values) and _counts_rows(values):
        column = replace(
            column, kind="id", reason="unique whole numbers without gaps: a row number"
        )
    return TypedColumn(column, values, unique, findings)


def _counts_rows(values: Floats) -> bool:
    if not np.isfinite(values).all() or not (values == np.floor(values)).all():
        return False
    steps = np.diff(values)
    dense = bool(np.ptp(values) == len(values) - 1)
    return dense or bool((steps == steps[0]).all())


def _date(series: pd.Series[Any], name: str, solid: list[str]) -> TypedColumn | None:
    """The column as dates when one format fits every cell."""
    formats = next((f for pattern, f in _FORMATS if pattern.fullmatch(solid[0])), ())
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
    message = f"the dates of {name!r} may be day/month or month/day; they were read as day/month"
    return replace(found, findings=(Finding("ambiguous-dates", message, name),))


def _mostly_number(series: pd.Series[Any], column: Column, odd: Rows) -> TypedColumn | None:
    """The column as numbers when nearly every cell is one; the others count as missing."""
    if len(odd) > MAX_ODD_SHARE * len(series):
        return None
    return _typed(series, replace(column, reason=f"all cells but {len(odd)} are numbers"))


def _levels(series: pd.Series[Any], name: str) -> TypedColumn:
    """A column of texts: a category when it has few levels."""
    distinct = table_cells.factorize(series)[1]
    values = table_cells.categories(series)
    known = values[pd.notna(values)]
    unique = len(pd.unique(known))
    findings = []
    for texts in table_cells.twins(distinct).values():
        spellings = ", ".join(repr(text) for text in texts)
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
        what = f"{len(odd)} cells of {column.name!r} are no {column.kind}"
        message = f"{what} and count as missing: {cells}"
        findings = (Finding("odd-cells", message, column.name),)
    unique = len(pd.unique(values[pd.notna(values)]))
    return TypedColumn(column, values, unique, findings)
