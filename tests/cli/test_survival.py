"""The command is killed, stopped, starved and run twice; the end is as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import pytest

from cli.commands import ENVIRONMENT, Server, Started
from cli.conftest import measurements
from faults import wait_until
from nnatomy.errors import signal_words

EPOCHS = 150
KILLS = 6


class Job:
    """A training job that takes a second or two, and what it gives when nobody disturbs it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        data = folder / "data.csv"
        measurements(600).to_csv(data, index=False)
        self.words = ("train", data, "--target", "grade", "--epochs", EPOCHS, "--batch-size", 8)
        self.words += ("--set", "hidden=64,64", "--patience", "none", "--quiet")
        server.run("--version")  # the server's own imports are over then
        began = perf_counter()
        self.run(folder / "whole")
        self.seconds = perf_counter() - began
        self.model = (folder / "whole" / "model.nnatomy").read_bytes()

    def start(self, out: Path, **options: float) -> Started:
        return self.server.start(*self.words, "--out", out, every=0.05, **options)

    def run(self, out: Path) -> None:
        outcome = self.start(out).end()
        assert outcome.code == 0, outcome.err

    def finish(self, out: Path) -> None:
        """Run the same command again, and find the same model as without any disturbance."""
        self.run(out)
        assert (out / "model.nnatomy").read_bytes() == self.model
        assert len((out / "metrics.jsonl").read_text().splitlines()) == EPOCHS


@pytest.fixture(scope="module")
def job(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(server, tmp_path_factory.mktemp("job"))


def test_kill(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "run"
    draw = random.Random(3)
    killed = 0
    for _ in range(KILLS):
        started = job.start(out)
        sleep(draw.uniform(0.02, 0.25) * job.seconds)
        started.send(signal.SIGKILL)
        killed += started.end().code == -signal.SIGKILL
    assert killed >= KILLS // 2
    job.finish(out)


def epochs_done(out: Path) -> int:
    path = out / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_training(job: Job, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    started = job.start(out)
    wait_until(lambda: epochs_done(out) >= 20)
    started.send(number)
    code, printed, err = started.end()
    assert (code, printed) == (128 + number, "")
    assert err.startswith(f"error: stopped by {signal_words(number)}; state saved at step ")
    assert err.count("\n") == 1
    assert list((out / "ckpt").glob("*/MANIFEST.json"))
    assert not (out / "model.nnatomy").exists()
    job.finish(out)


@pytest.mark.parametrize(
    ("file", "when"),
    [("config.json", "run the same command again"), ("model.nnatomy", "after training")],
)
def test_a_signal_before_and_after_training(job: Job, tmp_path: Path, file: str, when: str) -> None:
    """While the data are read, and while baselines are fitted: nothing waits for their end."""
    out = tmp_path / "run"
    started = job.start(out)
    wait_until(lambda: (out / file).exists())
    started.send(signal.SIGTERM)
    code, printed, err = started.end()
    assert (code, printed) == (143, "")
    assert err.startswith("error: stopped by SIGTERM")
    assert when in err
    assert err.count("\n") == 1
    assert not (out / "result.json").exists()
    job.finish(out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_libraries_are_imported(tmp_path: Path, number: signal.Signals) -> None:
    words = ["train", "iris", "--out", str(tmp_path / "run")]
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "nnatomy.cli.app", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        for line in process.stderr:
            if line.endswith(" torch.version\n"):
                process.send_signal(number)
                break
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 128 + number
    assert said == [f"error: stopped by {signal_words(number)}; run the same command again\n"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_callback_of_the_import_system_is_not_lost(number: signal.Signals) -> None:
    from nnatomy.cli.app import _signals

    code = "def cb(number):\n    os.kill(os.getpid(), number)\n    return sum(range(100_000))"
    space: dict[str, Any] = {"os": os}
    exec(compile(code, "<frozen importlib._bootstrap>", "exec"), space)

    def interrupted(received: list[int]) -> None:
        assert space["cb"](number) > 0  # nothing is raised where it would be ignored
        assert received == []
        time.sleep(5)

    with _signals() as received:
        with pytest.raises(KeyboardInterrupt):
            interrupted(received)
        assert received == [number]


def test_files_that_may_not_grow(job: Job, tmp_path: Path) -> None:
    """As on a full disk: the limit strikes the checkpoints, then the table of metrics."""
    for limit, file in ((20_000, "ckpt"), (3_000, "")):
        out = tmp_path / str(limit)
        code, printed, err = job.start(out, limit=limit).end()
        assert (code, printed) == (1, "")
        assert err.startswith(f"error: cannot write {out / file}"), err
        assert "run the same command again" in err
        assert err.count("\n") == 1
        assert not list(out.rglob("*.tmp"))
        job.finish(out)


def test_a_folder_is_of_one_process(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = job.start(out)
    wait_until(lambda: epochs_done(out) >= 1)
    code, printed, err = job.start(out).end()
    assert (code, printed) == (1, "")
    assert err.startswith(f"error: {out} is in use by process {first.pid} on ")
    assert err.count("\n") == 1
    assert first.end().code == 0
    assert (out / "model.nnatomy").read_bytes() == job.model


def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    """The message stands on a line of its own, below the live line."""
    words = ["train", "digits", "--network", "mlp", "--epochs", "5000", "--patience", "none"]
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "nnatomy.cli.app", *words],
        stdout=end,
        stderr=end,
        cwd=tmp_path,
        env={**ENVIRONMENT, "TERM": "xterm"},
    ) as process:
        os.close(end)
        seen, pressed = b"", False
        with contextlib.suppress(OSError):  # the end of a terminal
            while True:
                seen += os.read(terminal, 4096)
                if not pressed and b"epoch 3/" in seen:
                    process.send_signal(signal.SIGINT)
                    pressed = True
    os.close(terminal)
    assert process.returncode == 130
    lines = seen.decode().splitlines()
    assert lines[-1].startswith("error: stopped by Ctrl-C; state saved at step ")
    assert "\x1b[2Kepoch 3/5000  loss " in seen.decode()
