"""Freed memory stays with the process, once that is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from nnatomy.errors import NnatomyError
from nnatomy.training import memory

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


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_commands_ask_for_it_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: asked.append(name))
    command = importlib.import_module(f"nnatomy.cli.{name}").command
    with pytest.raises(NnatomyError):
        command(Path("no such model"), "no such source")
    assert asked == [name]
