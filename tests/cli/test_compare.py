"""nnatomy compare and nnatomy lecture, as typed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import Server
from cli.conftest import Command, measurements
from faults import wait_until

COMPARE = ("compare", "iris", "--network", "mlp", "--epochs", "3")


def test_compare_prints_a_table_and_writes_a_page(command: Command) -> None:
    code, out, err = command(*COMPARE, "--over", "init=zeros,he", "--over", "seed=0..1")
    assert code == 0
    assert out.splitlines()[0].split() == [
        *("init", "runs", "accuracy", "95", "%", "interval", "behind", "the", "best", "loss"),
        *("best", "epoch", "time,", "others", "beside"),
    ]
    assert "4/4" in err
    (folder,) = Path("runs").iterdir()
    assert f"page {folder}/index.html" in err
    facts = json.loads((folder / "comparison.json").read_text())
    assert len(facts["runs"]) == 4
    assert "data:image/png" in (folder / "index.html").read_text()


def test_progress_names_settings_and_result(command: Command) -> None:
    for engine in ("compiled", "autograd", "stacked"):
        words = ("--over", "activation=tanh,relu", "--engine", engine, "--out", engine)
        code, _, err = command(*COMPARE, *words)
        assert code == 0
        said = [text for text in err.splitlines() if re.match("./2 ", text)]
        names = sorted(text.split()[1] for text in said)
        assert names == ["activation=relu", "activation=tanh"]
        for text in said:
            assert re.fullmatch(r"./2 \S+ seed=0: accuracy [\d.]+ in epoch \d", text)


def test_compare_says_what_train_says_of_the_data(command: Command) -> None:
    table = measurements(120).assign(same="x")
    table.loc[3, "length"] = None
    table = table[["same", "length", "width", "grade"]]
    table.to_csv("data.csv", index=False)
    words = ("data.csv", "--epochs", "1", "--quiet")
    trained = command("train", *words, "--out", "run")
    compared = command("compare", *words, "--over", "seed=0..1", "--out", "c")
    said = [text for text in trained.lines if text.startswith("data: ")]
    assert len(said) >= 2, trained.err
    assert [text for text in compared.lines if text.startswith("data: ")] == said
    assert "missing cells of &#39;length&#39;" in Path("c/index.html").read_text()


def test_a_folder_is_overwritten_only_when_told(command: Command) -> None:
    job = (*COMPARE, "--over", "init=zeros,he", "--quiet")
    assert command("train", "iris", "--epochs", "1", "--out", "x", "--quiet").code == 0
    code, out, err = command(*job, "--out", "x")
    assert (code, out) == (1, "")
    assert "x holds a training run; add --overwrite" in err
    assert Path("x/result.json").exists()
    assert command(*job, "--out", "x", "--overwrite").code == 0
    assert not Path("x/result.json").exists()
    code, _, err = command(*job, "--set", "activation=reluu", "--out", "x")
    assert code == 2
    assert "did you mean 'relu'" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_comparison_says_that_nothing_is_saved(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "c"
    measurements(2000).to_csv(tmp_path / "data.csv", index=False)
    job = (
        "compare",
        tmp_path / "data.csv",
        "--over",
        "hidden=400/400,400",
        "--over",
        "epochs=1,90000",
    )
    started = server.start(*job, "--set", "patience=none", "--out", out)
    said = started.folder / "err"
    wait_until(lambda: said.exists() and "1/4" in said.read_text())
    started.send(number)
    code, printed, err = started.end()
    assert (code, printed) == (128 + number, "")
    name = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number]
    last = err.splitlines()[-1]
    assert last == f"error: stopped by {name}: nothing was saved, a comparison begins anew"
    assert not out.exists()


def test_compare_for_machines(command: Command) -> None:
    arguments = (*COMPARE, "--over", "hidden=4/8,4", "--engine", "autograd", "--out", "c")
    code, out, err = command(*arguments, "--json", "--quiet")
    assert (code, err) == (0, "page c/index.html\n")
    found = json.loads(out)
    assert [run["settings"]["hidden"] for run in found["runs"]] == ["4", "8,4"]
    assert {run["engine"] for run in found["runs"]} == {"autograd"}


@pytest.mark.parametrize("engine", ["compiled", "autograd", "stacked"])
def test_progress_counts_what_diverged(command: Command, engine: str) -> None:
    varied = ("--over", "lr=0.01,1e30", "--over", "seed=0..1", "--set", "optimizer=sgd")
    code, out, err = command(*COMPARE, *varied, "--engine", engine)
    assert code == 0
    assert "2 of 2 runs diverged" in out
    counted = [text for text in err.splitlines() if "seed=" in text]
    assert [text.split()[0] for text in counted] == ["1/4", "2/4", "3/4", "4/4"]
    assert sum(text.endswith("diverged") for text in counted) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0", "--over", "lr=0.1,0.2"], "epochs must be at least 1"),
        (["--over", "inti=he"], "did you mean 'init'"),
        (["--over", "augmnt=none/standard"], "did you mean 'augment'"),
        (["--over", "sed=0..1"], "did you mean 'seed'"),
        (["--over", "init"], "takes name=value"),
        (["--over", "network=mlp,logistic"], "'network' is both varied and set"),
        ([], "missing option '--over'"),
        (["--over", "init=he,zeros", "--out", "file"], "file is a file"),
        (["--over", "init=he,zeros", "--engine", "stackd"], "did you mean 'stacked'"),
    ],
)
def test_mistakes_in_compare(command: Command, arguments: list[str], message: str) -> None:
    Path("file").write_text("mine")
    code, out, err = command(*COMPARE, *arguments)
    assert code != 0
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()
    assert Path("file").read_text() == "mine"


def test_train_with_a_named_engine(command: Command) -> None:
    for engine in ("compiled", "autograd"):
        code, out, _ = command(
            *("train", "iris", "--network", "mlp", "--epochs", "2", "--engine", engine),
            *("--out", engine, "--json", "--quiet"),
        )
        assert code == 0
        assert json.loads(out)["engine"] == engine
    code, _, err = command("train", "digits", "--engine", "compiled", "--quiet")
    assert code == 2
    assert "plain dense networks" in err


def test_engines_for_several_networks_only(command: Command) -> None:
    code, _, err = command("train", "iris", "--engine", "stacked", "--quiet")
    assert code == 2
    assert "several networks at once (nnatomy compare)" in err
    code, _, err = command("train", "iris", "--engine", "fast", "--quiet")
    assert code == 2
    assert "'stacked' for several networks at once only" in err


def test_lecture_rows_for_machines(command: Command) -> None:
    code, out, err = command("lecture", "o7", "O5", "--json")
    assert code == 0
    rows = json.loads(out)
    assert {row["id"] for row in rows} == {"O5", "O7"}
    assert all(
        list(row) == ["id", "what", "slide", "computed", "verdict", "reason"] for row in rows
    )
    assert {row["verdict"] for row in rows} == {"agrees", "erratum"}
    assert [line.split()[0] for line in err.splitlines()] == ["O5", "O7"]


def test_lecture_table_and_folder(command: Command) -> None:
    code, out, err = command("lecture", "O5", "--out", "table", "--quiet")
    assert code == 0
    assert (
        "9 agree with the slides, 0 checks of our own hold, 1 errata, 0 not reproducible here"
        in out
    )
    assert err == "page table/index.html\n"
    assert {path.name for path in Path("table").iterdir()} == {
        *("index.html", "rows.json", "O5_xor.png", "O5_xor.svg"),
    }


def test_lecture_items_without_computing(command: Command) -> None:
    code, out, _ = command("lecture", "P", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [f"P{n}" for n in range(1, 8)]


def test_mistakes_in_lecture(command: Command) -> None:
    Path("file").write_text("mine")
    code, out, err = command("lecture", "Q1")
    assert (code, out) == (2, "")
    assert "no item 'Q1'" in err
    code, out, err = command("lecture", "O5", "--out", "file")
    assert (code, out) == (1, "")
    assert "is a file" in err


def test_help_of_the_lecture_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['nnatomy', 'lecture', '--list'];"
        "from nnatomy.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
