"""The codec of a table: encodes further tables exactly as the training table was encoded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.prepared import Encoded
from nnatomy.data.quality import Finding
from nnatomy.data.samples import TensorSamples
from nnatomy.data.schema import Column, Schema, TypedColumn, read_column
from nnatomy.data.table_cells import Floats, Objects
from nnatomy.data.table_encode import Encoder, Inputs, Tally
from nnatomy.data.table_file import AnyTable, Table, open_table
from nnatomy.data.table_target import match_answers
from nnatomy.data.target_code import TargetCode, description
from nnatomy.data.task import Task
from nnatomy.errors import DataError, nearest


class TableCodec:
    """Encodes tables like the training table.

    Args:
        task: What was learned.
        schema: Feature columns, in the order of the network's inputs.
        encoder: Their codes, fitted on the training records.
        target_mean: Mean of the training answers of a regression.
        target_std: Standard deviation of these answers; see `TargetCode`.
    """

    def __init__(
        self,
        task: Task,
        schema: Schema,
        encoder: Encoder,
        target_mean: float = 0.0,
        target_std: float = 1.0,
    ) -> None:
        self.task = task
        self.schema = schema
        self.encoder = encoder
        self.target = TargetCode(task, target_mean, target_std)

    def to_json(self) -> dict[str, Any]:
        """The codec as JSON-able values; floats keep all their digits."""
        return {
            "format": "table",
            "version": 1,
            **self.target.to_json(),
            "schema": self.schema.to_json(),
            "encoder": self.encoder.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TableCodec:
        """The inverse of `to_json`.

        Raises:
            IntegrityError: The values are not those of a table codec.
        """
        with description(values, "table"):
            schema = Schema.from_json(values["schema"])
            encoder = Encoder.from_json(values["encoder"])
            if [c.name for c in schema.columns] != [c.name for c in encoder.codes]:
                raise ValueError("its schema and its encoder name different columns")
            target = TargetCode.from_json(values)
        return cls(target.task, schema, encoder, target.mean, target.std)

    def encode(self, source: Any, *, answers: bool = True) -> Encoded:
        """Read and encode a table that has the feature columns, in any order.

        Args:
            source: What `read_table` takes.
            answers: Where the target column is there, read its answers too, and reject records
                whose answer is missing or not one of the known labels.

        Raises:
            DataError: The table cannot be read or lacks a feature column.
        """
        table = open_table(source)
        for column in self.schema.columns:
            if column.name not in table.names:
                hint = nearest(column.name, table.names)
                raise DataError(f"{table.origin}: there is no column {column.name!r}; {hint}")
        found = None
        if answers and self.task.target in table.names:
            found = match_answers(table, self.task)
        rows = np.arange(len(table)) if found is None else found.rows
        tally = Tally()
        reader = TypedReader(table)
        findings = reader.settle(self.schema.columns)
        inputs = encode_rows(reader, self.encoder, rows, tally)
        target = self.target
        targets = target.blank(len(rows)) if found is None else target.encode(found.values)
        return Encoded(
            samples=TensorSamples(torch.from_numpy(inputs), targets),
            names=[f"{table.unit} {table.lines[row]}" for row in rows],
            truth=None if found is None else found.truth,
            rejected=[*table.rejected, *(found.rejected if found else ())],
            findings=[
                *table.findings,
                *(found.findings if found else ()),
                *findings,
                *tally.findings(),
            ],
        )

    def encode_target(self, values: NDArray[Any]) -> torch.Tensor:
        """Class indices (N,) as int64, or numbers (N,) as standardized float32 (N, 1)."""
        return self.target.encode(values)

    def decode_value(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardized values of a regression, of any shape, in the units of the target."""
        return self.target.decode(values)


class TypedReader:
    """Typed values of a table's columns: remembered when it lies in memory, else read anew."""

    def __init__(self, table: AnyTable) -> None:
        self.table = table
        self.columns: dict[str, Column] = {}
        self._known: dict[str, Floats | Objects] = {}

    def remember(self, typed: TypedColumn) -> None:
        """Settle what a column holds, and keep its values when the table is in memory."""
        self.columns[typed.column.name] = typed.column
        if isinstance(self.table, Table):
            self._known[typed.column.name] = typed.values

    def settle(self, columns: Sequence[Column]) -> list[Finding]:
        """Read columns whose content is known; report their cells that do not fit."""
        findings: list[Finding] = []
        for column in columns:
            typed = read_column(self.table.column(column.name), column)
            if typed.findings and not typed.unique:  # cells that do not fit, and none that does
                raise DataError(
                    f"{self.table.origin}: no cell of {column.name!r} is a {column.kind} as it was "
                    f"in training: write it as there (decimal marks, units, dates); "
                    f"{typed.findings[0].message}"
                )
            findings += typed.findings
            self.remember(typed)
        return findings

    def values(self, name: str) -> Floats | Objects:
        """Typed values of one column."""
        if name in self._known:
            return self._known[name]
        return self.columns[name].read(self.table.column(name))[0]

    def chunks(self, names: Sequence[str]) -> Iterator[list[Floats | Objects]]:
        """Typed values of the named columns, a number of rows at a time."""
        start = 0
        fresh = [name for name in names if name not in self._known]
        for frame in self.table.chunks(names):
            stop = start + len(frame)
            read = {name: self.columns[name].read(frame[name])[0] for name in fresh}
            yield [read[name] if name in read else self._known[name][start:stop] for name in names]
            start = stop


def encode_rows(
    reader: TypedReader,
    encoder: Encoder,
    rows: NDArray[np.int64],
    tally: Tally,
    scratch: Path | None = None,
) -> Inputs:
    """Encode rows of a table, in the given order, into inputs (len(rows), encoder.width).

    The inputs of a table that is read in parts lie in a memory-mapped file without a name.

    Args:
        reader: The table.
        encoder: Codes of its columns.
        rows: Positions of the rows.
        tally: Counts what happens.
        scratch: Folder for the file.
    """
    shape = (len(rows), encoder.width)
    if isinstance(reader.table, Table) or not len(rows):
        out: Inputs = np.empty(shape, np.float32)
    else:
        with tempfile.TemporaryFile(dir=scratch) as file:
            out = np.memmap(file, np.float32, "w+", shape=shape)
    place = np.full(len(reader.table), -1, np.int64)
    place[rows] = np.arange(len(rows))
    start = 0
    for values in reader.chunks([code.name for code in encoder.codes]):
        into = place[start : start + len(values[0])]
        start += len(into)
        kept = into >= 0
        if not kept.all():
            values = [column[kept] for column in values]
        out[into[kept]] = encoder.encode(values, tally)
    return out
