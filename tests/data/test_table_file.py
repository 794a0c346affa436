"""Reading tables from every kind of source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from nnatomy.data.table_file import ParquetStream, column_names, open_table, read_table
from nnatomy.errors import DataError


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def codes(table: object) -> list[str]:
    return [finding.code for finding in table.findings]  # type: ignore[attr-defined]


def test_texts_stay_as_they_are(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", b"a,b\nNA,007\n nan ,1.50\n"))
    assert table.frame.to_numpy(object).tolist() == [["NA", "007"], [" nan ", "1.50"]]
    assert table.is_text
    assert table.lines.tolist() == [2, 3]
    assert table.findings == ()


def test_every_unusable_record_is_listed_with_its_line(tmp_path: Path) -> None:
    content = b'a,b,c\n1,2,3\n\n4,5\n"x\ny",5,6\n6,7,8,9\n1,\0,3\n7,8,9\n"open,1,2\n3,4,5\n'
    table = read_table(write(tmp_path, "a.csv", content))
    assert table.frame.to_numpy(object).tolist() == [
        ["1", "2", "3"],
        ["x\ny", "5", "6"],
        ["7", "8", "9"],
    ]
    assert table.lines.tolist() == [2, 5, 9]
    reasons = {r.line: r.reason for r in table.rejected}
    assert sorted(reasons) == [3, 4, 7, 8, 10]
    assert reasons[3] == "the line is empty"
    assert reasons[4] == "2 fields where the header has 3"
    assert reasons[7] == "4 fields where the header has 3"
    assert reasons[8] == "the record holds NUL bytes"
    assert "further lines" in reasons[10]
    assert {r.file for r in table.rejected} == {str(tmp_path / "a.csv")}


def test_an_over_long_field_is_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    content = b'a,b\n1,2\n"' + b"x" * 140_000 + b'",2\n3,4\n'
    table = read_table(write(tmp_path, "a.csv", content))
    assert table.frame["a"].tolist() == ["1", "3"]
    assert [r.line for r in table.rejected] == [3]
    assert "field larger than field limit" in table.rejected[0].reason


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"a;b\n1,5;x\n"),
        ("a.csv", b"a\tb\n1,5\tx\n"),
        ("a.csv", b"a|b\n1,5|x\n"),
    ],
)
def test_another_delimiter_is_found_and_told(tmp_path: Path, name: str, content: bytes) -> None:
    table = read_table(write(tmp_path, name, content))
    assert table.frame.to_numpy(object).tolist() == [["1,5", "x"]]
    assert codes(table) == ["delimiter"]


def test_commas_stay_the_delimiter_when_they_separate(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", b"a,b;c,d\n1,2;3,4\n"))
    assert table.names == ["a", "b;c", "d"]
    assert table.findings == ()


def test_tsv_is_separated_by_tabs(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.tsv", b"a,b\tc\n1\t2\n"))
    assert table.names == ["a,b", "c"]
    assert table.findings == ()


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", []), ("utf-8-sig", []), ("cp1252", ["encoding"])]
)
def test_encodings(tmp_path: Path, encoding: str, found: list[str]) -> None:
    table = read_table(write(tmp_path, "a.csv", "größe,b\nä,1\n".encode(encoding)))
    assert table.names == ["größe", "b"]
    assert table.frame["größe"].tolist() == ["ä"]
    assert codes(table) == found


def test_utf16_is_read_and_told(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", "a,b\nä,1\n".encode("utf-16")))
    assert table.frame["a"].tolist() == ["ä"]
    assert codes(table) == ["encoding"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a,b\n", "no usable records"),
        (b"a,b\n1,2,3\n", "line 2: 3 fields where the header has 2"),
        (b"a,b\n\x81,\x8d\n", "neither UTF-8 nor Windows-1252"),
    ],
)
def test_files_without_records_are_refused_by_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=r"table\.csv") as error:
        read_table(write(tmp_path, "table.csv", content))
    assert message in str(error.value)


def test_names_are_made_unique_in_the_same_way_each_time() -> None:
    names, findings = column_names(["a", "", "a", "a.2", None, "a", float("nan")])
    assert names == ["a", "column 2", "a.3", "a.2", "column 5", "a.4", "column 7"]
    assert [f.where for f in findings] == ["column 2", "a.3", "column 5", "a.4", "column 7"]


def test_missing_files_and_unknown_kinds(tmp_path: Path) -> None:
    write(tmp_path, "iris.csv", b"a,b\n1,2\n")
    with pytest.raises(DataError, match=r"did you mean 'iris\.csv'"):
        read_table(tmp_path / "irs.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(DataError, match=r"known: \.csv"):
        read_table(write(tmp_path, "a.doc", b"x"))
    with pytest.raises(DataError, match="cannot read a table from dict"):
        read_table({"a": [1]})
    for name in ("a.parquet", "a.xlsx"):
        with pytest.raises(DataError, match="cannot be read as"):
            read_table(write(tmp_path, name, b"not that"))


def test_parquet_keeps_its_types_and_drops_the_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2], "t": ["007", "NA"]}, index=pd.Index(["p", "q"]))
    frame.to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table.names == ["n", "t"]
    assert table.frame["n"].dtype == np.int64
    assert table.frame["t"].tolist() == ["007", "NA"]
    assert not table.is_text
    stream = open_table(tmp_path / "a.parquet", stream_bytes=0)
    assert isinstance(stream, ParquetStream)
    assert stream.names == table.names
    assert stream.row(1) == table.row(1) == {"n": "2", "t": "NA"}
    chunk = next(stream.chunks(["t", "n"]))
    assert chunk.to_numpy(object).tolist() == [["007", 1], ["NA", 2]]


def test_workbooks(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        frame = pd.DataFrame({"n": [1.5, None, 2], "t": ["NA", None, "007"]})
        frame.to_excel(book, sheet_name="first", index=False)
        frame.to_excel(book, sheet_name="second", index=False)
    table = read_table(path)
    assert table.frame["n"].tolist() == [1.5, 2.0]
    assert table.frame["t"].tolist() == ["NA", "007"]
    assert table.lines.tolist() == [2, 4]
    assert [(r.line, r.reason) for r in table.rejected] == [(3, "the line is empty")]
    assert codes(table) == ["several-sheets"]


def test_arrays_tensors_and_frames_give_the_same_table() -> None:
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    names = ["x0", "x1"]
    sources = [
        array,
        torch.from_numpy(array),
        pd.DataFrame(array, columns=names, index=[5, 5]),
        pl.DataFrame(array, schema=names),
    ]
    for source in sources:
        table = read_table(source)
        assert table.names == names
        assert table.frame.to_numpy().tolist() == array.tolist()
        assert table.lines.tolist() == [0, 1]
    with pytest.raises(DataError, match="two axes"):
        read_table(np.zeros(3))
    with pytest.raises(DataError, match="no records"):
        read_table(pd.DataFrame({"a": []}))


def test_a_file_that_is_not_there_is_told_with_its_neighbors(tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"sales{i}.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"no such file; did you mean 'sales1\.csv'"):
        read_table(tmp_path / "sale1.csv")
    with pytest.raises(DataError, match=r"qqqq: no such file; its folder has .*4\.csv, …$"):
        read_table(tmp_path / "qqqq")
