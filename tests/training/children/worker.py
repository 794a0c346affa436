"""Runs jobs in forked processes of their own, so that each can be killed or starved.

Importing torch takes a second; a fork takes a few milliseconds. For every JSON line on standard
input one process is forked. It answers with its id, waits for a further line (so that a tracer
can be attached), does the job and exits. Its exit status is answered in a line of its own.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch

from nnatomy.errors import InterruptedRunError, NnatomyError
from nnatomy.training import checkpoint
from nnatomy.training.atomic import MANIFEST, _manifest, commit_folder, discard, write_json
from nnatomy.training.checkpointing import Checkpointer, resume
from nnatomy.training.fit import fit
from nnatomy.training.model_file import read_model, write_model
from nnatomy.training.observers import Observer
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.signals import catch_signals
from nnatomy.training.state import State
from nnatomy.training.tensor_file import encode_tensors
from small_run import SETTINGS, data_of, network_of, state_of

REFUSED = 3


def files_of(state: State) -> dict[str, bytes]:
    return {
        checkpoint.TENSORS: encode_tensors(state.tensors),
        checkpoint.VALUES: checkpoint.to_json(state.values),
    }


# Ways to save: the real one, and mutants that the tests must catch.


def save_real(folder: Path, step: int) -> None:
    checkpoint.save(folder, step, state_of(step), keep=1)


def save_in_place(folder: Path, step: int) -> None:
    """No temporary folder: a half-written checkpoint has its final name."""
    target = folder / f"{step:010d}"
    target.mkdir()
    files = files_of(state_of(step))
    for name, data in files.items():
        (target / name).write_bytes(data)
    (target / MANIFEST).write_bytes(_manifest(files))


def save_manifest_first(folder: Path, step: int) -> None:
    """The manifest vouches for files that are not there yet."""
    target = folder / f"{step:010d}"
    target.mkdir()
    files = files_of(state_of(step))
    (target / MANIFEST).write_bytes(_manifest(files))
    for name, data in files.items():
        (target / name).write_bytes(data)


def save_after_removing(folder: Path, step: int) -> None:
    """The old checkpoints go before the new one is there."""
    for old in folder.iterdir():
        discard(old)
    commit_folder(folder, f"{step:010d}", files_of(state_of(step)))


def save_without_sync(folder: Path, step: int) -> None:
    """Renamed before the content is on the disk: whole after a kill, not after a power cut."""
    target = folder / f"{step:010d}"
    temporary = folder / ".unsynced.tmp"
    temporary.mkdir()
    files = files_of(state_of(step))
    for name, data in files.items():
        (temporary / name).write_bytes(data)
    (temporary / MANIFEST).write_bytes(_manifest(files))
    temporary.rename(target)


SAVES = {
    function.__name__: function
    for function in (
        save_real,
        save_in_place,
        save_manifest_first,
        save_after_removing,
        save_without_sync,
    )
}


def save_job(job: dict) -> int:
    limit = job.get("limit", resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        SAVES[job["save"]](Path(job["folder"]), job["step"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    return 0


def race_job(job: dict) -> int:
    """Many processes open one folder at the same moment; each notes what became of it."""
    barrier, gate = os.pipe()
    for _ in range(job["racers"]):
        if os.fork() == 0:
            os.close(gate)
            os.read(barrier, 1)  # ends for all at once, when the gate is closed
            hold(job)
            os._exit(0)
    os.close(gate)
    for _ in range(job["racers"] - 1):  # all but the winner end
        os.wait()
    return 0


def hold(job: dict) -> None:
    """Open the folder, note "won" or why not, and keep it."""
    notes = os.open(job["notes"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        with RunFolder.open(job["folder"], {"lr": 0.1}):
            os.write(notes, b"%d won\n" % os.getpid())
            time.sleep(60)
    except NnatomyError as error:
        os.write(notes, f"{os.getpid()} {error}\n".encode())


def overwrite_job(job: dict) -> int:
    RunFolder.open(job["folder"], {"lr": 0.2}, overwrite=True).close()
    return 0


def model_job(job: dict) -> int:
    write_model(Path(job["path"]), state_of(2).tensors, {"step": 2})
    return 0


def unprivileged_job(job: dict) -> int:
    """Open a folder as a user who may not write to it."""
    if os.geteuid() == 0:
        os.setuid(65534)
    with RunFolder.open(job["folder"], {"lr": 0.1}):
        return 0


class Slow(Observer):
    """Makes room between the steps for a signal to arrive."""

    def on_step(self, session) -> None:
        time.sleep(0.004)


def train_job(job: dict) -> int:
    with catch_signals() as stop, RunFolder.open(job["folder"], {"lr": 0.01}) as run:
        Path(job["ready"]).touch()
        if run.finished:
            return 0
        network = network_of(0)
        session = fit(
            network,
            data_of(36, 1),
            data_of(20, 2),
            settings=SETTINGS,
            observers=[Slow(), Checkpointer(run, every_steps=job["every"], stop=stop)],
            state=resume(run),
            stop=stop,
        )
        write_model(run.model, network.state_dict(), {"stopped": session.stopped})
        write_json(run.result, {"steps": session.step})
    return 0


def read_job(job: dict) -> int:
    """Read a model file while every opening, import and execution is noted."""
    read_model(Path(job["warm"]))
    seen: list[str] = []
    watched = ("open", "import", "exec", "compile", "socket", "subprocess", "os", "ctypes")

    def note(event: str, arguments: tuple) -> None:
        if event.split(".")[0] in watched:
            seen.append(f"{event} {arguments[0]}" if event in ("open", "import") else event)

    sys.addaudithook(note)
    read_model(Path(job["path"]))
    noted = list(seen)
    Path(job["events"]).write_text(json.dumps(noted))
    return 0


JOBS = {
    "save": save_job,
    "race": race_job,
    "overwrite": overwrite_job,
    "model": model_job,
    "unprivileged": unprivileged_job,
    "train": train_job,
    "read": read_job,
}


def run(job: dict) -> int:
    try:
        return JOBS[job["job"]](job)
    except InterruptedRunError as error:
        return 128 + error.signal_number
    except NnatomyError as error:
        with contextlib.suppress(OSError):  # where every write is made to fail
            os.write(2, f"{error}\n".encode())
        return REFUSED


def serve() -> None:
    torch.set_num_threads(1)
    # Once here, so that what libraries look up on first use does not count among a job's calls.
    with tempfile.TemporaryDirectory() as folder:
        for step in (1, 2):
            save_real(Path(folder), step)
        overwrite_job({"folder": f"{folder}/run"})
        model_job({"path": f"{folder}/model"})
    while line := os.read(0, 65536):
        pid = os.fork()
        if pid == 0:
            # Where tracing is restricted to children, allow any tracer (PR_SET_PTRACER).
            ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))
            # A signal that comes after the job has let go of its handlers finds it done.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            code = 70
            try:
                os.write(1, b"%d\n" % os.getpid())
                os.read(0, 65536)
                code = run(json.loads(line))
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve()
