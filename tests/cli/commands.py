"""Running the command: in this process, and in processes that can be signalled and killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

_SERVER = Path(__file__).parent / "children" / "server.py"

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


class Outcome(NamedTuple):
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


class Started:
    """A command that runs in a process of its own."""

    def __init__(self, server: Server, pid: int, folder: Path) -> None:
        self.server, self.pid, self.folder = server, pid, folder

    def send(self, number: int) -> None:
        os.kill(self.pid, number)  # a process that has ended stays until it is waited for

    def end(self) -> Outcome:
        code = int(self.server.ask({"wait": self.pid}))
        texts = [(self.folder / f"{name}").read_text() for name in ("out", "err")]
        return Outcome(code, *texts)


class Server:
    """A process that forks one process a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            bufsize=0,
        )

    def ask(self, job: dict[str, Any]) -> str:
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        return self._process.stdout.readline().decode()

    def start(self, *argv: object, **options: Any) -> Started:
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        job = {"argv": [str(word) for word in argv], **options}
        pid = self.ask({**job, "stdout": str(folder / "out"), "stderr": str(folder / "err")})
        return Started(self, int(pid), folder)

    def run(self, *argv: object, **options: Any) -> Outcome:
        return self.start(*argv, **options).end()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def subprocess_run(*argv: object, **environment: str) -> Outcome:
    """The command as it is installed, from the first import on."""
    ended = subprocess.run(
        [sys.executable, "-m", "nnatomy.cli.app", *map(str, argv)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **environment},
        check=False,
    )
    return Outcome(ended.returncode, ended.stdout, ended.stderr)
