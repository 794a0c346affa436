"""What is done with a finished run: evaluate, predict, inspect, report, list."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from cli.commands import subprocess_run
from cli.conftest import Command, measurements
from image_folders import class_folder
from nnatomy.data.bundled import bundled_names
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.models.catalog import CATALOG
from nnatomy.training.optimizers import OPTIMIZERS
from nnatomy.training.settings import setting_names


def test_predict_writes_a_table_to_stdout(command: Command, run: Path, table: Path) -> None:
    code, out, err = command("predict", run, table)
    assert (code, err) == (0, "")
    rows = pd.read_csv(io.StringIO(out))
    assert list(rows) == ["name", "prediction", "p_=high", "p_low"]
    assert len(rows) == 200
    assert set(rows["prediction"]) == {"'=high", "low"}, "no spreadsheet computes it"
    assert (rows["p_=high"] + rows["p_low"]).tolist() == pytest.approx([1.0] * 200)


def test_predictions_without_answers(command: Command, run: Path, table: Path) -> None:
    pd.read_csv(table).drop(columns="grade").to_csv("bare.csv", index=False)
    bare = pd.read_csv(io.StringIO(command("predict", run, "bare.csv").out))
    full = pd.read_csv(io.StringIO(command("predict", run, table).out))
    pd.testing.assert_frame_equal(bare, full)


def test_predictions_where_answers_are_missing(command: Command, run: Path, table: Path) -> None:
    frame = pd.read_csv(table, dtype=str)
    frame.loc[:2, "grade"] = ["", "never seen", "low"]
    frame.to_csv("gaps.csv", index=False)
    code, out, err = command("predict", run, "gaps.csv")
    assert (code, err) == (0, "")
    assert len(pd.read_csv(io.StringIO(out))) == 200


def test_columns_are_kept_beside_predictions(command: Command, run: Path, table: Path) -> None:
    frame = pd.read_csv(table)
    frame.insert(0, "order", [f"A-{n:04d}" for n in range(len(frame))])
    lines = frame.to_csv(index=False).splitlines()
    lines.insert(3, "ragged,row")  # line 4 has no prediction and must shift nothing
    Path("orders.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = command("predict", run, "orders.csv", "--keep", "order", "--keep", "length")
    rows = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert "line 4" in err
    assert list(rows)[:3] == ["order", "length", "name"]
    assert rows["order"].tolist() == frame["order"].tolist()
    assert rows["length"].tolist() == frame["length"].tolist()
    plain = pd.read_csv(io.StringIO(command("predict", run, table).out))
    assert rows["prediction"].tolist() == plain["prediction"].tolist()
    code, _, err = command("predict", run, table, "--keep", "ordr")
    assert code == 1
    assert err.startswith(f"error: {table} has no column 'ordr' to keep")


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_predictions_in_a_file(command: Command, run: Path, table: Path, ending: str) -> None:
    out = Path(f"answers.{ending}")
    outcome = command("predict", run / "model.nnatomy", table, "--out", out)
    assert outcome == (0, "", f"200 predictions in {out}\n")
    rows = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[ending](out)
    right = "'=high" if ending == "csv" else "=high"
    assert set(rows["prediction"]) == {right, "low"}
    printed = pd.read_csv(io.StringIO(command("predict", run, table).out))
    assert rows["p_low"].tolist() == pytest.approx(printed["p_low"].tolist())


def test_other_endings_are_refused(command: Command, run: Path, table: Path) -> None:
    code, out, err = command("predict", run, table, "--out", "answers.xls")
    assert (code, out) == (2, "")
    assert err == "error: --out answers.xls: predictions are written as .csv, .json or .parquet\n"
    assert not Path("answers.xls").exists()


def test_predictions_as_json(command: Command, run: Path, table: Path) -> None:
    printed = json.loads(command("predict", run, table, "--json").out)
    assert (printed["task"], printed["network"], printed["records"]) == (
        "classification", "mlp", 200,
    )  # fmt: skip
    assert printed["predictions"][0]["prediction"] in ("=high", "low")
    filed = json.loads(command("predict", run, table, "--json", "--out", "a.csv").out)
    assert "predictions" not in filed
    assert filed["out"] == "a.csv"


def test_what_new_data_lack_is_said(command: Command, run: Path) -> None:
    frame = measurements(50).drop(columns="grade").astype(object)
    frame.loc[3, "city"] = "Rom"
    frame.to_csv("new.csv", index=False)
    with Path("new.csv").open("a") as file:
        file.writelines(["1,2\n"] * 22)
    code, out, err = command("predict", run, "new.csv")
    assert code == 0
    assert len(out.splitlines()) == 51
    assert "Rom" in err
    assert "data: no prediction for new.csv, line 52: " in err
    assert "data: no prediction for 2 records besides" in err
    printed = json.loads(command("predict", run, "new.csv", "--json").out)
    assert len(printed["rejected"]) == 22
    frame.drop(columns="width").to_csv("narrow.csv", index=False)
    code, out, err = command("predict", run, "narrow.csv")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "'width'" in err


def test_predictions_of_an_image_folder_name_the_files(command: Command) -> None:
    command("train", "digits", "--epochs", 1, "--out", "run", "--quiet")
    class_folder(Path("new"), {"1": 2, "7": 1}, shape=(8, 8))
    Path("new/7/broken.png").write_bytes(b"nothing")
    code, out, err = command("predict", "run", "new")
    assert code == 0, err
    assert len(out.splitlines()) == 4
    [line] = [line for line in err.splitlines() if "no prediction" in line]
    assert "broken.png: " in line


def test_file_names_that_are_not_text(command: Command) -> None:
    class_folder(Path("photos"), {"a": 8, "b": 8}, shape=(8, 8))
    for path in list(Path("photos").rglob("*.png")):
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/\xff" + os.fsencode(path.name)))
    assert command("train", "photos", "--epochs", 1, "--out", "run", "--quiet").code == 0
    assert command("report", "run", "--verify").code == 0
    code, out, err = command("predict", "run", "photos")
    assert (code, err) == (0, "")
    assert "a/\\udcff0.png," in out
    for ending in ("csv", "json", "parquet"):
        assert command("predict", "run", "photos", "--out", f"out.{ending}").code == 0


def test_evaluate(command: Command, run: Path, table: Path) -> None:
    code, out, _ = command("evaluate", run, table)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"mlp on {table}: 200 records"
    assert [line[:26].strip() for line in lines[1:]] == [
        "Accuracy", "Balanced accuracy", "Macro F1", "Log loss",
    ]  # fmt: skip
    printed = json.loads(command("evaluate", run, table, "--json").out)
    rows = pd.read_csv(io.StringIO(command("predict", run, table).out))
    predicted = rows["prediction"].str.removeprefix("'")
    assert printed["metrics"]["accuracy"]["value"] == pytest.approx(
        accuracy_score(pd.read_csv(table)["grade"], predicted)
    )
    assert sum(map(sum, printed["evaluation"]["confusion"])) == 200


def test_evaluate_needs_answers_that_were_learned(command: Command, run: Path, table: Path) -> None:
    frame = pd.read_csv(table)
    frame.drop(columns="grade").to_csv("bare.csv", index=False)
    code, _, err = command("evaluate", run, "bare.csv")
    assert code == 1
    assert err.startswith("error: bare.csv has no column 'grade' to compare with")
    frame.loc[0, "grade"] = "medium"
    frame.to_csv("strange.csv", index=False)
    code, out, err = command("evaluate", run, "strange.csv")
    assert code == 0
    assert "199 records" in out
    assert "1 record cannot be used" in err


def test_evaluate_names_classes_that_the_network_does_not_have(command: Command) -> None:
    class_folder(Path("photos"), {"d": 8, "e": 8})
    class_folder(Path("textures"), {"a": 2, "b": 2})
    assert command("train", "photos", "--epochs", "1", "--out", "run").code == 0
    code, _, err = command("evaluate", "run", "textures")
    assert code == 1
    assert "textures has no answers: its classes a, b are none of the network's: d, e" in err


def test_inspect(command: Command, run: Path) -> None:
    code, out, err = command("inspect", run)
    assert (code, err) == (0, "")
    assert "made by: nnatomy train " in out
    for words in ("settings: hidden=8, ", "classes: =high, low", "trained: 40 epochs, 120 steps"):
        assert words in out
    layers = out[out.index("  layer") :].splitlines()
    assert len({len(line) for line in layers}) == 1, "the columns are aligned"
    assert command("inspect", run / "model.nnatomy").out in out
    facts = json.loads(command("inspect", run, "--json").out)
    assert facts["model"]["network_settings"]["hidden"] == [8]
    assert facts["result"]["metrics"].keys() >= {"accuracy"}


@pytest.mark.parametrize("verb", ["inspect", "predict", "evaluate"])
def test_a_damaged_model_is_refused(command: Command, run: Path, table: Path, verb: str) -> None:
    content = bytearray((run / "model.nnatomy").read_bytes())
    content[-3] ^= 1
    Path("bad.nnatomy").write_bytes(content)
    words = ("bad.nnatomy",) if verb == "inspect" else ("bad.nnatomy", table)
    code, out, err = command(verb, *words)
    assert (code, out) == (1, "")
    assert err.startswith("error: bad.nnatomy ")
    assert err.count("\n") == 1


def test_report_again_in_three_forms(command: Command, run: Path) -> None:
    mine = shutil.copytree(run, "run")
    page = Path(mine, "report.html").read_bytes()
    Path(mine, "report.html").unlink()
    assert command("report", mine) == (0, "", "report in run/report.html\n")
    assert Path(mine, "report.html").read_bytes() == page
    assert command("report", mine, "--out", "page.md").code == 0
    assert Path("page.md").read_text().startswith("# ")
    code, _, err = command("report", mine, "--out", "page.pdf")
    assert (code, err) == (2, "error: --out page.pdf: a report is written as .html or .md\n")


def test_verify(command: Command, run: Path) -> None:
    code, out, _ = command("report", run, "--verify")
    assert code == 0
    assert out.startswith("verified: ")
    mine = Path(shutil.copytree(run, "run"))
    page, rows = mine / "report.html", mine / "test_predictions.csv"
    whole = page.read_text(), rows.read_text()
    accuracy = json.loads((mine / "result.json").read_text())["metrics"]["accuracy"]["value"]
    tampered = [
        (whole[0].replace(f"{100 * accuracy:.1f}", "99.9"), whole[1]),
        (whole[0], "\n".join(whole[1].splitlines()[:-1])),
        (whole[0], "name,truth\n"),
        (whole[0], ""),
        ("<html>", whole[1]),
    ]
    for report, table in tampered:
        page.write_text(report)
        rows.write_text(table)
        code, out, err = command("report", mine, "--verify")
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("networks", CATALOG),
        ("datasets", bundled_names()),
        ("optimizers", OPTIMIZERS),
        ("schedules", {"constant", "cosine"}),
        ("activations", {"relu", "tanh"}),
        ("initializations", {"default", "he_normal"}),
        ("settings", {"epochs", "lr", "patience"}),
        ("checks", CHECKS),
    ],
)
def test_list(command: Command, what: str, names: set[str]) -> None:
    code, out, err = command("list", what)
    assert (code, err) == (0, "")
    shown = {line.split()[0] for line in out.splitlines() if not line.startswith(" ")}
    assert shown >= set(names)
    assert {row["name"] for row in json.loads(command("list", what, "--json").out)} == shown


def test_settings_are_listed_with_a_phrase_and_their_choices(command: Command) -> None:
    rows = {row["name"]: row for row in json.loads(command("list", "settings", "--json").out)}
    assert set(rows) == set(setting_names()) - {"seed"}
    assert rows["optimizer"]["choices"] == list(OPTIMIZERS)
    assert rows["monitor"]["choices"] == ["loss", "score"]
    lines = command("list", "settings").out.splitlines()
    assert lines[0].split() == ["epochs", "200", *rows["epochs"]["about"].split()]
    assert "(float32, auto, bfloat16)" in next(line for line in lines if "precision" in line)


def test_a_check_is_listed_with_its_item_of_the_lecture(command: Command) -> None:
    lines = command("list", "checks").out.splitlines()
    assert (
        "dead_relus               units that are zero for every record (lecture, item O14)" in lines
    )
    (row,) = [
        r for r in json.loads(command("list", "checks", "--json").out) if r["name"] == "leakage"
    ]
    assert (row["about"], row["lecture"]) == (CHECKS["leakage"].about, CHECKS["leakage"].lecture)


def test_listed_defaults_are_those_of_a_run(command: Command, run: Path) -> None:
    listed = {row["name"]: row["default"] for row in json.loads(
        command("list", "settings", "--json").out
    )}  # fmt: skip
    used = json.loads((run / "result.json").read_text())["settings"]
    for name, value in listed.items():
        assert value == used[name] or name in ("epochs", "lr")
    assert listed["epochs"] == 200


def test_a_terminal_without_unicode(run: Path) -> None:
    code, out, err = subprocess_run("inspect", run, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert " ? 8)" in out
