"""nnatomy train: what it trains on, what it prints, and where."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

import nnatomy
from cli.conftest import Command, measurements
from image_folders import class_folder, write_image
from image_folders import noise as noise_image
from jobs.conftest import flawed_rows
from nnatomy.nn.residual import Residual

SHORT = ("--epochs", 2, "--out", "run")


def parsed(text: str) -> dict:
    """The one JSON object that a text is."""
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    return json.loads(text)


def test_json_is_one_object_and_everything_else_is_on_stderr(command: Command) -> None:
    code, out, err = command("train", "iris", *SHORT, "--json")
    assert code == 0
    result = parsed(out)
    assert result["task"] == "classification"
    assert result["network"] == "mlp"
    assert {"accuracy", "balanced_accuracy", "macro_f1", "log_loss"} == set(result["metrics"])
    for table in (result["metrics"], *result["baseline"].values()):
        for figure in table.values():
            assert figure["low"] <= figure["value"] <= figure["high"]
            assert figure["n"] == 30
    assert set(result["baseline"]) == {"majority", "logistic", "boosting"}
    assert Path(result["report"]).read_text().startswith("<!DOCTYPE html>")
    assert Path(result["model"]).stat().st_size > 0
    assert result["seconds"] > result["training_seconds"] > 0
    epochs = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]


def test_quiet_leaves_the_findings(command: Command) -> None:
    measurements().assign(same="x")[["same", "length", "grade"]].to_csv("data.csv", index=False)
    loud = command("train", "data.csv", *SHORT)
    quiet = command("train", "data.csv", "--epochs", 2, "--out", "quiet", "--quiet")
    assert loud.code == quiet.code == 0
    findings = [line for line in loud.lines if line.startswith("data: ")]
    assert quiet.lines == findings
    assert any("'same'" in line for line in findings)
    assert loud.lines[-3:] == [
        "fitting a baseline: logistic regression",
        "fitting a baseline: gradient boosting",
        "writing the report",
    ]


def test_the_table_beside_the_baselines(command: Command) -> None:
    code, out, _ = command("train", "iris", *SHORT, "--quiet")
    assert code == 0
    head = next(line for line in out.splitlines() if line.startswith("test metric"))
    assert re.split(r"  +", head)[1:] == [
        "mlp", "interval", "most frequent class", "logistic regression", "gradient boosting",
    ]  # fmt: skip
    assert "run/report.html" in out
    assert "\x1b" not in out


def test_images_from_the_bundle(command: Command) -> None:
    result = parsed(command("train", "digits", *SHORT, "--json", "--quiet").out)
    assert result["network"] == "lenet"
    assert result["metrics"]["accuracy"]["value"] > 0.8


def test_perceptron_cannot_learn_xor(command: Command) -> None:
    result = parsed(command("train", "xor", "--network", "perceptron", *SHORT, "--json").out)
    assert result["network"] == "perceptron"
    assert result["metrics"]["accuracy"]["value"] < 0.8
    assert result["baseline"]["boosting"]["accuracy"]["value"] > 0.95


def test_a_table_with_flaws(command: Command) -> None:
    text = flawed_rows().to_csv(index=False)
    Path("flawed.csv").write_text(text + "1,2,3\n", encoding="utf-8")
    code, out, err = command("train", "flawed.csv", "--target", "answer", *SHORT, "--json")
    assert code == 0
    assert parsed(out)["splits"] == {"train": 156, "valid": 36, "test": 48}
    assert "data: 1 record of 241 cannot be used, e.g. flawed.csv, line 242: " in err
    assert "run/data_report.json" in err


def test_a_folder_of_images(command: Command) -> None:
    class_folder(Path("photos"), {"cat": 12, "dog": 12, "owl": 12})
    write_image(Path("photos/cat/large.png"), noise_image(99, (40, 30, 3)))
    Path("photos/dog/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    code, out, err = command(
        "train", "photos", "--image-size", 16, "--channels", 1, "--fit", "pad", *SHORT, "--json"
    )
    assert code == 0, err
    result = parsed(out)
    assert result["classes"] == ["cat", "dog", "owl"]
    assert "1 record of 38 cannot be used, e.g. " in err
    assert "broken.png: " in err, "an image has no line"
    assert "--image-size 16 --channels 1 --fit pad" in result["command"]


def test_config_does_the_same_job_again(command: Command, table: Path, run: Path) -> None:
    first = json.loads((run / "result.json").read_text())
    again = parsed(command("train", "--config", run / "config.json", "--out", "a", "--json").out)
    assert again["metrics"] == first["metrics"]
    assert Path("a/model.nnatomy").read_bytes() == (run / "model.nnatomy").read_bytes()


def test_the_recorded_command_does_the_same_job_again(command: Command, table: Path) -> None:
    options = ("--set", "hidden=6,4", "--valid", 0.1, "--test", 0.3, "--kind", "city=text")
    first = parsed(command("train", table, *options, "--lr", 0.01, *SHORT, "--json").out)
    words = first["command"].split()
    assert words[:3] == ["nnatomy", "train", str(table)]
    words[words.index("run")] = "again"
    again = parsed(command(*words[1:], "--json").out)
    assert Path("again/model.nnatomy").read_bytes() == Path("run/model.nnatomy").read_bytes()
    assert again["metrics"] == first["metrics"]
    assert again["splits"] == {"train": 120, "valid": 20, "test": 60}


def test_settings_reach_network_and_training(command: Command) -> None:
    settings = ("--set", "hidden=5,3", "--set", "activation=tanh", "--set", "momentum=0.5")
    named = ("--optimizer", "momentum", "--schedule", "cosine", "--batch-size", 32)
    result = parsed(command("train", "iris", *settings, *named, *SHORT, "--json").out)
    chosen = result["settings"]
    assert chosen["hidden"] == [5, 3]
    assert (chosen["activation"], chosen["momentum"]) == ("tanh", 0.5)
    assert (chosen["optimizer"], chosen["schedule"], chosen["batch_size"]) == (
        "momentum", "cosine", 32,
    )  # fmt: skip
    assert result["parameters"] == 4 * 5 + 5 + 5 * 3 + 3 + 3 * 3 + 3


def test_a_residual_network_is_kept_as_one(command: Command) -> None:
    shape = ("--network", "mlp", "--set", "hidden=6,6,6")
    residual = (*shape, "--set", "residual=true", *SHORT)
    result = parsed(command("train", "iris", *residual, "--json").out)
    assert result["settings"]["residual"] is True
    assert result["parameters"] == 4 * 6 + 6 + 2 * (6 * 6 + 6) + 6 * 3 + 3
    assert "Residual" in Path("run/report.html").read_text()
    facts = parsed(command("inspect", "run", "--json").out)
    assert facts["model"]["network_settings"]["residual"] is True
    loaded = nnatomy.load("run").network
    assert sum(isinstance(module, Residual) for module in loaded.modules()) == 2
    code, out, _ = command("predict", "run", "iris")
    assert (code, len(out.splitlines())) == (0, 151)


def test_shortcuts_around_nothing_are_refused_before_anything_is_written(command: Command) -> None:
    shape = ("--network", "mlp", "--set", "hidden=6,3", "--set", "residual=true")
    code, out, err = command("train", "iris", *shape, *SHORT)
    assert (code, out) == (2, "")
    assert "residual needs a hidden layer as wide as its inputs" in err
    assert not Path("run").exists()


def test_the_learning_rate_is_searched_and_said(command: Command) -> None:
    _, out, err = command("train", "iris", "--lr", "auto", *SHORT, "--json", "--quiet")
    [found] = re.findall(r"^learning rate found: (\S+)$", err, re.MULTILINE)
    assert parsed(out)["settings"]["lr"] == pytest.approx(float(found), rel=1e-2)


def test_groups_and_kinds(command: Command) -> None:
    frame = measurements(120)
    frame["machine"] = [f"m{i // 6}" for i in range(120)]
    frame["code"] = [1, 2, 3] * 40
    frame.to_csv("data.csv", index=False)
    options = ("--target", "grade", "--group", "machine", "--kind", "code=category")
    assert command("train", "data.csv", *options, *SHORT).code == 0
    report = json.loads(Path("run/data_report.json").read_text())
    kinds = {column["name"]: column["kind"] for column in report["columns"]}
    assert kinds["code"] == "category"
    assert all(size % 6 == 0 for size in report["splits"].values())


def test_the_newest_records_are_the_test_set(command: Command) -> None:
    frame = measurements(100)
    frame["day"] = pd.date_range("2024-01-01", periods=100).strftime("%Y-%m-%d")
    frame.sample(frac=1, random_state=0).to_csv("data.csv", index=False)
    assert command("train", "data.csv", "--target", "grade", "--time", "day", *SHORT).code == 0
    shuffled = pd.read_csv("data.csv")
    tested = pd.read_csv("run/test_predictions.csv")["name"].str.split().str[1].astype(int) - 2
    assert shuffled["day"].iloc[tested].min() == frame["day"].iloc[-20]


def test_balanced_classes(command: Command) -> None:
    rare = measurements(300)
    rare["grade"] = (rare.length > 1.6).map({True: "rare", False: "common"})
    rare.to_csv("data.csv", index=False)
    recall = {}
    for name, options in (("plain", ()), ("balanced", ("--class-weight", "balanced"))):
        words = ("--epochs", 12, "--out", name, "--quiet", *options)
        assert command("train", "data.csv", *words).code == 0
        scores = json.loads(Path(name, "result.json").read_text())["evaluation"]["per_class"]
        recall[name] = {row["label"]: row["recall"] for row in scores}["rare"]
    assert recall["balanced"] > recall["plain"]


def test_classes_of_images_on_disk_are_balanced_too(command: Command) -> None:
    """Images that are not kept in memory: their weights must not be forgotten."""
    class_folder(Path("photos"), {"a": 10, "b": 30}, shape=(8, 8, 1)[:2])
    models = []
    for memory in (1, 10**9):
        job = {
            "source": "photos",
            "class_weight": "balanced",
            "settings": {"epochs": 1},
            "images": {"memory_limit": memory},
        }
        Path("job.json").write_text(json.dumps(job))
        assert command("train", "--config", "job.json", "--out", str(memory)).code == 0
        rows = Path(str(memory), "metrics.jsonl").read_text().splitlines()
        models.append([json.loads(row)["loss"] for row in rows])
    assert models[0] == pytest.approx(models[1], rel=1e-5)


def test_a_finished_run_is_read_back(command: Command, table: Path) -> None:
    first = command("train", table, *SHORT, "--json")
    files = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()}
    again = command("train", table, *SHORT, "--json")
    assert again.out == first.out
    assert again.lines == ["run holds the finished run of this command; --overwrite trains anew"]
    for path, changed in files.items():
        assert path.name == "LOCK" or path.stat().st_mtime_ns == changed


def test_data_changed_after_a_finished_run_are_mentioned(command: Command, table: Path) -> None:
    Path("data.csv").write_bytes(table.read_bytes())
    command("train", "data.csv", *SHORT)
    later = Path("run/result.json").stat().st_mtime + 10
    os.utime("data.csv", (later, later))
    assert "data.csv was changed after that run" in command("train", "data.csv", *SHORT).err


def test_overwrite_trains_anew(command: Command) -> None:
    assert command("train", "iris", *SHORT).code == 0
    changed = ("train", "iris", "--epochs", 3, "--out", "run")
    refused = command(*changed)
    assert refused.code == 1
    assert re.match(r"error: run holds a run with other settings \(settings\.epochs: ", refused.err)
    assert "--overwrite" in refused.err
    done = command(*changed, "--overwrite", "--json")
    assert parsed(done.out)["epochs"] == 3
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("activation", "reluu", "did you mean 'relu'"),
        ("device", "tpu", "device 'tpu'"),
        ("hidden", "", "whole numbers separated by commas"),
        ("error_rate", "-1", "error_rate must be"),
    ],
)
def test_a_wrong_setting_is_named_before_the_folder_that_has_others(
    command: Command, name: str, value: str, message: str
) -> None:
    command("train", "iris", *SHORT)
    refused = command("train", "iris", *SHORT, "--set", f"{name}={value}")
    assert refused.code == 2
    assert message in refused.err
    assert "other settings" not in refused.err
    assert command("train", "iris", *SHORT).code == 0


def test_no_hidden_layer_is_asked_for_by_name(command: Command) -> None:
    words = ("--network", "mlp", "--set", "hidden=none", "--epochs", 1, "--out", "run")
    done = parsed(command("train", "iris", *words, "--json").out)
    assert done["settings"]["hidden"] == []
    assert "hidden=none" in done["command"]


@pytest.mark.parametrize("mistake", [("--target", "no"), ("--device", "gpu"), ("--lr", "fast")])
def test_overwriting_by_mistake_leaves_the_earlier_run(
    command: Command, mistake: tuple[str, str]
) -> None:
    command("train", "iris", *SHORT)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    assert command("train", "iris", *SHORT, *mistake, "--overwrite").code != 0
    after = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    assert after == before


def test_without_out_the_same_command_finds_its_folder(command: Command) -> None:
    first = parsed(command("train", "iris", "--epochs", 1, "--json").out)
    again = command("train", "iris", "--epochs", 1, "--json")
    assert parsed(again.out)["run"] == first["run"]
    assert [path.parent.name for path in Path().glob("runs/*/model.nnatomy")] == [
        Path(first["run"]).name
    ]
