"""Real faults for the tests: processes that can be killed, system calls that fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE_CALLS = (
    "?open,?openat,?creat,?write,?pwrite64,?writev,?fsync,?fdatasync,?rename,?renameat,?renameat2,"
    "?mkdir,?mkdirat,?unlink,?unlinkat,?rmdir,?ftruncate,?truncate"
)
"""System calls that look up or change files; those that this machine does not have are left out."""

CRASHED = 70
"""Exit code of a job that ended by an exception that is not one of ours."""

_WORKER = Path(__file__).parent / "training" / "children" / "worker.py"


class Worker:
    """A process that forks one process a job (see children/worker.py)."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        environment["PYTHONPATH"] = str(Path(__file__).parent)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._read = 0
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            bufsize=0,
        )

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
        self._errors.close()

    def message(self) -> str:
        """What jobs have written on standard error since this was asked last."""
        # By position: the offset of the file itself is shared with the processes that write.
        new = os.pread(self._errors.fileno(), 1 << 20, self._read)
        self._read += len(new)
        return new.decode()

    def begin(self, **job: Any) -> int:
        """Fork a process for the job; it waits for `release`. Gives its id."""
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        return int(self._process.stdout.readline())

    def release(self) -> None:
        self._process.stdin.write(b"go\n")

    def end(self) -> int:
        """Wait for the job: its exit code, or minus the signal that killed it."""
        code = int(self._process.stdout.readline())
        assert code != CRASHED, self.message()
        return code

    def run(self, **job: Any) -> int:
        self.begin(**job)
        self.release()
        return self.end()

    def run_and_signal(self, number: int, after: float, ready: Path, **job: Any) -> int:
        """Send the job a signal so many seconds after it has made the file `ready`."""
        ready.unlink(missing_ok=True)
        pid = self.begin(ready=str(ready), **job)
        killer = threading.Thread(target=_signal, args=(pid, number, ready, after))
        killer.start()
        self.release()
        code = self.end()
        ready.touch()
        killer.join()
        return code

    def run_traced(self, log: Path, *inject: str, **job: Any) -> int:
        """Run the job under strace, with faults ("CALL:error=EIO:when=3") from its release on."""
        pid = self.begin(**job)
        command = [strace_path(), "-y", "-p", str(pid), "-o", str(log), "-e", f"trace={FILE_CALLS}"]
        for fault in inject:
            command += ["-e", f"inject={fault}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            self.release()
            code = self.end()
            tracer.communicate(timeout=30)
        return code


def strace_path() -> str:
    path = shutil.which("strace")
    assert path is not None, "these tests need strace: install the package 'strace' (apt, dnf)"
    return path


def calls_in(log: Path) -> list[str]:
    """The system calls of a strace log, one a line."""
    return [line for line in log.read_text().splitlines() if re.match(r"\w+\(", line)]


def unsynced(log: Path) -> list[str]:
    """What a power cut could spoil: names given before their content was on the disk.

    Every file created under a temporary name, and its folder, has to be fsynced before the rename
    to the final name; the parent of that name has to be fsynced before anything is removed.
    """
    created: set[str] = set()
    synced: set[str] = set()
    pending: set[str] = set()
    found = []
    for call in calls_in(log):
        name = call.partition("(")[0]
        if match := re.match(r'openat\([^,]+, "([^"]+)", \S*O_CREAT', call):
            created.add(match[1])
        elif match := re.match(r"fsync\(\d+<([^>]+)>\)\s+= 0", call):
            synced.add(match[1])
            pending.discard(match[1])
        elif name.startswith("rename") and call.endswith("= 0"):
            found += [f"{folder} not synced before {call}" for folder in pending]
            source, target = re.findall(r'"([^"]+)"', call)
            if not target.endswith(".tmp"):  # else it is the first step of a removal
                parts = {file for file in created if file.startswith(source)} | {source}
                found += [f"{part} not synced before {call}" for part in sorted(parts - synced)]
                pending.add(str(Path(target).parent))
        elif name in ("unlink", "unlinkat", "rmdir"):
            found += [f"{folder} not synced before {call}" for folder in pending]
    return found + [f"{folder} not synced at the end" for folder in pending]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def _signal(pid: int, number: int, ready: Path, after: float) -> None:
    wait_until(ready.exists)
    time.sleep(after)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
