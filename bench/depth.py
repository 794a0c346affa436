"""Does depth hurt? Plain and residual networks on small photographs, and dense ones beside them.

Networks of 6 n + 2 layers, 8, 16 and 32 maps wide (He et al. 2016, 4.2), with and without
shortcuts, on a folder of class folders; and DenseNets of three blocks. All learn by momentum at
the same one-cycle schedule.

Run: python -m bench.depth FOLDER [epochs] [starts] [processes]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from bench.processes import side_by_side
from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.prepared import Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.models.densenet import DenseNet
from nnatomy.models.resnet import BasicBlock, ResNet
from nnatomy.models.summary import count_parameters
from nnatomy.training import Settings, fit
from nnatomy.training.memory import keep_freed_memory

SIDE, WIDTH = 32, 8


def networks(classes: int) -> dict[str, Callable[[], nn.Module]]:
    """Networks by name."""
    made: dict[str, Callable[[], nn.Module]] = {}
    for depth in (8, 20, 44):
        blocks = ((depth - 2) // 6,) * 3
        for name, skip in (("plain", False), ("residual", True)):
            made[f"{name}, {depth} layers"] = partial(
                ResNet,
                BasicBlock,
                blocks,
                num_classes=classes,
                stem="small",
                width=WIDTH,
                skip=skip,
            )
    for depth, growth in ((3, 8), (6, 8)):
        made[f"dense, {6 * depth + 4} layers, k = {growth}"] = partial(
            DenseNet, (depth,) * 3, num_classes=classes, stem="small", growth=growth
        )
    return made


def main() -> None:
    folder = sys.argv[1]
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    starts = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    processes = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    plan = SplitPlan(valid=0.0, test=0.2)  # nothing is chosen by the images held out
    prepared = prepare_images(folder, plan=plan, settings=ImageSettings(size=SIDE))
    classes = int(prepared.train.targets.max()) + 1
    print(f"{len(prepared.train)} images to learn from, {len(prepared.test)} held out")
    print(f"  {'':28} {'parameters':>10} {'loss':>18} {'accuracy':>20} {'seconds':>8}")
    made = networks(classes)
    asked = [(build, seed) for build in made.values() for seed in range(starts)]
    results = side_by_side(partial(learned, prepared, epochs), asked, processes)
    for name, build in made.items():
        losses, scores, seconds = zip(*(next(results) for _ in range(starts)), strict=True)
        print(
            f"  {name:28} {count_parameters(build()):10,} {_spread(losses):>18} "
            f"{_spread(scores):>20} {statistics.mean(seconds):8.0f}",
            flush=True,
        )


def learned(
    prepared: Prepared, epochs: int, asked: tuple[Callable[[], nn.Module], int]
) -> tuple[float, float, float]:
    """Last training loss, accuracy on the images held out, and seconds."""
    build, seed = asked
    began = time.perf_counter()
    torch.manual_seed(seed)
    settings = Settings(
        epochs=epochs,
        batch_size=64,
        optimizer="momentum",
        lr=0.1,
        schedule="one_cycle",
        seed=seed,
    )
    last = fit(build(), prepared.train, prepared.test, settings=settings).history[-1]
    return last["loss"], last["valid_score"], time.perf_counter() - began


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


if __name__ == "__main__":
    keep_freed_memory()
    main()
