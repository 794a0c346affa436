"""Augmentation: images a second beside three libraries, and what it adds to a ResNet's epoch.

Kornia and Albumentations take part where they are installed. torchvision imports beside the PyTorch
that it was built for only: NNATOMY_TORCHVISION names the Python of an environment that has it, and
its rounds then run in that interpreter, between ours. On a busy machine

    OMP_NUM_THREADS=1 python -m bench.augmentation 7 cpu

counts the processor time of this process instead of the wall clock, without torchvision.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from bench.residual import SmallResNet
from bench.timing import compare, print_table
from nnatomy.data.augmentation import (
    PRESETS,
    Augmentation,
    AugmentedSamples,
    PixelScale,
    augment_images,
)
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.samples import TensorSamples
from nnatomy.training import Settings, fit

COUNT, BATCH, SIDE = 256, 64, 64
WORK = Augmentation(flip=0.5, rotate=15, scale=0.2, crop=0.3, shift=0.125, noise=0.1)
TARGETS = {"torchvision": 9.0, "kornia": 3.0}
OURS = "nnatomy"


def ours(images: torch.Tensor) -> Callable[[], object]:
    def run() -> None:
        for start in range(0, COUNT, BATCH):
            records = np.arange(start, start + BATCH)
            augment_images(images[start : start + BATCH], WORK, records)

    return run


def kornia(images: torch.Tensor) -> Callable[[], object]:
    from kornia import augmentation as k

    way = torch.nn.Sequential(
        k.RandomHorizontalFlip(p=0.5),
        k.RandomResizedCrop((SIDE, SIDE), scale=(0.5, 1.0), ratio=(1.0, 1.0), p=1.0),
        k.RandomAffine(15.0, translate=(0.125, 0.125), scale=(0.83, 1.2), p=1.0),
        k.RandomGaussianNoise(std=0.1, p=1.0),
    )
    return lambda: [way(part) for part in images.split(BATCH)]


def albumentations(images: torch.Tensor) -> Callable[[], object]:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as a

    way = a.Compose(
        [
            a.HorizontalFlip(p=0.5),
            a.RandomResizedCrop((SIDE, SIDE), scale=(0.5, 1.0), ratio=(1.0, 1.0), p=1.0),
            a.Affine(scale=(0.83, 1.2), translate_percent=(-0.125, 0.125), rotate=(-15, 15), p=1.0),
            a.GaussNoise(std_range=(0.1, 0.1), p=1.0),
        ]
    )
    pixels = list(images.permute(0, 2, 3, 1).sigmoid().numpy())
    return lambda: [way(image=image)["image"] for image in pixels]


TORCHVISION = f"""
import sys, time, warnings
warnings.simplefilter("ignore")
import torch, torchvision
from torchvision.transforms import v2, InterpolationMode
torch.set_num_threads(int(sys.argv[1]))
images = torch.randn({COUNT}, 3, {SIDE}, {SIDE})
way = v2.Compose([
    v2.RandomHorizontalFlip(0.5),
    v2.RandomResizedCrop(({SIDE}, {SIDE}), (0.5, 1.0), (1.0, 1.0), antialias=False),
    v2.RandomAffine(15, (0.125, 0.125), (0.83, 1.2), interpolation=InterpolationMode.BILINEAR),
    v2.GaussianNoise(sigma=0.1, clip=False),
])
print(torch.__version__, torchvision.__version__, flush=True)
for line in sys.stdin:
    for image in images:
        way(image)
    print("done", flush=True)
"""


class Torchvision:
    """torchvision in an interpreter of its own, told when to do a round."""

    def __init__(self, python: str) -> None:
        command = [python, "-c", TORCHVISION, str(torch.get_num_threads())]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean
        )
        self.versions = self._line()

    def __enter__(self) -> Torchvision:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.child.communicate()

    def __call__(self) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        self._line()

    def _line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()


def libraries(rounds: int, clock: Callable[[], float]) -> None:
    images = torch.randn(COUNT, 3, SIDE, SIDE)
    ways: dict[str, Callable[[], object]] = {OURS: ours(images)}
    for way in (kornia, albumentations):
        if find_spec(way.__name__) is None:
            print(f"  {way.__name__} is not installed and left out")
        else:
            ways[way.__name__] = way(images)
    python = os.environ.get("NNATOMY_TORCHVISION", "")
    if clock is time.process_time or not Path(python).is_file():
        print("  torchvision is left out: NNATOMY_TORCHVISION names its Python, on the wall clock")
        _print_rates(ways, rounds, clock)
        return
    with Torchvision(python) as torchvision:
        print(
            f"  torchvision in an interpreter of its own: torch, torchvision {torchvision.versions}"
        )
        _print_rates({**ways, "torchvision": torchvision}, rounds, clock)


def _print_rates(
    ways: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> None:
    print(f"\n{COUNT} images of 3×{SIDE}×{SIDE}: flip, rotate, scale, crop, translate, noise")
    print(f"  {'':16} {'images/s':>9} {'ours is × it':>13} {'min':>7} {'max':>7}  target")
    for timing in compare(ways, rounds=rounds, clock=clock):
        target, verdict = TARGETS.get(timing.name), ""
        if target is not None:
            verdict = f"≥ {target:g} {'met' if timing.ratio >= target else 'MISSED'}"
        low, high = min(timing.ratios), max(timing.ratios)
        print(
            f"  {timing.name:16} {COUNT / timing.median:9.0f} {timing.ratio:13.2f} {low:7.2f} "
            f"{high:7.2f}  {verdict}"
        )


def epochs(rounds: int, clock: Callable[[], float]) -> None:
    pixels = torch.randint(0, 256, (COUNT, 32, 32, 3), dtype=torch.uint8)
    labels = torch.randint(0, 10, (COUNT,))
    normalizer = Normalizer((0.5,) * 3, (0.25,) * 3)
    plain = TensorSamples(pixels, labels, transform=normalizer)
    scale = PixelScale.of(normalizer, floats=False)

    def epoch(samples: TensorSamples | AugmentedSamples) -> Callable[[], object]:
        def run() -> None:
            torch.manual_seed(0)
            fit(SmallResNet(), samples, settings=Settings(epochs=1, batch_size=BATCH))

        return run

    ways = {"unaugmented": epoch(plain)}
    ways |= {
        name: epoch(AugmentedSamples(plain, PRESETS[name], scale))
        for name in ("standard", "strong")
    }
    title = f"training epoch of {COUNT} images of 32×32, ResNet of width 32, batch {BATCH}"
    print_table(title, compare(ways, rounds=rounds, clock=clock), {"standard": 1.1, "strong": 1.1})


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    clock = time.process_time if sys.argv[2:] == ["cpu"] else time.perf_counter
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    torch.manual_seed(0)
    libraries(rounds, clock)
    epochs(max(3, rounds // 2), clock)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
