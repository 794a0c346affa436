"""Tables of predictions as CSV, JSON or Parquet files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from nnatomy.data.spreadsheet import neutralized
from nnatomy.errors import SettingError
from nnatomy.training.atomic import write_bytes


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table in the format that the file's ending names: .csv, .json or .parquet.

    Raises:
        SettingError: The ending is none of these.
        RunError: The file cannot be written; an older file is intact.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        content = as_csv(table)
    elif kind == ".json":
        content = json.dumps(records(table), ensure_ascii=False, indent=1).encode()
    elif kind == ".parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        content = buffer.getvalue()
    else:
        raise SettingError(f"--out {path}: predictions are written as .csv, .json or .parquet")
    write_bytes(path, content)


def as_csv(table: pd.DataFrame) -> bytes:
    """The table as CSV; texts that a spreadsheet would compute are neutralized."""
    safe = table.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(neutralized)
    safe.columns = [neutralized(name) for name in safe.columns]
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table as one dict a row, with missing values as None."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]
