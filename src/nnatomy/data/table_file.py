"""Reading tables: CSV, TSV, Parquet and XLSX files, data frames, arrays and tensors.

Text files are read as text, cell by cell as they stand: `NA` stays `NA` and `007` stays `007`
until the schema says what a column holds. Frames, Parquet and XLSX keep their own types.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nnatomy.data.delimited import read_delimited
from nnatomy.data.quality import Finding, Rejected
from nnatomy.errors import DataError, nearest

STREAM_BYTES = 512 << 20
"""Parquet files that are larger than this when unpacked are read in parts."""

CHUNK_ROWS = 8192
"""Rows that are encoded at a time: few enough to stay in the cache."""

_TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
_SHEET_SUFFIXES = (".xlsx", ".xlsm")
_PARQUET_SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Args:
        frame: One row a record; the columns of a text file hold text.
        lines: Where each row stands in the source: the line of a file (the header is line 1), the
            position (from 0) in a frame or an array.
        origin: Path of the file, or "DataFrame" or "array".
        is_text: Whether the cells are text whose meaning is still to be inferred.
        rejected: Records of the source that are not in the frame.
        findings: What the user should know about the reading.
        unit: What `lines` counts: "line" or "row".
    """

    frame: pd.DataFrame
    lines: NDArray[np.int64]
    origin: str
    is_text: bool = False
    rejected: tuple[Rejected, ...] = ()
    findings: tuple[Finding, ...] = ()
    unit: str = "row"

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    def column(self, name: str) -> pd.Series[Any]:
        """All cells of one column."""
        return self.frame[name]

    def chunks(self, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The named columns, a number of rows at a time."""
        frame = self.frame[list(names)]
        for start in range(0, len(frame), CHUNK_ROWS):
            yield frame.iloc[start : start + CHUNK_ROWS]

    def row(self, position: int) -> dict[str, str]:
        """One record as texts."""
        return {name: str(self.frame[name].iloc[position]) for name in self.names}


class ParquetStream:
    """A Parquet file that is read in parts: one column, or some rows of some columns, at a time.

    It offers what `Table` offers, so that large and small tables go through the same code.
    """

    is_text = False
    unit = "row"
    rejected: tuple[Rejected, ...] = ()

    def __init__(self, path: Path) -> None:
        self.origin = str(path)
        self._file = _open_parquet(path)
        fields = [name for name in self._file.schema_arrow.names if not _is_index(name)]
        self.names, self.findings = column_names(fields)
        self._fields = dict(zip(self.names, fields, strict=True))
        if len(set(fields)) < len(fields):
            raise DataError(f"{path}: two columns have the same name; rename one of them")
        self.lines = np.arange(len(self), dtype=np.int64)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def column(self, name: str) -> pd.Series[Any]:
        """All cells of one column."""
        table = self._file.read(columns=[self._fields[name]])
        return _arrow_frame(table, [name])[name]

    def chunks(self, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The named columns, a number of rows at a time."""
        fields = [self._fields[name] for name in names]
        for batch in self._file.iter_batches(batch_size=CHUNK_ROWS, columns=fields):
            table = pa.Table.from_batches([batch]).select(fields)
            yield _arrow_frame(table, names)

    def row(self, position: int) -> dict[str, str]:
        """One record as texts."""
        group = 0
        while position >= (rows := self._file.metadata.row_group(group).num_rows):
            position, group = position - rows, group + 1
        part = self._file.read_row_group(group, columns=list(self._fields.values()))
        frame = _arrow_frame(part.slice(position, 1).select(self._fields.values()), self.names)
        return {name: str(frame[name].iloc[0]) for name in self.names}


AnyTable: TypeAlias = Table | ParquetStream


def read_table(source: Any) -> Table:
    """Read a table into memory.

    Args:
        source: Path of a CSV, TSV, Parquet or XLSX file; a pandas or polars data frame; a
            two-dimensional array or tensor, whose columns are called x0, x1, …

    Raises:
        DataError: The source cannot be read, is empty, or is of another kind.
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, Path)):
        return _read_file(Path(source))
    if hasattr(source, "to_pandas"):
        source = source.to_pandas()
    if isinstance(source, pd.DataFrame):
        return _from_frame(source, "DataFrame")
    if hasattr(source, "detach"):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    raise DataError(
        f"cannot read a table from {type(source).__name__}; "
        "give the path of a file, a data frame, or a two-dimensional array"
    )


def open_table(source: Any, stream_bytes: int = STREAM_BYTES) -> AnyTable:
    """Read a table, or open it for reading in parts when it is a large Parquet file.

    Args:
        source: As for `read_table`.
        stream_bytes: Unpacked size from which a Parquet file is read in parts.
    """
    if isinstance(source, ParquetStream):
        return source
    if isinstance(source, (str, Path)) and Path(source).suffix.lower() in _PARQUET_SUFFIXES:
        _check_file(Path(source))
        meta = _open_parquet(Path(source)).metadata
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if size >= stream_bytes and meta.num_rows:
            return ParquetStream(Path(source))
    return read_table(source)


def column_names(raw: Sequence[object]) -> tuple[list[str], tuple[Finding, ...]]:
    """Names for the columns: empty ones are numbered, repeated ones get a number appended."""
    names: list[str] = []
    findings: list[Finding] = []
    taken = {str(name).strip() for name in raw}
    for i, given in enumerate(raw):
        wanted = "" if given is None or given != given else str(given).strip()
        name = wanted or f"column {i + 1}"
        number = 2
        while name in names or (name != wanted and name in taken):
            name = f"{wanted or f'column {i + 1}'}.{number}"
            number += 1
        if name != wanted:
            problem = "appears more than once" if wanted else "is empty"
            message = f"the name of column {i + 1} ({wanted!r}) {problem}; it is called {name!r}"
            findings.append(Finding("renamed-column", message, name))
        names.append(name)
    return names, tuple(findings)


def _read_file(path: Path) -> Table:
    _check_file(path)
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return _read_text(path)
    if suffix in _SHEET_SUFFIXES:
        return _read_sheet(path)
    if suffix in _PARQUET_SUFFIXES:
        file = _open_parquet(path)
        fields = [name for name in file.schema_arrow.names if not _is_index(name)]
        table = file.read()
        kept = [i for i, name in enumerate(file.schema_arrow.names) if not _is_index(name)]
        frame = _arrow_frame(table.select(kept), range(len(fields)))
        frame.columns = pd.Index(fields)
        return _from_frame(frame, str(path))
    known = ", ".join(_TEXT_SUFFIXES + _SHEET_SUFFIXES + _PARQUET_SUFFIXES)
    raise DataError(f"{path}: files of this kind cannot be read as a table; known: {known}")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file that holds a table")
    if not path.exists():
        folder = path.parent
        others = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
        raise DataError(f"{path}: no such file; {_beside(path, others)}")


def _beside(path: Path, others: list[str]) -> str:
    if not others:
        return "check the path"
    if get_close_matches(path.name, others, n=1):
        return nearest(path.name, others)
    return f"its folder has {', '.join(others[:5])}{', …' if len(others) > 5 else ''}"


def _read_text(path: Path) -> Table:
    text = read_delimited(path)
    names, findings = column_names(text.header)
    if not len(text.lines):
        raise DataError(f"{path} has no usable records under its header{_why(text.rejected)}")
    frame = pd.concat(text.columns, axis=1, keys=names)
    found = (*text.findings, *findings)
    return Table(frame, text.lines, str(path), True, tuple(text.rejected), found, "line")


def _why(rejected: Sequence[Rejected]) -> str:
    return f"; line {rejected[0].line}: {rejected[0].reason}" if rejected else ""


def _read_sheet(path: Path) -> Table:
    try:
        with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
            warnings.simplefilter("ignore")  # openpyxl warns of styles that it does not know
            sheets = [str(name) for name in book.sheet_names]
            cells = book.parse(sheets[0], header=None, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a workbook: {error}") from error
    if len(cells) < 2:
        raise DataError(f"{path}: sheet {sheets[0]!r} has no records under a header line")
    names, findings = column_names(cells.iloc[0].tolist())
    body = cells.iloc[1:].set_axis(names, axis=1)
    lines = np.arange(2, len(body) + 2, dtype=np.int64)
    filled = body.notna().any(axis=1).to_numpy(dtype=bool)
    rejected = tuple(Rejected(str(path), int(n), "the line is empty") for n in lines[~filled])
    if len(sheets) > 1:
        message = f"{path.name} has {len(sheets)} sheets; only the first, {sheets[0]!r}, was read"
        findings = (Finding("several-sheets", message, sheets[0]), *findings)
    frame = body.loc[filled].reset_index(drop=True).infer_objects()
    return Table(frame, lines[filled], str(path), False, rejected, findings, "line")


def _from_frame(frame: pd.DataFrame, origin: str) -> Table:
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{origin} holds no records; a table needs rows and columns")
    names, findings = column_names(list(frame.columns))
    frame = frame.set_axis(names, axis=1).reset_index(drop=True)
    return Table(frame, np.arange(len(frame), dtype=np.int64), origin, False, (), findings)


def _from_array(array: NDArray[Any]) -> Table:
    if array.ndim != 2:
        raise DataError(f"an array of shape {array.shape} is no table; give one with two axes")
    frame = pd.DataFrame(array, copy=False).infer_objects()
    frame.columns = pd.Index([f"x{i}" for i in range(array.shape[1])])
    return _from_frame(frame, "array")


def _open_parquet(path: Path) -> Any:
    try:
        # A pre-buffered file would keep in memory all that was read of it.
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def _arrow_frame(table: Any, names: Sequence[Any]) -> pd.DataFrame:
    """Columns with the file's own types, whatever the pandas that wrote it said of its index."""
    table = table.rename_columns([str(name) for name in names])
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, date_as_object=False)
    return frame


def _is_index(name: str) -> bool:
    return name.startswith("__index_level_")
