from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from image_folders import class_folder, noise, write_image
from nnatomy.data.images import ImageSettings
from nnatomy.data.source import open_source, prepare
from nnatomy.data.split import SplitPlan
from nnatomy.errors import DataError, SettingError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.parquet", "t.xlsx"])
def test_files_of_tables_by_their_ending(tmp_path, name):
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    elif name.endswith("xlsx"):
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="," if name.endswith("csv") else "\t")
    opened = open_source(str(path), target="b")
    assert (opened.kind, opened.data, opened.target) == ("table", path, "b")
    assert opened.name == str(path)


def test_folders_and_lists_of_images(tmp_path):
    class_folder(tmp_path / "photos", {"a": 1, "b": 1})
    opened = open_source(tmp_path / "photos")
    assert (opened.kind, len(opened.data)) == ("images", 2)
    (tmp_path / "list.csv").write_text("path,label\nphotos/a/0.png,x\n")
    assert open_source(tmp_path / "list.csv").data.labels == ("x",)
    assert open_source(open_source(tmp_path / "photos").data).kind == "images"


def test_table_with_a_column_called_image_is_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("image,label\n3,x\n4,y\n")
    assert open_source(tmp_path / "t.csv").kind == "table"


def test_bundled_sets_know_their_target():
    opened = open_source("iris")
    assert (opened.kind, opened.name, opened.target) == ("table", "iris", "species")
    assert open_source("digits").kind == "images"


def test_an_existing_path_goes_before_a_bundled_name(here):
    class_folder(here / "digits", {"a": 1, "b": 1})
    for spelling in ("digits", "./digits"):
        assert open_source(spelling).data.labels == ("a", "b")
    with pytest.raises(DataError, match="no such file"):
        open_source("./iris")


def test_frames_arrays_and_tensors():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert open_source(frame).data is frame
    assert open_source(pl.from_pandas(frame)).kind == "table"
    assert open_source(np.zeros((3, 2))).kind == "table"
    assert open_source(torch.zeros(3, 2)).kind == "table"
    with pytest.raises(DataError, match="labels are missing"):
        open_source(np.zeros((3, 8, 8)))


def test_pairs():
    table = open_source((np.arange(6.0).reshape(3, 2), ["u", "v", "u"]))
    assert table.data.columns.tolist() == ["x0", "x1", "target"]
    assert table.data["target"].tolist() == ["u", "v", "u"]
    assert (table.kind, table.target) == ("table", "target")
    frame = pd.DataFrame({"a": [1, 2]}, index=[7, 8])
    named = open_source((frame, pd.Series([3, 4], name="age")))
    assert named.data["age"].tolist() == [3, 4]
    assert named.target == "age"
    assert list(frame.columns) == ["a"]  # the user's frame is not changed
    assert open_source((noise(0, (2, 4, 4)), [0, 1])).kind == "images"
    assert open_source((torch.zeros(2, 3, 4, 4), [0, 1])).kind == "images"
    with pytest.raises(DataError, match="X has 2 records, but y has 3"):
        open_source((frame, [1, 2, 3]))
    with pytest.raises(DataError, match="already has a column 'a'"):
        open_source((frame, [1, 2]), target="a")
    with pytest.raises(DataError, match="holds no records"):
        open_source((np.zeros(3), [1, 2, 3]))


@pytest.mark.parametrize(
    "lines",
    [
        ["a;b of some long name here", "1;the first of the five", "2;the second of the five"],
        ["a,b", "1,2"],
        ["a\tb\tc", "1\t2\ta note of five or more words"],
        ["one", "word", "each"],
    ],
)
def test_text_files_with_columns_are_tables(tmp_path, lines):
    (tmp_path / "t.txt").write_text("\n".join(lines))
    assert open_source(tmp_path / "t.txt").kind == "table"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("reviews.txt", ["the film was a great joy, from start to end", "dull and far too long"]),
        ("reviews.tsv", ["1\tthe film was a great joy", "0\ta dull and tired story"]),
    ],
)
def test_sentences_are_not_known_yet(tmp_path, name, lines):
    (tmp_path / name).write_text("\n".join(lines * 5))
    with pytest.raises(DataError, match=r"sentences.*known sources: a table"):
        open_source(tmp_path / name)


def test_what_is_not_known(here):
    (here / "measures.csv").write_text("a,b\n1,2\n")
    (here / "photos.zip").write_bytes(b"PK")
    (here / "model.doc").write_bytes(b"")
    cases = {
        "mesures.csv": "did you mean 'measures.csv'",
        "irsi": "did you mean 'iris'",
        "q" * 30: "known names: blobs, ",
        "gone/away.csv": "no such file",
        "photos.zip": "unpack it",
        "model.doc": "'.doc' are not known; known sources",
    }
    for source, message in cases.items():
        with pytest.raises(DataError, match=message):
            open_source(source)
    with pytest.raises(DataError, match="int is no source of data"):
        open_source(3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x" * 300, "no such file, folder or bundled"),
        ("a\0b", "no such file, folder or bundled"),
        ("a,b\n1,2\n", "path of a file, not its content"),
        ([[1, 2], [3]], "the same length"),
        (([[1, 2], [3]], [0, 1]), "the same length"),
        (([[1, 2], [3, 4]], [[0], [1, 2]]), "the same length"),
    ],
)
def test_slips_are_told_in_one_short_line(here, source, message):
    with pytest.raises(DataError, match=message) as caught:
        prepare(source)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_task_that_is_no_text():
    with pytest.raises(SettingError, match="task 3 is not known"):
        prepare("iris", task=3)


def test_pairs_with_columns_that_have_numbers_for_names():
    frame = pd.DataFrame({0: [1, 2]})
    with pytest.raises(DataError, match="already has a column '0'"):
        open_source((frame, [1, 2]), target="0")


def test_prepare_images(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    prepared = prepare(
        tmp_path, plan=SplitPlan(seed=3), images=ImageSettings(size=8, channels=1), target=None
    )
    assert prepared.input_shape == (1, 8, 8)
    assert prepared.report.kind == "images"
    with pytest.raises(SettingError, match="images, which have no columns"):
        prepare(tmp_path, kinds={"a": "number"})


def test_prepare_tables(tmp_path):
    prepared = prepare("iris")
    assert prepared.report.source == "iris"
    assert prepared.report.kind == "table"
    assert prepared.task.classes == ("setosa", "versicolor", "virginica")
    assert prepared.input_shape == (4,)
    pair = prepare((np.random.default_rng(0).normal(size=(30, 3)), np.linspace(0, 1, 30)))
    assert pair.task.kind == "regression"


def test_prepare_a_list_with_a_chosen_label(tmp_path):
    for i in range(20):
        write_image(tmp_path / f"{i}.png", noise(i))
    rows = [f"{i}.png,{i % 2},{i / 3:.3f}" for i in range(20)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,age", *rows]))
    assert prepare(tmp_path / "list.csv").task.kind == "classification"
    assert prepare(tmp_path / "list.csv", target="age").task.kind == "regression"


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer", "diabetes", "xor", "spirals"])
def test_bundled_sets_can_be_prepared(name):
    prepared = prepare(name)
    assert prepared.report.source == name
    assert prepared.report.read == prepared.report.used + len(prepared.report.rejected)
    assert prepared.task.kind == ("regression" if name == "diabetes" else "classification")
