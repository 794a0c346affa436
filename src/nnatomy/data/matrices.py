"""Matrices as people write them: typed out, in a CSV or TSV file, or as a picture."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnatomy.data.delimited import decode
from nnatomy.data.image_decode import Framing, decode_image, read_header
from nnatomy.data.number_text import NumberFormat, parse
from nnatomy.errors import DataError

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MOST_CELLS = 1_000_000
"""A matrix of text with more cells is meant to be something else."""

_NUMBER = r"[+\-\u2212]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BEGINS_WITH_NUMBER = re.compile(rf"\s*{_NUMBER}(?=[\s,/|]|$)", re.ASCII)


@dataclass(frozen=True)
class Matrix:
    """Numbers in rows and columns, in one channel or several.

    Args:
        values: (channels, height, width), finite float64; of a picture grey levels 0 to 255.
        origin: Where it is from, for messages.
        is_picture: Whether it was read from an image file.
    """

    values: NDArray[np.float64]
    origin: str
    is_picture: bool = False


def read_matrix(source: str | Path) -> Matrix:
    """Read a matrix.

    Args:
        source: Numbers with rows apart by "/" (or a new line) and channels by "|", such as
            "1 0 1 / 0 1 0", or the path of a file: CSV and TSV without a header, or a picture,
            which becomes grey. What begins with a number is taken as numbers; write ./1 for a file
            of such a name.

    Raises:
        DataError: There is no such file, or it holds something else than a full block of finite
            numbers; the message names row and column.
    """
    text = str(source)
    suffix = Path(text).suffix.lower()
    named = suffix in TEXT_SUFFIXES + PICTURE_SUFFIXES
    if isinstance(source, str) and not named and _BEGINS_WITH_NUMBER.match(text):
        return Matrix(_literal(text), "the numbers given")
    path = Path(text)
    if not text.strip() or not path.exists():
        raise DataError(
            f"{text or 'the empty text'}: no such file, and no numbers either; a matrix is typed "
            'as "1 0 1 / 0 1 0"'
        )
    if path.is_dir():
        raise DataError(f"{path} is a folder: name one file in it")
    if suffix in TEXT_SUFFIXES:
        return Matrix(_table(path), str(path))
    return Matrix(_picture(path), str(path), is_picture=True)


def _literal(text: str) -> NDArray[np.float64]:
    channels = [
        _block("the numbers given", [line.replace(",", " ").split() for line in _lines(part)])
        for part in text.split("|")
    ]
    if len({channel.shape for channel in channels}) > 1:
        sizes = ", ".join(f"{len(c)}×{c.shape[1]}" for c in channels)
        raise DataError(f"the channels given have different sizes: {sizes}")
    return np.stack(channels)


def _lines(text: str) -> list[str]:
    """Rows; an empty one at the end, after a last "/", is none."""
    lines = re.split(r"[/\n]", text)
    return lines[:-1] if len(lines) > 1 and not lines[-1].strip() else lines


def _table(path: Path) -> NDArray[np.float64]:
    text, _ = decode(path)
    lines = text.splitlines()
    while lines and not lines[-1].strip(" \t,;"):
        lines.pop()
    if not lines:
        raise DataError(f"{path} is empty: a matrix needs at least one number")
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0]), " ")
    if path.suffix.lower() in (".tsv", ".tab"):
        mark = "\t"
    rows = (
        [line.split() for line in lines]
        if mark == " "
        else [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    )
    comma = NumberFormat(comma=mark != "," and any("," in cell for row in rows for cell in row))
    return _block(str(path), rows, comma)[None]


def _block(
    origin: str, rows: Iterable[list[str]], form: NumberFormat | None = None
) -> NDArray[np.float64]:
    """Texts as numbers, all rows of one length."""
    made: list[list[float]] = []
    for position, cells in enumerate(rows, start=1):
        if not cells:
            raise DataError(f"{origin}: row {position} is empty")
        if made and len(cells) != len(made[0]):
            raise DataError(
                f"{origin}: row {position} is {len(cells)} long where row 1 is {len(made[0])} long"
            )
        if (len(made) + 1) * len(cells) > MOST_CELLS:
            raise DataError(f"{origin}: more than {MOST_CELLS:,} numbers; give a picture instead")
        where = f"{origin}: row {position}, column"
        made.append([_number(f"{where} {i}", cell, form) for i, cell in enumerate(cells, start=1)])
    return np.array(made, dtype=np.float64)


def _number(where: str, cell: str, form: NumberFormat | None) -> float:
    if not cell:
        raise DataError(f"{where} is empty: every place of a matrix needs a number")
    value = math.nan if cell.lower() in ("nan", "na") else parse(cell, form or NumberFormat())
    if value is None:
        header = "; a matrix has no header line" if where.endswith("row 1, column 1") else ""
        raise DataError(f"{where}: {cell[:40]!r} is no number{header}")
    if not math.isfinite(value):
        raise DataError(f"{where}: {cell!r} is no finite number; put one in its place")
    return value


def _picture(path: Path) -> NDArray[np.float64]:
    header = read_header(path)
    pixels = decode_image(path, Framing((header.height, header.width), 1))
    return pixels[None, :, :, 0].astype(np.float64)
