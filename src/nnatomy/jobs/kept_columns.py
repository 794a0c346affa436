"""Columns of a table that are to stand beside its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nnatomy.data.table_file import open_table
from nnatomy.errors import DataError, nearest


def keep_columns(predictions: pd.DataFrame, source: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Put columns of the source, such as an order number, in front of the predictions.

    Rows are matched by their names, so that rows without a prediction shift nothing.

    Args:
        predictions: With the column "name", as `Predictor.table` gives it.
        source: The table that was predicted.
        columns: Names of its columns.

    Raises:
        DataError: The source has no such column, or the predictions have one of that name.
    """
    table = open_table(source)
    places = {f"{table.unit} {line}": row for row, line in enumerate(table.lines)}
    rows = [places[name] for name in predictions["name"]]
    kept: dict[str, Any] = {}
    for column in columns:
        if column not in table.names:
            raise DataError(
                f"{table.origin} has no column {column!r} to keep: {nearest(column, table.names)}"
            )
        if column in predictions.columns:
            raise DataError(f"column {column!r} cannot be kept: the predictions have one already")
        kept[column] = table.column(column).iloc[rows].to_numpy()
    return pd.concat([pd.DataFrame(kept, index=predictions.index), predictions], axis=1)
