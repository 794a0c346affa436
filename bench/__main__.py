"""Run every benchmark in a process of its own: python -m bench [name ...]."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "startup",
    "threads",
    "engine",
    "dense",
    "online",
    "stacked",
    "convolution",
    "augmentation",
    "images",
    "memory",
    "images_memory",
    "pipeline",
    "quality",
    "probes",
    "explain",
    "clinic",
)


def main() -> None:
    names = sys.argv[1:] or NAMES
    for name in names:
        print(f"\n==== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
