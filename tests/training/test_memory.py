"""Freed memory stays with the process, once that is asked for."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

CHILD = """
import sys
import numpy as np
from nnatomy.training.memory import keep_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

kept = keep_freed_memory() if sys.argv[1] == "kept" else None
before = resident()
block = np.ones(64 * 2**20, np.uint8)
del block
print(kept, resident() - before)
"""


def after_freeing(way: str) -> tuple[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, way], check=True, capture_output=True, text=True
    )
    answer, megabytes = done.stdout.split()
    return answer, float(megabytes)


def test_a_freed_block_stays() -> None:
    assert after_freeing("default")[1] < 8
    answer, megabytes = after_freeing("kept")
    assert answer == "True"
    assert megabytes > 56


@pytest.mark.parametrize("command", ["train", "compare", "predict", "evaluate", "lecture"])
def test_commands_that_compute_ask_for_it_before_torch(command: str) -> None:
    module = importlib.import_module(f"nnatomy.cli.{command}")
    text = inspect.getsource(module)
    first = text.index("keep_freed_memory()")
    later = [text.find(line) for line in (" nnatomy.jobs", " nnatomy.lecture.catalog")]
    assert all(place == -1 or first < place for place in later)
