"""Every mistake of a user ends in one line on standard error, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Command, measurements
from nnatomy.cli.output import pairs
from nnatomy.errors import SettingError


def refused(outcome, code: int, *words: str) -> None:
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.lines[-1].startswith("error: ")
    assert all(line.startswith("data: ") for line in outcome.lines[:-1]), outcome.err
    for word in words:
        assert word in outcome.err


TRAINING = [
    (2, ("iris", "--set", "hiden=3"), "did you mean 'hidden'?"),
    (2, ("iris", "--set", "epoch=3"), "did you mean 'epochs'?"),
    (2, ("iris", "--set", "hidden"), "name=value"),
    (2, ("iris", "--set", "tol=1", "--set", "tol=2"), "given twice"),
    (2, ("iris", "--epochs", 3, "--set", "epochs=4"), "both give 'epochs'"),
    (2, ("iris", "--set", "hidden=a"), "whole numbers separated by commas"),
    (2, ("iris", "--set", "activation=rel"), "did you mean 'relu'?"),
    (2, ("iris", "--epochs", "many"), "--epochs"),
    (2, ("iris", "--epochs", -1), "epochs must be at least 0"),
    (2, ("iris", "--epochz", 3), "--epochs"),
    (2, ("iris", "--lr", "fast"), "'lr' takes a number"),
    (2, ("iris", "--lr", "inf"), "lr must be a positive number"),
    (2, ("iris", "--lr", "nan"), "lr must be a positive number"),
    (2, ("iris", "--set", "error_rate=nan"), "error_rate must be at least 0 and below 1"),
    (2, ("iris", "--set", "error_rate=-1"), "error_rate must be at least 0 and below 1"),
    (2, ("iris", "--set", "weight_tol=1e9"), "weight_tol must be at least 0 and below 1"),
    (2, ("iris", "--set", "l2=inf"), "l2 must be a finite number"),
    (2, ("iris", "--set", "hidden="), "whole numbers separated by commas (or none)"),
    (2, ("iris", "--set", "activation="), "activation"),
    (2, ("iris", "--set", "dropout=nan"), "dropout must be"),
    (2, ("iris", "--optimizer", "adan"), "did you mean 'adam'?"),
    (2, ("iris", "--schedule", "cosin"), "did you mean 'cosine'?"),
    (2, ("iris", "--device", "gpu"), "device 'gpu'"),
    (2, ("iris", "--network", "mpl"), "did you mean 'mlp'?"),
    (2, ("iris", "--network", "lenet"), "takes images"),
    (2, ("diabetes", "--network", "perceptron"), "cannot learn regression"),
    (2, ("diabetes", "--class-weight", "balanced"), "has no classes"),
    (2, ("iris", "--class-weight", "heavy"), "balanced"),
    (2, ("iris", "--task", "clasification"), "did you mean 'classification'?"),
    (2, ("iris", "--valid", "nan"), "valid must be a share"),
    (2, ("iris", "--test", 1), "test must be a share"),
    (2, ("iris", "--valid", 0.5, "--test", 0.6), "nothing to train on"),
    (2, ("iris", "--test", 0), "larger share"),
    (2, ("iris", "--seed", -1), "seed must be at least 0"),
    (2, ("iris", "--set", "seed=3"), "--seed"),
    (2, ("iris", "--fit", "stretch"), "crop, pad, squash"),
    (2, ("digits", "--group", "x"), "images have no columns"),
    (2, ("iris", "--kind", "species=animal"), "known names"),
    (1, ("iris", "--kind", "leaf=number"), "there is no column 'leaf'"),
    (1, ("iris", "--target", "specie"), "did you mean 'species'?"),
    (1, ("iris", "--group", "plant"), "there is no group column 'plant'"),
    (1, ("nothing.csv",), "no such file"),
    (1, ("iriss",), "did you mean 'iris'?"),
    (1, ("empty.csv",), "empty.csv"),
    (1, ("notes.docx",), "'.docx'"),
    (1, ("folder",), "no image files"),
    (2, (), "nnatomy train iris"),
]


@pytest.mark.parametrize(("code", "words", "message"), TRAINING)
def test_training(command: Command, code: int, words: tuple, message: str) -> None:
    Path("empty.csv").touch()
    Path("notes.docx").touch()
    Path("folder").mkdir()
    before = sorted(Path().rglob("*"))
    refused(command("train", *words), code, message)
    assert sorted(Path().rglob("*")) == before
    refused(command("train", *words, "--out", "deep/er/run"), code, message)
    assert sorted(Path().rglob("*")) == before


def test_a_folder_that_was_there_and_empty_stays_so(command: Command) -> None:
    Path("run").mkdir()
    refused(command("train", "iris", "--target", "x", "--out", "run"), 1)
    assert [path.name for path in Path("run").iterdir()] in ([], ["LOCK"])
    assert command("train", "iris", "--epochs", 1, "--out", "run").code == 0


def test_a_run_that_had_begun_stays(command: Command) -> None:
    """The data are broken after an interrupted start: what is there is not to be thrown away."""
    data = Path("data.csv")
    measurements().to_csv(data, index=False)
    assert command("train", data, "--epochs", 1, "--out", "run").code == 0
    Path("run/result.json").unlink()
    data.write_text("a,b\n")
    refused(command("train", data, "--epochs", 1, "--out", "run"), 1, "data.csv")
    assert Path("run/metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("out", "message"), [("file", "file"), ("full", "belong to no run"), ("file/run", "file")]
)
def test_folders_that_cannot_be_used(command: Command, out: str, message: str) -> None:
    Path("file").write_text("mine")
    Path("full").mkdir()
    Path("full/letter.txt").write_text("mine")
    before = sorted(Path().rglob("*"))
    refused(command("train", "iris", "--out", out), 1, message)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "no settings by name"),
        ("{}", "'source' is missing"),
        ('{"source": "iris", "sede": 1}', "did you mean 'seed'?"),
        ('{"source": "iris", "seed": "x"}', "'seed' takes a whole number"),
        ('{"source": "iris", "settings": 3}', "'settings' holds no values by name"),
        ('{"source": "iris", "kinds": [1]}', "'kinds' holds no values by name"),
        ('{"source": "iris", "split": {"valid": "x"}}', "'split.valid' takes a number"),
        ('{"source": "iris", "split": {"tset": 0.1}}', "did you mean 'test'?"),
        ('{"source": "iris", "images": {"size": "x"}}', "images"),
    ],
)
def test_config_files(command: Command, content: str, message: str) -> None:
    Path("job.json").write_text(content)
    refused(command("train", "--config", "job.json"), 2, message)
    assert not Path("runs").exists()


@pytest.mark.parametrize("more", [("iris",), ("--epochs", 3), ("--valid", 0.15)])
def test_nothing_is_dropped_beside_a_config(command: Command, more: tuple) -> None:
    Path("job.json").write_text(json.dumps({"source": "iris"}))
    refused(command("train", "--config", "job.json", *more), 2, "the whole job")


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (2, ("trian", "iris"), "'train'"),
        (2, ("list",), "list --help"),
        (2, ("list", "networkz"), "did you mean 'networks'?"),
        (2, ("predict", "run"), "predict --help"),
        (1, ("predict", "nothing", "iris"), "nothing"),
        (1, ("evaluate", "nothing.nnatomy", "iris"), "nothing.nnatomy"),
        (1, ("inspect", "nothing"), "nothing"),
        (1, ("inspect", "folder"), "result.json"),
        (1, ("diagnose", "nothing"), "nothing is no run folder"),
        (1, ("diagnose", "folder", "--json"), "folder is no run folder"),
        (1, ("report", "nothing"), "nothing"),
        (1, ("report", "nothing", "--verify"), "nothing/report.html"),
    ],
)
def test_other_commands(command: Command, code: int, words: tuple, message: str) -> None:
    Path("folder").mkdir()
    refused(command(*words), code, message)


def test_a_diverging_training(command: Command) -> None:
    frame = measurements()
    frame["price"] = 10 * frame.length + frame.width
    frame.to_csv("data.csv", index=False)
    words = ("train", "data.csv", "--target", "price", "--optimizer", "sgd", "--quiet")
    outcome = command(*words, "--lr", "1e20", "--out", "run")
    refused(outcome, 1, "not finite at step", "Lower the learning rate")
    assert not Path("run/result.json").exists()
    assert command(*words, "--lr", "0.01", "--out", "other", "--epochs", 2).code == 0


def test_texts_from_the_data_stay_on_one_line(command: Command) -> None:
    frame = measurements(60).rename(columns={"city": "ci\nty\x1b[31m"})
    frame.to_csv("data.csv", index=False)
    outcome = command("train", "data.csv", "--target", "nothing")
    refused(outcome, 1)
    assert len(outcome.lines) == 1
    assert "\x1b" not in outcome.err


def test_pairs() -> None:
    assert pairs("--set", ["a=1", " b = x=y "]) == {"a": "1", "b": "x=y"}
    with pytest.raises(SettingError, match="'=1'"):
        pairs("--set", ["=1"])
