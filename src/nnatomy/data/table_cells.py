"""The cells of one column turned into an array: numbers, dates, booleans or category levels.

Every function works cell by cell, so that a column gives the same array whether it is read at once
or in parts. Cells that do not fit the kind are returned as positions ("odd cells"); they count as
missing, and the caller reports them.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nnatomy.data import number_text
from nnatomy.data.number_text import NumberFormat

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
Objects: TypeAlias = NDArray[np.object_]

MISSING_MARKERS = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", "."}
)
"""Texts (in lower case) that stand for a missing cell in a column of numbers, dates or booleans."""

TRUE_WORDS = frozenset({"true", "yes", "t", "y"})
FALSE_WORDS = frozenset({"false", "no", "f", "n"})

PLAIN = NumberFormat()
_ARROW_REFUSALS = (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError)
_MICROSECONDS_A_DAY = 86_400_000_000


def is_missing(cell: object) -> bool:
    """Whether a cell of a typed source is empty: None, NaN, NaT or pandas' NA."""
    return (
        cell is None
        or cell is pd.NA
        or cell is pd.NaT
        or (isinstance(cell, float) and cell != cell)
    )


def is_marker(cell: object) -> bool:
    """Whether a cell is missing or is a text that stands for a missing value."""
    return cell.strip().lower() in MISSING_MARKERS if isinstance(cell, str) else is_missing(cell)


def parse_number(cell: object, form: NumberFormat = PLAIN) -> float | None:
    """The number in a cell: NaN for a missing one, None for something else."""
    if isinstance(cell, str):
        return math.nan if is_marker(cell) else number_text.parse(cell, form)
    if is_missing(cell):
        return math.nan
    if isinstance(cell, (int, float, Decimal, np.number, np.bool_)):
        try:
            return float(cell)
        except OverflowError:  # a whole number of more than 308 digits
            return math.inf if bool(cell > 0) else -math.inf
    return None


def level_text(cell: object) -> str | None:
    """The category level of a cell: text without surrounding space in Unicode's NFKC form.

    Whole numbers give the same level however they are stored (1, 1.0, "1"); a missing or empty
    cell gives None.
    """
    if isinstance(cell, str):
        return unicodedata.normalize("NFKC", cell).strip() or None
    if is_missing(cell):
        return None
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def factorize(series: pd.Series[Any]) -> tuple[Rows, list[Any]]:
    """Codes and distinct cells of a column; cells that cannot be hashed are taken as text.

    Values of different types are kept apart (True is not 1), a missing cell has the code -1.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return np.asarray(series.cat.codes, dtype=np.int64), series.cat.categories.tolist()
    cells = series.to_numpy(object)
    if pd.api.types.infer_dtype(cells, skipna=True) == "string":
        codes, distinct = pd.factorize(cells)
        return np.asarray(codes, dtype=np.int64), list(distinct)
    known: dict[tuple[type, Any], int] = {}
    codes = np.empty(len(cells), np.int64)
    for i, cell in enumerate(cells):
        if is_missing(cell):
            codes[i] = -1
            continue
        if not isinstance(cell, (str, Real, Decimal, date)):
            cell = str(cell)
        codes[i] = known.setdefault((type(cell), cell), len(known))
    return codes, [cell for _, cell in known]


def count_texts(series: pd.Series[Any]) -> dict[str, int]:
    """The different texts of a column, missing markers aside, and how often each occurs."""
    codes, distinct = factorize(series)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct)).tolist()
    pairs = zip(distinct, counts, strict=True)
    return {cell: n for cell, n in pairs if isinstance(cell, str) and not is_marker(cell)}


def numbers(series: pd.Series[Any], form: NumberFormat = PLAIN) -> tuple[Floats, Rows]:
    """The column as float64 with NaN where missing, and the positions of odd cells."""
    dtype = series.dtype
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), np.empty(0, np.int64)
    fast = _fast_numbers(series) if form == PLAIN else None
    if fast is not None:
        return fast, np.empty(0, np.int64)
    return _by_distinct(series, lambda cell: parse_number(cell, form))


def _fast_numbers(series: pd.Series[Any]) -> Floats | None:
    """Numbers of a column of texts in one vectorised pass, or None when a cell needs care."""
    try:
        texts = pc.utf8_trim_whitespace(_arrow(series))
        parsed = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except _ARROW_REFUSALS:
        return None
    return np.array(parsed, dtype=np.float64)


def _arrow(series: pd.Series[Any]) -> Any:
    return pa.array(series, pa.string(), from_pandas=True)


def has_leading_zeros(series: pd.Series[Any]) -> bool:
    """Whether a column of texts holds codes like 007."""
    texts = _arrow(series)
    return bool(pc.any(pc.match_substring_regex(texts, r"^\s*[+-]?0[0-9]")).as_py())


def booleans(series: pd.Series[Any]) -> tuple[Floats, Rows]:
    """The column as 0.0 and 1.0 with NaN where missing, and the positions of odd cells."""
    if pd.api.types.is_bool_dtype(series.dtype) and not hasattr(series, "cat"):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), np.empty(0, np.int64)
    return _by_distinct(series, parse_boolean)


def parse_boolean(cell: object) -> float | None:
    """1.0 or 0.0 for a truth value, NaN for a missing one, None for something else."""
    if isinstance(cell, str):
        word = cell.strip().lower()
        if word in TRUE_WORDS or word in FALSE_WORDS:
            return float(word in TRUE_WORDS)
    value = parse_number(cell)
    return value if value is None or value in (0.0, 1.0) or math.isnan(value) else None


def categories(series: pd.Series[Any]) -> Objects:
    """The column as level texts with None where missing."""
    codes, distinct = factorize(series)
    return _take([level_text(cell) for cell in distinct], codes)


def twins(distinct: Iterable[object]) -> dict[str, list[str]]:
    """Texts that differ only in Unicode form or surrounding space, under their common level."""
    found: dict[str, list[str]] = {}
    for cell in distinct:
        level = level_text(cell)
        if isinstance(cell, str) and level is not None:
            found.setdefault(level, []).append(cell)
    return {level: texts for level, texts in found.items() if len(texts) > 1}


def dates(series: pd.Series[Any], date_format: str) -> tuple[Floats, Rows]:
    """The column as days since 1970-01-01 (UTC) with NaN where missing, and the odd cells.

    Args:
        series: Date-times, dates, or texts.
        date_format: Format of texts as `strptime` writes it, or "ISO8601".
    """
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _days(pd.DatetimeIndex(pd.to_datetime(series, utc=True))), np.empty(0, np.int64)
    codes, distinct = factorize(series)
    texts = [cell.strip() if isinstance(cell, str) else _iso(cell) for cell in distinct]
    parsed = np.full(len(texts) + 1, np.nan)
    for wanted, is_text in ((date_format, True), ("ISO8601", False)):
        rows = [i for i, cell in enumerate(distinct) if isinstance(cell, str) is is_text]
        if rows:
            stamps = pd.to_datetime(
                [texts[i] for i in rows], format=wanted, errors="coerce", utc=True
            )
            parsed[rows] = _days(pd.DatetimeIndex(stamps))
    odd = [i for i, cell in enumerate(distinct) if np.isnan(parsed[i]) and not is_marker(cell)]
    return parsed[codes], np.flatnonzero(np.isin(codes, odd))


def _iso(cell: object) -> str:
    return cell.isoformat() if isinstance(cell, (date, datetime)) else str(cell)


def _days(stamps: pd.DatetimeIndex) -> Floats:
    micro = stamps.tz_localize(None).to_numpy().astype("datetime64[us]")
    days = micro.astype(np.int64) / _MICROSECONDS_A_DAY
    days[np.isnat(micro)] = np.nan
    return np.asarray(days, dtype=np.float64)


def _by_distinct(
    series: pd.Series[Any], parse: Callable[[object], float | None]
) -> tuple[Floats, Rows]:
    """Parse every distinct cell once; the last slot serves the code -1 of missing cells."""
    codes, distinct = factorize(series)
    parsed = [parse(cell) for cell in distinct]
    values = np.array([math.nan if value is None else value for value in parsed] + [math.nan])
    odd = np.array([value is None for value in parsed] + [False])
    return values[codes], np.flatnonzero(odd[codes])


def _take(levels: list[str | None], codes: Rows) -> Objects:
    table = np.empty(len(levels) + 1, dtype=object)
    table[:-1] = levels
    table[-1] = None
    return np.asarray(table[codes], dtype=object)
