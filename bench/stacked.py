"""Networks stacked into one vectorized program against one after the other.

The limit in nnatomy/training/stacked.py is taken from the ratios printed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.models import MLP, LeNet
from nnatomy.training import Settings
from nnatomy.training.many import fit_many

STEPS = 30


def dense(width: int, inputs: int) -> Callable[[], nn.Module]:
    return lambda: MLP(inputs, 10, hidden=(width, width), batch_norm=True)


CASES: tuple[tuple[str, Callable[[], nn.Module], tuple[int, ...], int], ...] = (
    ("MLP 20-16-16-10, normalized", dense(16, 20), (20,), 32),
    ("MLP 64-64-64-10, normalized", dense(64, 64), (64,), 64),
    ("MLP 64-256-256-10, normalized", dense(256, 64), (64,), 64),
    ("MLP 64-256-256-10, normalized", dense(256, 64), (64,), 256),
    ("MLP 784-512-512-10, normalized", dense(512, 784), (784,), 128),
    ("LeNet 8 × 8", lambda: LeNet((1, 8, 8), 10, dropout=0.0), (1, 8, 8), 64),
    ("LeNet 28 × 28", lambda: LeNet((1, 28, 28), 10, dropout=0.0), (1, 28, 28), 64),
)


def seconds(
    build: Callable[[], nn.Module], shape: tuple[int, ...], batch: int, count: int, engine: str
) -> float:
    torch.manual_seed(0)
    samples = TensorSamples(
        torch.randn(batch * STEPS, *shape), torch.randint(0, 10, (batch * STEPS,))
    )
    settings = [
        Settings(epochs=1, batch_size=batch, seed=seed, engine=engine)  # type: ignore[arg-type]
        for seed in range(count)
    ]
    networks = [build() for _ in range(count)]
    began = time.perf_counter()
    fit_many(networks, samples, settings=settings)
    return (time.perf_counter() - began) / count / STEPS


def main() -> None:
    for threads in (1, 2):
        torch.set_num_threads(threads)
        print(f"\n{threads} thread(s): stacked against one after the other, a network and update")
        for name, build, shape, batch in CASES:
            for count in (2, 8, 16, 32):
                ratios, slow = [], 0.0
                for _ in range(4):
                    slow = seconds(build, shape, batch, count, "autograd")
                    ratios.append(seconds(build, shape, batch, count, "stacked") / slow)
                middle = sorted(ratios[1:])[1]
                print(
                    f"  {name:32} batch {batch:4}  {count:2} networks  {slow * 1e6:7.0f} µs  × "
                    f"{middle:.2f}"
                )


if __name__ == "__main__":
    main()
