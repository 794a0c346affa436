"""Laws of tables: whatever is in them, every record is used or listed, and nothing is untyped."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.data.prepared import Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.data.table import TableCodec, prepare_table
from nnatomy.data.table_file import read_table
from nnatomy.errors import NnatomyError

LAWS = settings(max_examples=40, deadline=None, derandomize=True)

NUMBERS = st.floats(-1e3, 1e3).map(lambda x: f"{x:.3f}")
CELLS = {
    "numbers": NUMBERS,
    "holes": st.one_of(NUMBERS, st.sampled_from(["", "NA", "?", " nan "])),
    "huge": st.sampled_from(["1e300", "-1e308", "1e16", "inf", "-inf", "0", "1", "1e-320"]),
    "levels": st.sampled_from(["red", "green", "NA", "café", "cafe\u0301", " red", ""]),
    "codes": st.sampled_from(["007", "008", "1"]),
    "mixed": st.sampled_from(["1", "x", "2020-01-01", "true", "3,5", "-", "\u00bd"]),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6),
    "constant": st.just("5"),
    "empty": st.just(""),
    "dates": st.dates().map(str),
    "words": st.sampled_from(["yes", "no", ""]),
}
TARGETS = {
    "labels": st.sampled_from(["a", "b", "NA"]),
    "rare": st.sampled_from(["a"] * 20 + ["b", "c", ""]),
    "integers": st.integers(0, 2).map(str),
    "amounts": st.one_of(NUMBERS, st.sampled_from(["", "NA"])),
    "one": st.just("a"),
    "text": st.text(max_size=3),
}


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    rows = draw(st.integers(0, 40))
    columns = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    names = draw(
        st.lists(
            st.sampled_from(["a", "b", "", "patient id", "é"]),
            min_size=len(columns),
            max_size=len(columns),
        )
    )
    target = draw(st.sampled_from(sorted(TARGETS)))
    cells = [draw(st.lists(CELLS[c], min_size=rows, max_size=rows)) for c in columns]
    cells.append(draw(st.lists(TARGETS[target], min_size=rows, max_size=rows)))
    return [[*names, "target"], *map(list, zip(*cells, strict=True))]


@st.composite
def files(draw: st.DrawFn) -> str:
    table = draw(tables())
    text = io.StringIO()
    csv.writer(text).writerows(table)
    lines = text.getvalue().splitlines(keepends=True)
    faults = st.sampled_from(["\n", "x\n", "1,2,3,4,5,6,7,8\n", "\0,1\n", '"open\n', '""\n'])
    for fault in draw(st.lists(faults, max_size=3)):
        lines.insert(draw(st.integers(1, len(lines))), fault)
    return "".join(lines)


def check(prepared: Prepared) -> None:
    report = prepared.report
    assert report.read == report.used + len(report.rejected)
    assert report.used == sum(report.splits.values())
    json.dumps(report.to_json(), allow_nan=False)
    for samples in (prepared.train, prepared.valid, prepared.test):
        assert samples.inputs.dtype == torch.float32
        assert samples.inputs.shape[1:] == prepared.input_shape
        assert samples.inputs.isfinite().all()
        assert samples.targets.isfinite().all()


def prepared_or_refused(source: object, target: str) -> Prepared | None:
    try:
        return prepare_table(source, target=target)
    except NnatomyError as error:
        message = str(error)
    assert "\n" not in message
    return None


@LAWS
@given(text=files())
def test_a_csv_is_prepared_or_refused_by_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    prepared = prepared_or_refused(path, "target")
    if prepared is None:
        return
    check(prepared)
    codec = TableCodec.from_json(json.loads(json.dumps(prepared.codec.to_json())))
    first, second = prepared.codec.encode(path), codec.encode(path)
    assert torch.equal(first.samples.inputs, second.samples.inputs)
    assert first.samples.inputs.isfinite().all()
    assert prepared.report.read == len(first.names) + len(first.rejected)
    shown = [prepared.show(i)["name"] for i in range(len(prepared.test))]
    where = [first.names.index(name) for name in shown]
    assert torch.equal(first.samples.inputs[where], prepared.test.inputs)


FRAMES = {
    "float": st.one_of(st.none(), st.floats()),
    "int": st.integers(-(2**70), 2**70),
    "bool": st.one_of(st.none(), st.booleans()),
    "mixed": st.one_of(st.none(), st.integers(0, 3), st.text(max_size=2), st.lists(st.integers())),
    "date": st.one_of(st.none(), st.dates()),
    "stamp": st.datetimes(),
    "text": st.sampled_from(["a", "b", "", None]),
}


@LAWS
@given(data=st.data())
def test_a_frame_is_prepared_or_refused_by_a_typed_error(data: st.DataObject) -> None:
    rows = data.draw(st.integers(10, 40))
    kinds = data.draw(st.lists(st.sampled_from(sorted(FRAMES)), min_size=2, max_size=4))
    columns = [data.draw(st.lists(FRAMES[k], min_size=rows, max_size=rows)) for k in kinds]
    frame = pd.DataFrame({f"c{i}": pd.Series(c, dtype=object) for i, c in enumerate(columns)})
    if data.draw(st.booleans()):
        frame = frame.infer_objects()
    prepared = prepared_or_refused(frame, "c0")
    if prepared is None:
        return
    check(prepared)
    assert prepared.codec.encode(frame).samples.inputs.isfinite().all()


@LAWS
@given(
    rows=st.lists(st.lists(st.text("ab1 .;é", max_size=4), min_size=3, max_size=3), min_size=1),
    crlf=st.booleans(),
)
def test_both_csv_readers_give_the_same_cells(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], crlf: bool
) -> None:
    """A quoted field sends the file through the csv module, a plain one through Arrow."""
    folder = tmp_path_factory.mktemp("readers")
    end = "\r\n" if crlf else "\n"
    body = [",".join(row) for row in rows]
    plain, quoted = folder / "plain.csv", folder / "quoted.csv"
    plain.write_text(end.join(["p,q,r", *body]), encoding="utf-8", newline="")
    quoted.write_text(end.join(['"p",q,r', *body]), encoding="utf-8", newline="")
    first, second = read_table(plain), read_table(quoted)
    assert first.frame.to_numpy(object).tolist() == rows
    assert second.frame.to_numpy(object).tolist() == rows
    assert first.lines.tolist() == second.lines.tolist() == list(range(2, len(rows) + 2))


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_statistics_see_the_training_rows_only(scale: float) -> None:
    """Setting the test records to ±1e9 leaves the codec as it was, to the last bit."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, 60), "D")
    frame["color"] = rng.choice(["red", "green", "blue"], 60)
    frame["flat"] = 1.0
    frame["y"] = frame["a"] + rng.normal(size=60)
    clean = prepare_table(frame, plan=SplitPlan(seed=1))
    rows = [int(clean.show(i)["name"].split()[1]) for i in range(len(clean.test))]
    poisoned = frame.copy()
    poisoned.loc[rows, ["a", "b", "c", "y"]] = scale * np.where(
        rng.random((len(rows), 4)) < 0.5, -1, 1
    )
    poisoned.loc[rows, "day"] = pd.Timestamp("1950-05-05")
    poisoned.loc[rows, "color"] = "black"
    poisoned.loc[rows, "flat"] = rng.normal(size=len(rows))
    again = prepare_table(poisoned, plan=SplitPlan(seed=1))
    assert [again.show(i)["name"] for i in range(len(rows))] == [f"row {row}" for row in rows]
    first, second = clean.codec.to_json(), again.codec.to_json()
    assert first["encoder"] == second["encoder"]
    kinds = [[(c["name"], c["kind"]) for c in codec["schema"]] for codec in (first, second)]
    assert kinds[0] == kinds[1]
    assert "flat" not in dict(kinds[1])
    assert clean.input_shape == again.input_shape
    entry = next(c for c in again.report.columns if c["name"] == "flat")
    assert (entry["kind"], entry["reason"]) == ("constant", "one value in the training records")
    assert first["target_mean"] == second["target_mean"]
    assert first["target_std"] == second["target_std"]
    assert torch.equal(clean.train.inputs, again.train.inputs)
    assert not torch.equal(clean.test.inputs, again.test.inputs)


def test_reading_in_parts_gives_the_same_inputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    frame = pd.DataFrame({"x": rng.normal(1e6, 1.0, n), "k": rng.integers(0, 9, n)})
    frame["color"] = rng.choice(["red", "green", None], n)
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 9999, n), "h")
    frame["flag"] = rng.random(n) < 0.5
    frame.loc[rng.random(n) < 0.1, "x"] = np.nan
    frame["y"] = rng.choice(["a", "b", "c"], n)
    frame.loc[7, "y"] = None
    path = tmp_path / "table.parquet"
    frame.to_parquet(path, row_group_size=3_000)
    whole = prepare_table(path)
    parts = prepare_table(path, stream_bytes=0, scratch=tmp_path)
    assert isinstance(parts.train.inputs, torch.Tensor)
    for name in ("train", "valid", "test"):
        assert torch.equal(getattr(whole, name).inputs, getattr(parts, name).inputs)
        assert torch.equal(getattr(whole, name).targets, getattr(parts, name).targets)
    assert whole.codec.to_json() == parts.codec.to_json()
    assert whole.report.to_json() == parts.report.to_json()
    assert whole.show(5) == parts.show(5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.parquet"]
