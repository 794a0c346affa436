"""Transfer on real photographs: seven classes first, then three others with few images.

    python -m bench.transfer --data cifar10

FOLDER has train/ and test/ with ten class folders of 32×32 images. For each seed three classes are
drawn. A small ResNet learns the other seven; then networks learn the three with 20, 50 and 200
images a class: one from scratch, one with the features taken over and frozen, one with all of it
trained further, the head first and earlier parts at lower rates. All of a size see the same images
for as many epochs at the same highest rate, which is the catalog's for ResNets; nothing was tuned.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from bench.processes import side_by_side
from nnatomy.data.samples import TensorSamples
from nnatomy.models.resnet import BasicBlock, ResNet
from nnatomy.training import Settings, fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.memory import keep_freed_memory

SIZES = {20: 40, 50: 30, 200: 15}
"""Images a class, and epochs."""
WAYS = ("from scratch", "features frozen", "fine-tuned")
NEW, WARM_UP, EARLIER_RATE = 3, 5, 1 / 2.6
PRETRAINING = Settings(epochs=6, lr=0.003, schedule="one_cycle")
LR, BATCH = 0.003, 16


@dataclass(frozen=True)
class Photographs:
    """Pixels (N, 3, 32, 32) from 0 to 1 and class numbers (N,) of both parts."""

    train: tuple[NDArray[np.float32], NDArray[np.int64]]
    test: tuple[NDArray[np.float32], NDArray[np.int64]]
    classes: list[str]


def read(folder: Path) -> Photographs:
    classes = sorted(path.name for path in (folder / "train").iterdir())

    def part(name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        pixels, labels = [], []
        for number, label in enumerate(classes):
            for path in sorted((folder / name / label).iterdir()):
                pixels.append(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255)
                labels.append(number)
        return np.stack(pixels).transpose(0, 3, 1, 2), np.array(labels)

    return Photographs(part("train"), part("test"), classes)


def samples(
    part: tuple[NDArray[np.float32], NDArray[np.int64]],
    chosen: NDArray[np.int64],
    moments: tuple[NDArray[np.float32], NDArray[np.float32]],
    most: int | None = None,
    seed: int = 0,
) -> TensorSamples:
    """Images of the chosen classes, normalized; `most` of each class at random."""
    pixels, labels = part
    rows = []
    for label in chosen:
        own = np.flatnonzero(labels == label)
        rows.append(np.random.default_rng((seed, label)).permutation(own)[:most])
    order = np.concatenate(rows)
    mean, std = moments
    inputs = torch.from_numpy((pixels[order] - mean) / std)
    targets = torch.from_numpy(np.searchsorted(np.sort(chosen), labels[order]))
    return TensorSamples(inputs, targets)


def build(outputs: int, seed: int) -> ResNet:
    torch.manual_seed(seed)
    return ResNet(BasicBlock, (1, 1, 1), num_classes=outputs, stem="small", width=16)


def accuracy(network: torch.nn.Module, test: TensorSamples) -> float:
    outputs, targets = outputs_of(network, test)
    return (outputs.argmax(1) == targets).double().mean().item()


def transfer(photographs: Photographs, seed: int) -> dict[str, dict[int, float]]:
    """Test accuracy on the three classes by way and size."""
    order = np.random.default_rng(seed).permutation(len(photographs.classes))
    new, old = np.sort(order[:NEW]), np.sort(order[NEW:])
    pixels = photographs.train[0][np.isin(photographs.train[1], old)]
    moments = (
        pixels.mean((0, 2, 3), keepdims=True)[0].astype(np.float32),
        pixels.std((0, 2, 3), keepdims=True)[0].astype(np.float32),
    )
    began = time.perf_counter()
    first = build(len(old), seed)
    fit(first, samples(photographs.train, old, moments), settings=PRETRAINING)
    reached = accuracy(first, samples(photographs.test, old, moments))
    names = ", ".join(photographs.classes[i] for i in new)
    print(
        f"seed {seed}: new {names}; accuracy on the seven others {reached:.3f} "
        f"after {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    test = samples(photographs.test, new, moments)
    scores: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    for size, epochs in SIZES.items():
        train = samples(photographs.train, new, moments, size, seed)
        usual = Settings(epochs=epochs, lr=LR, schedule="one_cycle", batch_size=BATCH, seed=seed)
        own = {
            WAYS[0]: {},
            WAYS[1]: {"freeze": ("features",)},
            WAYS[2]: {"warm_up": WARM_UP, "earlier_rate": EARLIER_RATE},
        }
        for way in WAYS:
            network = build(NEW, seed + 1000)
            if way != WAYS[0]:
                network.features.load_state_dict(first.features.state_dict())
            fit(network, train, settings=Settings(**{**vars(usual), **own[way]}))
            scores[way][size] = accuracy(network, test)
    for way in WAYS:
        print(f"    {way:16} " + "  ".join(f"{s}: {v:.3f}" for s, v in scores[way].items()))
    return scores


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of Student's 95 % interval over seeds."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def print_results(runs: list[dict[str, dict[int, float]]]) -> None:
    print(f"\nTest accuracy on {NEW} new classes, mean over {len(runs)} seeds, ± 95 % interval")
    print("| images a class | " + " | ".join(WAYS) + " | frozen - scratch | fine-tuned - scratch |")
    print("|---|" + "---|" * (len(WAYS) + 2))
    for size in SIZES:
        cells = [interval([run[way][size] for run in runs]) for way in WAYS]
        for way in WAYS[1:]:  # paired: the same seed, classes and images
            cells.append(interval([run[way][size] - run[WAYS[0]][size] for run in runs]))
        words = [f"{mean:.3f} ± {half:.3f}" for mean, half in cells[:3]]
        words += [f"{mean:+.3f} ± {half:.3f}" for mean, half in cells[3:]]
        print(f"| {size} | " + " | ".join(words) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Transfer to new classes of photographs.")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1, help="seeds at the same time")
    parser.add_argument("--json", type=Path, help="also write the scores here")
    given = parser.parse_args()
    keep_freed_memory()
    began = time.perf_counter()
    photographs = read(given.data)
    runs = [*side_by_side(partial(transfer, photographs), range(given.seeds), given.processes)]
    print_results(runs)
    print(f"{time.perf_counter() - began:.0f} s")
    if given.json:
        given.json.write_text(json.dumps(runs))


if __name__ == "__main__":
    main()
