"""Memory and speed of image sets that are kept in memory against those that are streamed.

Each way is measured in a process of its own: peak resident memory of preparing 20,000 small JPEG
files and taking one shuffled pass over the training set.

Run: python bench/images_memory.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

FILES = 20_000
SIDE = 64
BATCH = 64
DECODED = 4_000


def make_files(root: Path) -> None:
    """JPEG files of smoothed noise, all different, in two class folders."""

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        image.save(root / "ab"[number % 2] / f"{number}.jpg", quality=85)

    for name in "ab":
        (root / name).mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(FILES)))


def measure_pass(root: Path, way: str) -> None:
    """Prepare and pass once over the training set; prints MB before, MB at most, seconds."""
    import torch

    from nnatomy.data.images import ImageSettings, prepare_images

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    limit = 0 if way == "streaming" else 1 << 40
    start = time.perf_counter()
    prepared = prepare_images(root, settings=ImageSettings(memory_limit=limit, workers=2))
    ready = time.perf_counter()
    order = torch.randperm(len(prepared.train), generator=torch.Generator().manual_seed(0))
    seen = sum(len(batch.targets) for batch in prepared.train.batches(order, BATCH))
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(before, peak, FILES / (ready - start), seen / (end - ready))


def measure_decoding(root: Path, workers: int) -> float:
    """Images a second that are unpacked by the given number of threads."""
    from nnatomy.data.image_decode import Framing
    from nnatomy.data.image_load import load_files

    paths = sorted((root / "a").iterdir())[:DECODED]
    start = time.perf_counter()
    load_files(paths, Framing((SIDE, SIDE), 3), fitted=0, keep=True, workers=workers)
    return len(paths) / (time.perf_counter() - start)


def main() -> None:
    """Make the files, measure each way in a child process, print a table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_files(root)
        print(f"{FILES} JPEG files of {SIDE} x {SIDE}, {FILES * SIDE * SIDE * 3 >> 20} MB unpacked")
        print(f"{'way':12}{'start MB':>10}{'peak MB':>10}{'prepare/s':>12}{'pass/s':>12}")
        for way in ("streaming", "in memory"):
            command = [sys.executable, __file__, folder, way]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            before, peak, prepare, epoch = (float(value) for value in done.stdout.split())
            print(f"{way:12}{before:10.0f}{peak:10.0f}{prepare:12.0f}{epoch:12.0f}")
        for workers in (1, 2):
            print(f"decoding, {workers} threads: {measure_decoding(root, workers):.0f} images/s")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure_pass(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
