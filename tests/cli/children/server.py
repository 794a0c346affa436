"""Forks a process for each command line it is sent, with the slow imports already done.

A line on standard input is a JSON object: either {"argv", "stdout", "stderr"} with optional
"limit" (largest file in bytes) and "every" (seconds between checkpoints), answered by the process
id; or {"wait": pid}, answered by the exit status.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback

import sklearn.ensemble
import sklearn.linear_model  # noqa: F401

import nnatomy.report.terminal  # noqa: F401
from nnatomy.cli.app import main
from nnatomy.jobs import train


def run(job: dict) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if "limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    train._CHECKPOINT_SECONDS = job.get("every", 30.0)
    sys.argv = ["nnatomy", *job["argv"]]
    main()


def serve() -> None:
    while line := os.read(0, 65536):
        job = json.loads(line)
        if "wait" in job:
            _, status = os.waitpid(job["wait"], 0)
            os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid:
            os.write(1, b"%d\n" % pid)
            continue
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 70
        try:
            run(job)
        except SystemExit as end:
            code = end.code
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    serve()
