"""Matrices as people write them, and what they get wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnatomy.data.matrices import read_matrix
from nnatomy.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 0 1 / 0 1 0", [[[1, 0, 1], [0, 1, 0]]]),
        ("1,0,1/0,1,0", [[[1, 0, 1], [0, 1, 0]]]),
        ("1 2\n3 4\n", [[[1, 2], [3, 4]]]),
        ("1 2 / 3 4 /", [[[1, 2], [3, 4]]]),
        ("-1 .5 / 2e1 −3", [[[-1, 0.5], [20, -3]]]),
        ("1 2 | 3 4", [[[1, 2]], [[3, 4]]]),
        ("7", [[[7]]]),
    ],
)
def test_typed_numbers(text: str, expected: list[list[list[float]]]) -> None:
    assert read_matrix(text).values.tolist() == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a.csv", "1;2,5\r\n3;4\r\n\r\n", [[1, 2.5], [3, 4]]),
        ("a.tsv", "1\t-2\n", [[1, -2]]),
        ("a.txt", "1 2\n3 4", [[1, 2], [3, 4]]),
        ("a.csv", "\ufeff5\n", [[5]]),
        ("1.csv", "1,2\n", [[1, 2]]),
    ],
)
def test_files(
    name: str,
    text: str,
    expected: list[list[float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read = read_matrix(name)
    assert read.values.tolist() == [expected]
    assert (read.origin, read.is_picture) == (name, False)


def test_a_picture_becomes_grey(tmp_path: Path) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    Image.fromarray(grey).save(tmp_path / "grey.png")
    read = read_matrix(tmp_path / "grey.png")
    assert read.is_picture
    assert (read.values == grey).all()
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / "red.png")
    assert read_matrix(str(tmp_path / "red.png")).values.item() == 76  # 0.299 · 255


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 / 3", "row 2 is 1 long where row 1 is 2 long"),
        ("1 x / 3 4", "row 1, column 2: 'x' is no number"),
        ("1 2 / nan 4", "row 2, column 1: 'nan' is no finite number"),
        ("1 inf", "row 1, column 2: 'inf' is no finite number"),
        ("1 2 / / 3 4", "row 2 is empty"),
        ("1 2 | 3", "different sizes: 1×2, 1×1"),
        ("", "the empty text: no such file"),
        ("photo.png", "photo.png: no such file"),
        ("1.png", "1.png: no such file"),
        ("x 1 / 2", "no numbers either"),
    ],
)
def test_typed_mistakes(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_matrix(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.csv is empty"),
        ("\n,\n", "a.csv is empty"),
        ("1,2\n3\n", "row 2 is 1 long where row 1 is 2 long"),
        ("a,b\n1,2\n", "row 1, column 1: 'a' is no number; a matrix has no header line"),
        ("1,\n2,3\n", "row 1, column 2 is empty"),
        ("1,NaN\n", "row 1, column 2: 'NaN' is no finite number"),
        ("1,2\n\n3,4\n", "row 2 is empty"),
    ],
)
def test_mistakes_in_files(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_matrix(path)


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        read_matrix(tmp_path)
    (tmp_path / "a.png").write_text("1 2")
    with pytest.raises(DataError, match=r"a\.png"):
        read_matrix(tmp_path / "a.png")
    (tmp_path / "a.csv").write_bytes(b"\x81\x8d\x00\xff")
    with pytest.raises(DataError, match=r"a\.csv"):
        read_matrix(tmp_path / "a.csv")


def test_more_numbers_than_a_matrix_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnatomy.data.matrices.MOST_CELLS", 3)
    with pytest.raises(DataError, match="more than 3 numbers"):
        read_matrix("1 2 / 3 4")
