"""The command in this process, and finished runs that several tests look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nnatomy
from cli.commands import Outcome, Server
from nnatomy.cli import app

Command = Callable[..., Outcome]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """`command("train", "iris")` in an empty folder: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nnatomy", *map(str, argv)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        return Outcome(ended.value.code, out, err)

    return run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


def measurements(count: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"length": rng.normal(size=count).round(3)})
    frame["width"] = rng.normal(size=count).round(3)
    frame["city"] = rng.choice(["Bern", "Genf"], count)
    frame["grade"] = np.where(frame.length + frame.width > 0, "=high", "low")
    return frame


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV whose label "=high" a spreadsheet would compute."""
    path = tmp_path_factory.mktemp("data") / "parts.csv"
    measurements().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "parts"
    nnatomy.train(table, "grade", settings={"epochs": 40, "lr": 0.02, "hidden": "8"}, out=out)
    return out
