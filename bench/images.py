"""The five families on images: training and inference against eager PyTorch, and reading files.

`training`: one epoch by `fit` against the same network in a raw loop, channels first, with
torch.optim.Adam; 32×32 with the small stems, and ResNet-18 at 224×224. `inference`: outputs_of on
the copy that for_inference makes against the eager network. `commands`: both in processes of
their own, with the memory settings that each has by itself. `pipeline`: a folder of JPEG files of
mixed sizes, brought to 64×64 and to 224×224.

Run: python -m bench.images [training|inference|commands|pipeline [default|kept [cpu]]]
"cpu" counts the processor's seconds on one thread, which holds beside other work.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from bench.timing import Timing, compare, peak_memory_mb, print_table
from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.prepared import Prepared
from nnatomy.data.samples import TensorSamples
from nnatomy.data.split import SplitPlan
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.densenet import DenseNet
from nnatomy.models.googlenet import GoogLeNet
from nnatomy.models.resnet import resnet18
from nnatomy.models.vgg import vgg11_bn
from nnatomy.training import Settings, fit, outputs_of
from nnatomy.training.devices import seeded
from nnatomy.training.folding import for_inference
from nnatomy.training.memory import keep_freed_memory
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.order import permutation

TRAINING, INFERENCE = 0.85, 0.70
FILES, ROUNDS = 600, 3


@dataclass(frozen=True)
class Case:
    """One network, and the images it is measured on."""

    build: Callable[[], nn.Module]
    records: int
    batch: int
    side: int
    rounds: int
    training: float = TRAINING


CASES = {
    "AlexNet, width 32": Case(lambda: AlexNet(10, stem="small", width=32), 256, 64, 32, 7),
    "VGG-11 (bn), width 32": Case(lambda: vgg11_bn(10, stem="small", width=32), 256, 64, 32, 7),
    "GoogLeNet, width 16": Case(lambda: GoogLeNet(10, stem="small", width=16), 256, 64, 32, 7),
    "ResNet-18, width 32": Case(lambda: resnet18(10, stem="small", width=32), 256, 64, 32, 7),
    "DenseNet, 4 × 4 layers, k = 12": Case(
        lambda: DenseNet((4,) * 4, num_classes=10, stem="small", growth=12), 256, 64, 32, 7
    ),
    "ResNet-18 at 224 × 224": Case(lambda: resnet18(10), 16, 8, 224, 5, 1.0),
}


def data_of(case: Case) -> TensorSamples:
    torch.manual_seed(0)
    images = torch.randn(case.records, 3, case.side, case.side)
    return TensorSamples(images, torch.randint(0, 10, (case.records,)))


def measured(ways: dict[str, Callable[[], object]], rounds: int) -> list[Timing]:
    """By the wall's clock, or, asked for "cpu", by the processor's, on one thread in few rounds."""
    if sys.argv[-1] != "cpu":
        return compare(ways, rounds=rounds)
    return compare(ways, rounds=3, clock=time.process_time)


def raw_training(case: Case, samples: TensorSamples) -> None:
    torch.manual_seed(0)
    network, objective = case.build(), OBJECTIVES["cross_entropy"]
    optimizer = torch.optim.Adam(network.parameters())
    images, labels = samples.inputs, samples.targets
    order = torch.randperm(case.records)
    for start in range(0, case.records, case.batch):
        chosen = order[start : start + case.batch]
        optimizer.zero_grad()
        objective.cost(network(images[chosen]), labels[chosen], None)[0].backward()
        optimizer.step()


def our_training(case: Case, samples: TensorSamples) -> None:
    torch.manual_seed(0)
    fit(case.build(), samples, settings=Settings(epochs=1, batch_size=case.batch))


def training() -> None:
    for name, case in CASES.items():
        samples = data_of(case)
        ways = {
            "raw eager loop, channels first, Adam": lambda c=case, s=samples: raw_training(c, s),
            "nnatomy fit": lambda c=case, s=samples: our_training(c, s),
        }
        title = f"training, {name}: an epoch of {case.records} images, batch {case.batch}"
        timings = measured(ways, case.rounds)
        print_table(title, timings, {"nnatomy fit": case.training})


def as_trained(network: nn.Module) -> nn.Module:
    """Running averages as after training, not 0 and 1."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def inference() -> None:
    for name, case in CASES.items():
        samples = data_of(case)
        network = as_trained(case.build())
        fast = for_inference(network)

        @torch.no_grad()
        def eager(network=network, samples=samples, case=case) -> torch.Tensor:
            return torch.cat([network(part) for part in samples.inputs.split(case.batch)])

        def ours(fast=fast, samples=samples) -> torch.Tensor:
            return outputs_of(fast, samples)[0]

        outputs = eager()
        gap = ((outputs - ours()).abs().max() / outputs.abs().max()).item()
        title = (
            f"inference, {name}: {case.records} images (largest difference {gap:.0e} of the "
            "largest output)"
        )
        way = "nnatomy outputs_of(for_inference)"
        timings = measured({"eager, channels first": eager, way: ours}, 2 * case.rounds + 1)
        print_table(title, timings, {way: INFERENCE})


def of_commands() -> None:
    """What the commands gain beside a loop in an ordinary program.

    That does not ask the C library to keep freed memory. Each side has processes of its own, in
    turn.
    """
    for what, sides in SIDES.items():
        print(f"\n{what}, eager in a plain program and nnatomy's commands: seconds, ratio")
        for name, case in CASES.items():
            target = case.training if what == "training" else INFERENCE
            pairs = [[_alone(name, side) for side in sides] for _ in range(ROUNDS)]
            ratios = [ours / eager for eager, ours in pairs]
            ratio = statistics.median(ratios)
            eager, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"  {name:32} {eager:8.3f} {ours:8.3f} {ratio:6.2f} ({min(ratios):.2f}–"
                f"{max(ratios):.2f})  ≤ {target:g} {'met' if ratio <= target else 'MISSED'}",
                flush=True,
            )


def _alone(name: str, side: str) -> float:
    command = [sys.executable, "-m", "bench.images", side, name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def alone(side: str, name: str) -> None:
    """Print the median seconds of one side."""
    if side in ("ours", "fit"):
        keep_freed_memory()
    case = CASES[name]
    samples, network = data_of(case), as_trained(case.build())
    fast = for_inference(network)

    @torch.no_grad()
    def eager() -> torch.Tensor:
        return torch.cat([network(part) for part in samples.inputs.split(case.batch)])

    ways: dict[str, Callable[[], object]] = {
        "eager": eager,
        "ours": lambda: outputs_of(fast, samples)[0],
        "raw": lambda: raw_training(case, samples),
        "fit": lambda: our_training(case, samples),
    }
    (timing,) = compare({side: ways[side]}, rounds=case.rounds)
    print(timing.median)


def make_files(root: Path) -> None:
    """JPEG files of smoothed noise of sizes as cameras and the web have them, in ten folders."""
    rng = np.random.default_rng(0)
    sizes = ((224, 224), (320, 240), (240, 320), (500, 375), (640, 427), (128, 128))
    for number in range(FILES):
        folder = root / f"class{number % 10}"
        folder.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        coarse.resize(sizes[number % len(sizes)]).save(folder / f"{number}.jpg", quality=90)


def seconds_of_batches(prepared: Prepared, epoch: int, batch: int) -> float:
    began = time.perf_counter()
    for part in prepared.train.batches(permutation(len(prepared.train), 0, epoch), batch):
        part.inputs.sum()
    return time.perf_counter() - began


def pipeline() -> None:
    print(f"\n{FILES} JPEG files of mixed sizes, images a second")
    print(
        f"  {'side':>5} {'kept':>10} {'threads':>8} {'prepared':>9} {'batches':>9} {'trained':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder))
        for side, batch in ((64, 64), (224, 8)):
            for kept, limit in (("in memory", 1 << 30), ("streaming", 0)):
                for workers in (1, 2):
                    settings = ImageSettings(size=side, memory_limit=limit, workers=workers)
                    began = time.perf_counter()
                    prepared = prepare_images(
                        folder, plan=SplitPlan(valid=0.1, test=0.1), settings=settings
                    )
                    preparing = FILES / (time.perf_counter() - began)
                    count = len(prepared.train)
                    passes = [seconds_of_batches(prepared, e, batch) for e in range(ROUNDS)]
                    trained = _trained(prepared, side, batch) if workers == 2 else float("nan")
                    print(
                        f"  {side:5} {kept:>10} {workers:8} {preparing:9.0f} "
                        f"{count / statistics.median(passes):9.0f} {trained:9.1f}"
                    )


def _trained(prepared: Prepared, side: int, batch: int) -> float:
    """Images a second of an epoch of ResNet-18: of width 16 at 64×64, the published one at 224."""
    with seeded(0):
        network = resnet18(10, stem="small", width=16) if side == 64 else resnet18(10)
    began = time.perf_counter()
    fit(network, prepared.train, settings=Settings(epochs=1, batch_size=batch))
    return len(prepared.train) / (time.perf_counter() - began)


SIDES = {"training": ("raw", "fit"), "inference": ("eager", "ours")}
PARTS = {
    "training": training,
    "inference": inference,
    "commands": of_commands,
    "pipeline": pipeline,
}


def main() -> None:
    """Each part in a process of its own: what ran before changes what the C library gives back."""
    if len(sys.argv) == 3 and sys.argv[1] in chain(*SIDES.values()):
        alone(*sys.argv[1:])
        return
    if len(sys.argv) < 3:
        for part in sys.argv[1:] or PARTS:
            if part == "commands":
                of_commands()
                continue
            for memory in ("default", "kept"):
                print(f"\n-- {part}, freed memory: {memory}", flush=True)
                subprocess.run([sys.executable, "-m", "bench.images", part, memory], check=True)
        return
    part, memory = sys.argv[1:3]
    if sys.argv[-1] == "cpu":
        torch.set_num_threads(1)
    if memory == "kept":
        keep_freed_memory()
    PARTS[part]()
    print(f"  peak memory {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
