"""Whole processes: how long the command and the import take, beside importing torch."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7

_FIRST_EPOCH = """
import sys, time
began = time.perf_counter()
import torch
imported = time.perf_counter()
from nnatomy.jobs.config import TrainConfig
from nnatomy.jobs.train import run_training
from nnatomy.training.observers import Observer
class First(Observer):
    def on_epoch(self, session, row):
        if row["epoch"] == 1:
            print(imported - began, time.perf_counter() - imported, flush=True)
job = TrainConfig(source="digits", settings={"epochs": 1})
run_training(job, out=sys.argv[1], observers=[First()])
"""


def seconds(*command: str) -> float:
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    python = sys.executable
    command = str(Path(python).with_name("nnatomy"))
    rows = [
        ("nnatomy --help", seconds(command, "--help"), 0.5),
        ("nnatomy train --help", seconds(command, "train", "--help"), 0.5),
        ("python -c 'pass'", seconds(python, "-c", "pass"), None),
        ("import nnatomy", seconds(python, "-c", "import nnatomy"), None),
        ("import torch", seconds(python, "-c", "import torch"), None),
    ]
    print("\nstart-up, median of whole processes")
    for name, value, target in rows:
        verdict = (
            "" if target is None else f"  < {target:g} {'met' if value < target else 'MISSED'}"
        )
        print(f"  {name:36} {value:7.3f} s{verdict}")
    own = rows[3][1] - rows[2][1]
    print(f"  {'import nnatomy, without Python':36} {own:7.3f} s  < 0.1 {_met(own < 0.1)}")
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            out = str(Path(folder) / str(number))
            done = subprocess.run(
                [python, "-c", _FIRST_EPOCH, out], check=True, capture_output=True, text=True
            )
            pairs.append([float(word) for word in done.stdout.split()])
    torch_import, first = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"  {'import torch, inside':36} {torch_import:7.3f} s")
    print(f"  {'then to the end of the first epoch':36} {first:7.3f} s  < 1 {_met(first < 1)}")
    print(json.dumps({"help": rows[0][1], "import": own, "first_epoch": first}))


def _met(good: bool) -> str:
    return "met" if good else "MISSED"


if __name__ == "__main__":
    main()
