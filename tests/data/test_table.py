"""From a table to samples and back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from nnatomy.data.prepared import Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.data.table import TableCodec, prepare_table
from nnatomy.errors import DataError, IntegrityError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def iris() -> pd.DataFrame:
    bunch = load_iris(as_frame=True)
    return bunch.data.assign(species=bunch.target_names[bunch.target])


def test_iris_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    iris().to_csv(path, index=False)
    prepared = prepare_table(path)
    assert prepared.task.classes == ("setosa", "versicolor", "virginica")
    assert prepared.input_shape == (4,)
    assert prepared.report.splits == {"train": 98, "valid": 22, "test": 30}
    assert prepared.report.target["classes"] == dict.fromkeys(prepared.task.classes, 50)
    assert prepared.test.targets.bincount().tolist() == [10, 10, 10]  # type: ignore[attr-defined]
    held_out = [int(prepared.show(i)["name"].split()[1]) - 2 for i in range(30)]
    features = iris().drop(columns="species")
    encoded = prepared.codec.encode(features)
    assert encoded.truth is None
    assert not encoded.samples.targets.any()  # type: ignore[attr-defined]
    assert torch.equal(encoded.samples.inputs[held_out], prepared.test.inputs)  # type: ignore[attr-defined]
    code = prepared.codec.encoder.codes[0]  # type: ignore[attr-defined]
    width = features["sepal length (cm)"].drop(held_out)
    assert abs(code.shift - width.mean()) < 0.05


def test_inputs_are_those_of_a_standard_scaler() -> None:
    rng = np.random.default_rng(1)
    array = rng.normal(3.0, 10.0, size=(50, 4))
    prepared = prepare_table(array, plan=SplitPlan(valid=0.0))
    assert len(prepared.valid) == 0
    held_out = {int(prepared.show(i)["name"].split()[1]) for i in range(len(prepared.test))}
    train = [i for i in range(50) if i not in held_out]
    scaler = StandardScaler().fit(array[train])
    expected = scaler.transform(array)
    np.testing.assert_allclose(prepared.train.inputs, expected[train, :3], atol=1e-5)  # type: ignore[attr-defined]
    np.testing.assert_allclose(prepared.train.targets, expected[train, 3:], atol=1e-5)  # type: ignore[attr-defined]
    codec = prepared.codec
    np.testing.assert_allclose(codec.decode_value(expected[:, 3]), array[:, 3])
    assert codec.encode(array).truth == array[:, 3].tolist()


def labelled(labels: list[str]) -> str:
    values = [math.sin(i) for i in range(len(labels))]
    return "x,y\n" + "".join(f"{x},{label}\n" for x, label in zip(values, labels, strict=True))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["NA", "a"], ("NA", "a")),
        (["NA", "1"], ("1", "NA")),
        (["007", "010"], ("007", "010")),
        (["2", "10"], (2, 10)),
        (["true", "false"], ("false", "true")),
        (["1.0", "2.0"], ("1.0", "2.0")),
    ],
)
def test_labels_come_back_as_they_went_in(
    tmp_path: Path, labels: list[str], classes: tuple[object, ...]
) -> None:
    path = write(tmp_path / "a.csv", labelled(labels * 10))
    prepared = prepare_table(path)
    assert prepared.task.classes == classes
    assert [str(label) for label in prepared.codec.encode(path).truth or ()] == labels * 10
    json.dumps(prepared.codec.to_json())


def test_rows_without_an_answer_are_listed(tmp_path: Path) -> None:
    labels = [f"{i / 7:.3f}" for i in range(20)]
    labels[3], labels[5] = "", "NA"
    path = write(tmp_path / "a.csv", labelled(labels))
    report = prepare_table(path).report
    assert (report.read, report.used) == (20, 18)
    assert [(r.line, r.reason) for r in report.rejected] == [
        (5, "no value in the target column 'y'"),
        (7, "no value in the target column 'y'"),
    ]


def test_a_word_among_amounts_is_named_with_its_line(tmp_path: Path) -> None:
    labels = [f"{i / 7:.3f}" for i in range(20)]
    labels[4] = "lots"
    path = write(tmp_path / "a.csv", labelled(labels))
    with pytest.raises(DataError, match=r"a\.csv, line 6: target 'y' is 'lots', not a number"):
        prepare_table(path, task="regression")


def trained(tmp_path: Path) -> Prepared:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"size": rng.normal(size=40), "color": rng.choice(["red", "blue"], 40)})
    frame["grade"] = rng.choice(["good", "bad"], 40)
    frame.to_csv(tmp_path / "train.csv", index=False)
    return prepare_table(tmp_path / "train.csv", target="grade")


def test_encoding_further_tables(tmp_path: Path) -> None:
    codec = trained(tmp_path).codec
    path = write(
        tmp_path / "new.csv",
        "extra,color,size,grade\n1,red,0.5,good\n2,green,,bad\n3,blue,NA\n4,blue,big,fine\n5,red,1,\n",
    )
    encoded = codec.encode(path)
    assert encoded.names == ["line 2", "line 3"]
    assert encoded.truth == ["good", "bad"]
    assert encoded.samples.targets.tolist() == [1, 0]  # type: ignore[attr-defined]
    assert {(r.line, r.reason) for r in encoded.rejected} == {
        (4, "3 fields where the header has 4"),
        (5, "'fine' in 'grade' is no label of the training data"),
        (6, "no value in the target column 'grade'"),
    }
    found = {f.code: f.message for f in encoded.findings}
    assert set(found) == {"odd-cells", "unknown-category", "filled-missing"}
    assert "'green'" in found["unknown-category"]
    assert "'big'" in found["odd-cells"]


def test_an_empty_target_column_is_no_answer(tmp_path: Path) -> None:
    codec = trained(tmp_path).codec
    encoded = codec.encode(write(tmp_path / "new.csv", "color,size,grade\nred,1,\nblue,2,\n"))
    assert encoded.truth is None
    assert len(encoded.samples) == 2
    assert encoded.rejected == []


def test_a_typed_source_is_encoded_like_a_file(tmp_path: Path) -> None:
    codec = trained(tmp_path).codec
    frame = pd.DataFrame({"color": pd.Categorical(["red", "blue"]), "size": [1, 2]})
    text = write(tmp_path / "new.csv", "size,color\n1,red\n2,blue\n")
    first, second = codec.encode(frame), codec.encode(text)
    assert torch.equal(first.samples.inputs, second.samples.inputs)  # type: ignore[attr-defined]
    assert first.names == ["row 0", "row 1"]


def test_missing_columns_and_broken_codecs(tmp_path: Path) -> None:
    codec = trained(tmp_path).codec
    with pytest.raises(DataError, match=r"no column 'color'; did you mean 'colour'"):
        codec.encode(pd.DataFrame({"size": [1.0], "colour": ["red"]}))
    good = codec.to_json()
    for broken in (
        {},
        {**good, "version": 2},
        {**good, "schema": [{"x": 1}]},
        {**good, "task": 1},
        {**good, "encoder": []},
    ):
        with pytest.raises(IntegrityError):
            TableCodec.from_json(broken)


def test_group_and_time_columns_are_no_features() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "who": np.arange(60) // 4})
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.permutation(60), "D")
    frame["y"] = rng.choice(["p", "q"], 60)
    frame.loc[[3, 4], ["who"]] = np.nan
    frame.loc[[5], ["when"]] = pd.NaT
    grouped = prepare_table(frame, plan=SplitPlan(group="who"))
    assert grouped.report.used == 58
    assert grouped.report.rejected[0].reason == "no value in the group column 'who'"
    assert [c["name"] for c in grouped.report.columns if c["used"]] == ["a", "when"]
    timed = prepare_table(frame, plan=SplitPlan(time="when"), kinds={"who": "category"})
    assert [r.line for r in timed.report.rejected] == [5]
    assert [c["name"] for c in timed.report.columns if c["used"]] == ["a", "who"]
    rows = [int(timed.show(i)["name"].split()[1]) for i in range(len(timed.test))]
    newest = frame["when"].dropna().sort_values().index[-len(rows) :]
    assert sorted(rows) == sorted(newest)


def test_names_that_do_not_exist() -> None:
    frame = iris()
    with pytest.raises(DataError, match="did you mean 'species'"):
        prepare_table(frame, target="specis")
    with pytest.raises(DataError, match="no group column 'specis'"):
        prepare_table(frame, plan=SplitPlan(group="specis"))
    with pytest.raises(DataError, match="no column 'x'"):
        prepare_table(frame, kinds={"x": "number"})
    with pytest.raises(DataError, match="is the target"):
        prepare_table(frame, kinds={"species": "category"})
    with pytest.raises(DataError, match="neither numbers nor dates"):
        prepare_table(frame.assign(t="a"), target="species", plan=SplitPlan(time="t"))
    with pytest.raises(DataError, match="no column to learn from"):
        prepare_table(frame[["species"]].assign(a=1))


def test_the_fingerprint_follows_the_values_and_not_the_container(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [math.sqrt(i) for i in range(20)], "y": ["p", "q"] * 10})
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    first = prepare_table(frame).report.fingerprint
    assert prepare_table(path).report.fingerprint == first
    changed = frame.copy()
    changed.loc[7, "a"] += 1e-9
    assert prepare_table(changed).report.fingerprint != first
    changed = frame.copy()
    changed.loc[7, "y"] = "p"
    assert prepare_table(changed).report.fingerprint != first


def test_ambiguous_times_are_refused(tmp_path: Path) -> None:
    days = [f"{1 + i % 12}/{1 + i // 12}/2020" for i in range(60)]
    rows = [f"{math.sin(i):.4f},{day},{'pq'[i % 2]}" for i, day in enumerate(days)]
    path = write(tmp_path / "t.csv", "\n".join(["a,when,y", *rows]))
    for kinds in (None, {"when": "date"}):
        with pytest.raises(DataError, match=r"'when' may be day/month or .* 2024-12-31"):
            prepare_table(path, plan=SplitPlan(time="when"), kinds=kinds)  # type: ignore[arg-type]


def test_findings_about_group_columns_are_told(tmp_path: Path) -> None:
    names = ["ann", " ann", "bob", "cy", "di", "ed"]
    rows = [f"{math.sin(i):.4f},{names[i % 6]},{'pq'[i % 2]}" for i in range(60)]
    path = write(tmp_path / "t.csv", "\n".join(["a,who,y", *rows]))
    report = prepare_table(path, plan=SplitPlan(group="who")).report
    assert [f.where for f in report.findings if f.code == "unicode-twins"] == ["who"]
    assert "5 groups" in report.split_method


def test_kinds_are_respected_in_group_columns(tmp_path: Path) -> None:
    rows = [
        f"{math.sin(i):.4f},{['1', '1.0', '2', '3', '4'][i % 5]},{'pq'[i % 2]}" for i in range(60)
    ]
    path = write(tmp_path / "t.csv", "\n".join(["a,who,y", *rows]))
    plan = SplitPlan(group="who")
    assert "4 groups" in prepare_table(path, plan=plan).report.split_method
    told = prepare_table(path, plan=plan, kinds={"who": "category"})
    assert "5 groups" in told.report.split_method


def test_a_grid_as_the_only_feature_is_used() -> None:
    grid = np.arange(100)
    for name, codes in (("year", []), ("dose", ["row-number-used"])):
        frame = pd.DataFrame({name: grid + 1900, "y": np.sqrt(grid)})
        prepared = prepare_table(frame)
        assert prepared.input_shape == (1,)
        found = [f.code for f in prepared.report.findings if f.where == name]
        assert [code for code in found if "number" in code or "id" in code] == codes
    with pytest.raises(DataError, match="no column to learn from"):
        prepare_table(pd.DataFrame({"id": grid, "y": np.sqrt(grid)}))


def test_a_row_number_beside_a_feature_is_not_used() -> None:
    grid = np.arange(100)
    frame = pd.DataFrame({"dose": grid, "a": np.sin(grid), "y": np.sqrt(grid)})
    assert [c.name for c in prepare_table(frame).codec.schema.columns] == ["a"]  # type: ignore[attr-defined]


def test_columns_with_numbers_for_names() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)))
    frame[3] = np.arange(60) // 4
    plan = SplitPlan(group=3)  # type: ignore[arg-type]
    prepared = prepare_table(frame, target=1, plan=plan, kinds={0: "number"})  # type: ignore[arg-type,dict-item]
    assert prepared.task.target == "1"
    assert [c.name for c in prepared.codec.schema.columns] == ["0", "2"]  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="no target column '7'"):
        prepare_table(frame, target=7)  # type: ignore[arg-type]
