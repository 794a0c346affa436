"""A save that is killed, starved or failed at any of its system calls loses nothing."""

from __future__ import annotations

import re
import shutil
import signal
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch

from faults import Worker, calls_in, unsynced
from nnatomy.errors import RunError
from nnatomy.training import checkpoint
from nnatomy.training.atomic import sweep, write_json
from nnatomy.training.checkpointing import resume
from nnatomy.training.model_file import read_model, write_model
from nnatomy.training.run_folder import RunFolder
from small_run import state_of

OLD, NEW, REFUSED = 20, 30, 3


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    checkpoint.save(folder, OLD, state_of(OLD))
    return folder


def what_is_lost(folder: Path) -> str:
    """Empty when the newest checkpoint is exactly the old or the new state and no other is bad."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = checkpoint.load_latest(folder)
        except (RunError, checkpoint.DamagedCheckpointWarning) as error:
            return str(error)
    if found is None:
        return "no checkpoint is left"
    state = found[0]
    step = state.values["step"]
    wanted = state_of(step)
    same = all(torch.equal(state.tensors[name], wanted.tensors[name]) for name in wanted.tensors)
    return "" if step in (OLD, NEW) and same and state.values == wanted.values else "other content"


def places_in(worker: Worker, old: Path, save: str, log: Path) -> list[tuple[str, int]]:
    """The file-changing system calls of an undisturbed save: (name, how many-th of that name)."""
    folder = shutil.copytree(old, old.parent / f"{save}-{log.stem}")
    assert worker.run_traced(log, job="save", save=save, folder=str(folder), step=NEW) == 0
    return places_of(log)


def places_of(log: Path) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    places = []
    for call in calls_in(log):
        name = call.partition("(")[0]
        seen[name] += 1
        places.append((name, seen[name]))
    return places


def losses_by_kill(worker: Worker, old: Path, save: str) -> list[str]:
    """Kill a save at each of its system calls; what was lost, for each call that lost something."""
    log = old.parent / "strace.log"
    losses = []
    for call, k in places_in(worker, old, save, log):
        folder = shutil.copytree(old, old.parent / f"{save}-{call}-{k}")
        fault = f"{call}:signal=SIGKILL:when={k}"
        code = worker.run_traced(log, fault, job="save", save=save, folder=str(folder), step=NEW)
        assert code == -signal.SIGKILL
        if loss := what_is_lost(folder):
            losses.append(f"killed at {calls_in(log)[-1]}: {loss}")
        elif save == "save_real":
            sweep(folder)
            checkpoint.save(folder, NEW + 10, state_of(NEW + 10), keep=1)
            assert [entry.name for entry in folder.iterdir()] == [f"{NEW + 10:010d}"]
    return losses


@pytest.mark.usefixtures("strace")
class TestKilledSaves:
    def test_kill_at_every_system_call(self, worker: Worker, old: Path) -> None:
        calls = {call for call, _ in places_in(worker, old, "save_real", old.parent / "calls.log")}
        assert {re.sub(r"at2?$", "", call) for call in calls} >= {
            *("open", "write", "fsync", "rename", "mkdir", "unlink")
        }
        assert losses_by_kill(worker, old, "save_real") == []

    @pytest.mark.parametrize(
        "mutant", ["save_in_place", "save_manifest_first", "save_after_removing"]
    )
    def test_mutants_are_caught(self, worker: Worker, old: Path, mutant: str) -> None:
        assert losses_by_kill(worker, old, mutant)

    def test_content_reaches_the_disk_before_its_name(self, worker: Worker, old: Path) -> None:
        log = old.parent / "strace.log"
        places_in(worker, old, "save_real", log)
        assert unsynced(log) == []
        places_in(worker, old, "save_without_sync", log)
        assert len(unsynced(log)) >= 3


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("fault", ["{}:error=ENOSPC:when={}+", "{}:error=EIO:when={}"])
def test_failing_system_calls(worker: Worker, old: Path, fault: str) -> None:
    log = old.parent / "strace.log"
    for call, k in places_in(worker, old, "save_real", log):
        folder = shutil.copytree(old, old.parent / f"{call}-{k}")
        code = worker.run_traced(
            log,
            fault.format(call, k),
            job="save",
            save="save_real",
            folder=str(folder),
            step=NEW,
        )
        failed = next(line for line in calls_in(log) if "(INJECTED)" in line)
        assert code == REFUSED, failed
        assert what_is_lost(folder) == "", failed


def test_limited_file_size(worker: Worker, old: Path) -> None:
    whole = max(file.stat().st_size for file in old.glob("*/*"))
    refused = 0
    for limit in [0, 1, 7, 8, 100, 200, 300, 500, whole - 1, whole]:
        folder = shutil.copytree(old, old.parent / f"limit-{limit}")
        code = worker.run(
            job="save",
            save="save_real",
            folder=str(folder),
            step=NEW,
            limit=limit,
        )
        assert what_is_lost(folder) == ""
        assert code == (0 if limit >= whole else REFUSED), limit
        if code == REFUSED:
            refused += 1
            assert sorted(entry.name for entry in folder.iterdir()) == [f"{OLD:010d}"]
    assert refused == 9


@pytest.mark.usefixtures("strace")
def test_kill_while_a_model_is_written(worker: Worker, tmp_path: Path) -> None:
    log, path = tmp_path / "strace.log", tmp_path / "model.nnatomy"
    assert worker.run_traced(log, job="model", path=str(path)) == 0
    found = set()
    for call, k in places_of(log):
        write_model(path, state_of(1).tensors, {"step": 1})
        fault = f"{call}:signal=SIGKILL:when={k}"
        assert worker.run_traced(log, fault, job="model", path=str(path)) == -signal.SIGKILL
        tensors, metadata = read_model(path)
        assert torch.equal(tensors["w"], state_of(metadata["step"]).tensors["w"])
        found.add(metadata["step"])
    assert found == {1, 2}


@pytest.mark.usefixtures("strace")
def test_kill_while_a_run_is_overwritten(worker: Worker, tmp_path: Path) -> None:
    """What is half cleared is the old run without its result, or the new one; never a mixture."""
    log, whole = tmp_path / "strace.log", tmp_path / "whole"
    with RunFolder.open(whole, {"lr": 0.1}) as folder:
        checkpoint.save(folder.checkpoints, OLD, state_of(OLD))
        folder.append_metrics({"epoch": 1})
        write_json(folder.result, {"score": 1})
    copy = shutil.copytree(whole, tmp_path / "copy")
    assert worker.run_traced(log, job="overwrite", folder=str(copy)) == 0
    new = 0
    for call, k in places_of(log):
        path = shutil.copytree(whole, tmp_path / f"{call}-{k}")
        fault = f"{call}:signal=SIGKILL:when={k}"
        assert worker.run_traced(log, fault, job="overwrite", folder=str(path)) == -signal.SIGKILL
        if (path / "config.json").exists() and b"0.1" in (path / "config.json").read_bytes():
            with RunFolder.open(path, {"lr": 0.1}) as folder:
                if folder.finished:  # then nothing is gone yet
                    assert checkpoint.load_latest(folder.checkpoints) is not None
                    assert folder.metrics_length() > 0
        else:
            with RunFolder.open(path, {"lr": 0.2}) as folder:
                assert not folder.finished
                assert resume(folder) is None
                assert folder.metrics_length() == 0
            new += 1
        with RunFolder.open(path, {"lr": 0.2}, overwrite=True) as folder:
            assert resume(folder) is None
    assert new >= 3
