"""Reading CSV and TSV files as text: every record is kept as it is or rejected with its line.

Plain files go through Arrow's reader; a file with quotes, ragged records or empty lines goes
record by record through the csv module, which knows where each record begins.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from nnatomy.data.quality import Finding, Rejected
from nnatomy.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

_BLOCK = 4096
"""Records are moved from lists into arrays in blocks of this size, before the garbage collector
walks over them again and again."""

_NUL_STAND_IN = "\N{SYMBOL FOR NULL}"
"""Replaces NUL bytes, which the csv module of Python 3.10 refuses, until their row is rejected."""


@dataclass
class DelimitedText:
    """The records of a text file.

    Args:
        header: Fields of the first line.
        columns: Texts of the records that have as many fields as the header, column by column.
        lines: Line where each record begins, the header being line 1.
        rejected: Records that cannot be used.
        findings: Encoding and delimiter, where they are not the expected ones.
    """

    header: list[str] = field(default_factory=list)
    columns: list[pd.Series[str]] = field(default_factory=list)
    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    rejected: list[Rejected] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_delimited(path: Path) -> DelimitedText:
    """Read a CSV or TSV file; quoted fields may hold delimiters and line ends.

    Args:
        path: File in UTF-8 (with or without byte order mark), UTF-16 with one, or Windows-1252.

    Raises:
        DataError: The file is empty or is not text.
    """
    text, encoding_findings = decode(path)
    if not text.strip():
        raise DataError(f"{path} is empty; a table needs a header line and records")
    delimiter, delimiter_findings = _delimiter(path, text)
    table = _read_plain(text, delimiter)
    if table is None:
        table = DelimitedText()
        text = text.replace("\0", _NUL_STAND_IN)
        _read_records(table, path, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    table.findings = encoding_findings + delimiter_findings
    return table


def decode(path: Path) -> tuple[str, list[Finding]]:
    """The text of a file, and a finding where its encoding is not the expected one.

    Raises:
        DataError: The file is not text.
    """
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        names = ["utf-16"]
    else:
        names = ["utf-8-sig", "cp1252"]
    for name in names:
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "utf-8-sig":
            return text, []
        message = f"{path.name} is not UTF-8; it was read as {name}: check letters such as ä or é"
        return text, [Finding("encoding", message, str(path))]
    raise DataError(f"{path} is neither UTF-8 nor Windows-1252 text; save it as UTF-8")


def _delimiter(path: Path, text: str) -> tuple[str, list[Finding]]:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t", []
    first = text.lstrip("\r\n").split("\n", 1)[0]
    if "," in first and "\t" not in first and ";" not in first:
        return ",", []
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    if best == "," or counts[best] == 1:
        return ",", []
    name = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}[best]
    return best, [
        Finding("delimiter", f"the fields of {path.name} are separated by {name}", path.name)
    ]


def _read_plain(text: str, delimiter: str) -> DelimitedText | None:
    """Read text in which each line is a record of the same width, or return None."""
    header = text.split("\n", 1)[0].rstrip("\r").split(delimiter)
    odd = '"' in text or "\0" in text or text.count("\r") != text.count("\r\n")
    if odd or len(header) == 1:
        return None
    names = [str(i) for i in range(len(header))]
    try:
        arrow = pacsv.read_csv(
            pa.BufferReader(text.encode()),
            pacsv.ReadOptions(column_names=names, skip_rows=1),
            pacsv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    frame = arrow.to_pandas(types_mapper=pd.ArrowDtype)
    lines = np.arange(2, len(frame) + 2, dtype=np.int64)
    return DelimitedText(header, [frame[name] for name in names], lines)


def _read_records(table: DelimitedText, path: Path, reader: Reader) -> None:
    """Fill the table; a record begins on the line after the one where its predecessor ended."""
    blocks: list[NDArray[np.object_]] = []
    records: list[list[str]] = []
    lines: list[int] = []
    line, more = 1, True
    while more:
        try:
            row = next(reader)
        except csv.Error as error:
            table.rejected.append(Rejected(str(path), line, f"not readable as CSV: {error}"))
            line = reader.line_num + 1
            continue
        except StopIteration:
            more = False
        else:
            if row and not table.header:
                table.header = [name.replace(_NUL_STAND_IN, "") for name in row]
            elif reason := _misfit(row, len(table.header), reader.line_num - line):
                table.rejected.append(Rejected(str(path), line, reason))
            else:
                records.append(row)
                lines.append(line)
            line = reader.line_num + 1
        if records and (len(records) == _BLOCK or not more):
            blocks.append(np.array(records, dtype=object))
            records = []
    table.lines = np.array(lines, dtype=np.int64)
    if blocks:
        table.columns = [pd.Series(cells, dtype=object) for cells in np.concatenate(blocks).T]


def _misfit(row: list[str], width: int, further_lines: int) -> str:
    """Why a record cannot be used, or an empty text."""
    if not row:
        return "the line is empty"
    if len(row) != width:
        quoted = (
            f"; a quoted field runs over {further_lines} further lines" if further_lines else ""
        )
        return f"{len(row)} fields where the header has {width}{quoted}"
    return "the record holds NUL bytes" if any(_NUL_STAND_IN in cell for cell in row) else ""
