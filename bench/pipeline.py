"""Is reading images the bottleneck? The time of an epoch's batches alone against training on them.

A folder of CIFAR-sized JPEG files, LeNet, batches of 64; kept in memory and read anew each epoch.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.prepared import Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.models import LeNet
from nnatomy.training import Settings, fit
from nnatomy.training.devices import seeded
from nnatomy.training.order import permutation

FILES, SIDE, BATCH, ROUNDS = 3000, 32, 64, 5


def make_files(root: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(FILES):
        folder = root / f"class{number % 10}"
        folder.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE)).save(folder / f"{number}.jpg", quality=90)


def batches_alone(prepared: Prepared) -> float:
    began = time.perf_counter()
    for batch in prepared.train.batches(permutation(len(prepared.train), 0, 0), BATCH):
        batch.inputs.sum()
    return time.perf_counter() - began


def training(prepared: Prepared) -> float:
    with seeded(0):
        network = LeNet((3, SIDE, SIDE), 10)
    began = time.perf_counter()
    fit(network, prepared.train, settings=Settings(epochs=1, batch_size=BATCH))
    return time.perf_counter() - began


def main() -> None:
    print("\nseconds an epoch, median; share: of the training time that reading alone would take")
    print(f"  {'way':12} {'records':>8} {'batches':>9} {'training':>9} {'share':>7}")
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder))
        for way, limit in (("in memory", 1 << 30), ("streaming", 0)):
            settings = ImageSettings(memory_limit=limit)
            plan = SplitPlan(valid=0.1, test=0.1)
            prepared = prepare_images(folder, plan=plan, settings=settings)
            training(prepared)
            pairs = [(batches_alone(prepared), training(prepared)) for _ in range(ROUNDS)]
            reading, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
            count = len(prepared.train)
            print(f"  {way:12} {count:8} {reading:9.3f} {whole:9.3f} {reading / whole:7.1%}")


if __name__ == "__main__":
    main()
