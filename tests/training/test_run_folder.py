from __future__ import annotations

import json
import math
import os
import platform
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout

from faults import Worker, wait_until
from nnatomy.errors import IntegrityError, OccupiedError, RunError
from nnatomy.training.atomic import write_json
from nnatomy.training.run_folder import COMPARISON_FILES, RunFolder

CONFIG = {"lr": 0.1, "hidden": (64, 32), "model": {"name": "mlp", "dropout": 0.0}}


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "LOCK"
    }


def test_new_folder(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "a" / "run", CONFIG) as folder:
        assert json.loads(folder.config.read_text()) == {**CONFIG, "hidden": [64, 32]}
        environment = json.loads(folder.env.read_text())
        assert folder.checkpoints.is_dir()
        assert not folder.finished
        assert folder.metrics_length() == 0
        assert folder.environment_changes == ()
    assert environment["torch"] == torch.__version__
    assert environment["numpy"] == np.__version__
    assert environment["python"] == platform.python_version()
    assert environment["threads"] == torch.get_num_threads()
    assert environment.keys() == {
        *("nnatomy", "python", "torch", "numpy", "platform", "processors", "threads")
    }
    assert content(tmp_path / "a" / "run").keys() == {"config.json", "env.json"}


def test_same_settings_open_the_folder_again(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, CONFIG) as folder:
        folder.append_metrics({"epoch": 1})
    before = content(tmp_path)
    with RunFolder.open(str(tmp_path), CONFIG) as folder:
        assert folder.metrics_length() == 12
    assert content(tmp_path) == before


def test_other_settings_are_named(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, {**CONFIG, "old": None}).close()
    before = content(tmp_path)
    other = {"lr": 0.1, "hidden": [64], "model": {"name": "mlp", "dropout": 0.5}, "new": True}
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path, other)
    assert str(caught.value) == (
        f"{tmp_path} holds a run with other settings (hidden: [64,32] → [64]; "
        "model.dropout: 0.0 → 0.5; new: not set → true; old: null → not set); "
        "add --overwrite to start anew or choose another --out"
    )
    assert content(tmp_path) == before
    RunFolder.open(tmp_path, {**CONFIG, "old": None}).close()  # the refused one left no lock


def test_kinds_of_equal_values_differ(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, {"shuffle": True}).close()
    with pytest.raises(RunError, match="shuffle: true → 1"):
        RunFolder.open(tmp_path, {"shuffle": 1})


def test_volatile_settings_may_differ(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, {**CONFIG, "json": False}).close()
    RunFolder.open(tmp_path, {**CONFIG, "json": True, "out": "x"}, volatile={"json", "out"}).close()
    with pytest.raises(RunError, match="json: false → true"):
        RunFolder.open(tmp_path, {**CONFIG, "json": True})


def test_changed_environment_is_told(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, CONFIG) as folder:
        environment = json.loads(folder.env.read_text())
        write_json(folder.env, {**environment, "torch": "1.0.0"})
    with RunFolder.open(tmp_path, CONFIG) as folder:
        assert folder.environment_changes == (f'torch: "1.0.0" → "{torch.__version__}"',)


def test_overwrite_clears_the_run_and_nothing_else(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, CONFIG) as folder:
        folder.append_metrics({"epoch": 1})
        for path in (folder.model, folder.report, folder.data_report, folder.diagnosis):
            path.write_text("old")
        write_json(folder.result, {})
        (folder.checkpoints / "0000000001").mkdir()
        assert folder.finished
    (tmp_path / "my notes.txt").write_text("mine")
    with RunFolder.open(tmp_path, {"lr": 0.5}, overwrite=True) as folder:
        assert not folder.finished
        assert list(folder.checkpoints.iterdir()) == []
    assert content(tmp_path).keys() == {"config.json", "env.json", "my notes.txt"}
    assert json.loads((tmp_path / "config.json").read_text()) == {"lr": 0.5}


@pytest.mark.parametrize("names", [["photo.jpg"], ["config.json"], ["LOCK", "CURRENT"]])
@pytest.mark.parametrize("overwrite", [True, False])
def test_folder_of_something_else(tmp_path: Path, names: list[str], overwrite: bool) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(RunError, match="belong to no run"):
        RunFolder.open(tmp_path, CONFIG, overwrite=overwrite)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names)


def test_path_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="cannot create the run folder"):
            RunFolder.open(path, CONFIG)


def test_a_file_where_the_checkpoints_belong(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, CONFIG).close()
    (tmp_path / "ckpt").rmdir()
    (tmp_path / "ckpt").touch()
    for _ in range(2):  # the refused opener gives the lock back
        with pytest.raises(RunError, match=r"cannot use .*: File exists"):
            RunFolder.open(tmp_path, CONFIG)


def test_start_cut_short_is_taken_up(tmp_path: Path) -> None:
    """Killed between the lock and the settings, or between the settings and the rest."""
    (tmp_path / "LOCK").touch()
    (tmp_path / ".config.json.0123456789abcdef.tmp").write_text('{"lr"')
    RunFolder.open(tmp_path, CONFIG).close()
    (tmp_path / "env.json").unlink()
    (tmp_path / "ckpt").rmdir()
    RunFolder.open(tmp_path, CONFIG).close()
    assert content(tmp_path).keys() == {"config.json", "env.json"}


def test_unfinished_writes_are_swept(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, CONFIG).close()
    before = content(tmp_path)
    (tmp_path / ".report.html.0123456789abcdef.tmp").touch()
    (tmp_path / "ckpt" / ".0000000010.0123456789abcdef.tmp").mkdir()
    RunFolder.open(tmp_path, CONFIG).close()
    assert content(tmp_path) == before
    assert list((tmp_path / "ckpt").iterdir()) == []


def test_damaged_settings(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, CONFIG).close()
    (tmp_path / "config.json").write_text('{"lr": ')
    with pytest.raises(RunError, match=r"config\.json is damaged; start again with --overwrite"):
        RunFolder.open(tmp_path, CONFIG)
    RunFolder.open(tmp_path, CONFIG, overwrite=True).close()


def test_finished_needs_a_whole_result(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path, CONFIG) as folder:
        folder.result.write_text('{"accuracy": 0.')
        assert not folder.finished
        write_json(folder.result, {"accuracy": 0.9})
        assert folder.finished


class TestMetrics:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Iterator[RunFolder]:
        with RunFolder.open(tmp_path, CONFIG) as folder:
            yield folder

    def test_rows_are_lines(self, folder: RunFolder) -> None:
        rows = [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1 / 3, "valid_loss": None}]
        for row in rows:
            folder.append_metrics(row)
        assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == rows
        assert folder.metrics_length() == folder.metrics.stat().st_size

    def test_non_finite_values_are_texts(self, folder: RunFolder) -> None:
        folder.append_metrics({"a": math.nan, "b": [math.inf, {"c": -math.inf}]})
        row = json.loads(folder.metrics.read_text(), parse_constant=pytest.fail)
        assert row == {"a": "nan", "b": ["inf", {"c": "-inf"}]}

    def test_torn_last_line(self, folder: RunFolder) -> None:
        folder.append_metrics({"epoch": 1})
        length = folder.metrics_length()
        with folder.metrics.open("ab") as file:
            file.write(b'{"epoch": 2, "lo')
        assert folder.metrics_length() == length
        folder.truncate_metrics(length)
        folder.append_metrics({"epoch": 2})
        lines = folder.metrics.read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [1, 2]

    def test_truncation(self, folder: RunFolder) -> None:
        folder.truncate_metrics(0)
        for epoch in (1, 2, 3):
            folder.append_metrics({"epoch": epoch})
        folder.truncate_metrics(24)
        assert folder.metrics.read_text().splitlines() == ['{"epoch":1}', '{"epoch":2}']
        with pytest.raises(IntegrityError, match="has 24 bytes, the checkpoint counts 36"):
            folder.truncate_metrics(36)

    def test_unwritable(self, folder: RunFolder) -> None:
        folder.metrics.mkdir()
        for action in (
            lambda: folder.append_metrics({}),
            lambda: folder.truncate_metrics(0),
            folder.metrics_length,
        ):
            with pytest.raises(RunError, match=r"metrics\.jsonl: Is a directory"):
                action()


class TestLock:
    def test_second_opener_is_told_who_holds_it(self, tmp_path: Path) -> None:
        with RunFolder.open(tmp_path, CONFIG):
            before = (tmp_path / "LOCK").read_text()
            with pytest.raises(RunError) as caught:
                RunFolder.open(tmp_path, CONFIG, overwrite=True)
            message = str(caught.value)
            started = json.loads(before)["started"]
            assert f"process {os.getpid()} on {socket.gethostname()} since {started}" in message
            assert (tmp_path / "LOCK").read_text() == before
        RunFolder.open(tmp_path, CONFIG).close()

    def test_holder_that_has_not_yet_said_who_it_is(self, tmp_path: Path) -> None:
        with FileLock(tmp_path / "LOCK"), pytest.raises(RunError, match="by another process; wait"):
            RunFolder.open(tmp_path, CONFIG)

    def test_racing_starts_and_a_killed_holder(self, worker: Worker, tmp_path: Path) -> None:
        racers, notes, path = 20, tmp_path / "notes", tmp_path / "run"
        code = worker.run(job="race", folder=str(path), racers=racers, notes=str(notes))
        assert code == 0
        wait_until(lambda: len(notes.read_text().splitlines()) == racers)
        lines = notes.read_text().splitlines()
        winners = [int(line.split()[0]) for line in lines if line.endswith(" won")]
        assert len(winners) == 1
        assert sum("is in use by" in line for line in lines) == racers - 1
        with pytest.raises(RunError, match=f"process {winners[0]} on "):
            RunFolder.open(path, {"lr": 0.1})
        os.kill(winners[0], signal.SIGKILL)

        def is_free() -> bool:
            try:
                FileLock(path / "LOCK", timeout=0).acquire().lock.release()
            except Timeout:
                return False
            return True

        wait_until(is_free)
        RunFolder.open(path, {"lr": 0.1}).close()


@pytest.fixture
def locked_away() -> Iterator[Path]:
    """A folder that others may enter but not change; pytest's own is closed to other users."""
    folder = Path(tempfile.mkdtemp())
    (folder / "run").mkdir()
    RunFolder.open(folder / "run", {"lr": 0.1}).close()
    (folder / "run" / "LOCK").chmod(0o444)
    for path in (folder / "run", folder):
        path.chmod(0o555)
    yield folder
    for path in (folder, folder / "run"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["new", "run"])
def test_read_only_folder(worker: Worker, locked_away: Path, name: str) -> None:
    assert worker.run(job="unprivileged", folder=str(locked_away / name)) == 3
    message = worker.message()
    assert "Permission denied; choose a folder that you may write to" in message
    assert message.count("\n") == 1


def test_a_comparison_makes_place_for_a_run_only_when_told(tmp_path: Path) -> None:
    for name in COMPARISON_FILES:
        (tmp_path / name).write_text("{}")
    with pytest.raises(OccupiedError, match="holds a comparison; add --overwrite"):
        RunFolder.open(tmp_path, CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == set(COMPARISON_FILES)
    RunFolder.open(tmp_path, CONFIG, overwrite=True).close()
    assert not {path.name for path in tmp_path.iterdir()} & set(COMPARISON_FILES)


def test_overwriting_a_run_removes_a_comparison_beside_it(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, CONFIG).close()
    for name in COMPARISON_FILES:
        (tmp_path / name).write_text("{}")
    RunFolder.open(tmp_path, CONFIG, overwrite=True).close()
    assert not {path.name for path in tmp_path.iterdir()} & set(COMPARISON_FILES)
