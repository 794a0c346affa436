"""Compiled steps of dense networks, and many networks at once.

tiny: 2-10-5-1, 300 points, full batch, plain descent. initializations: the three runs of 15,000
updates of the lecture's P1. many: 32 tiny networks. sizes: compiled steps against autograd, from
which the limits in nnatomy/training/compiled.py are taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import make_circles
from torch.nn import functional

from bench.timing import compare, print_table
from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.circles import train as three_initializations
from nnatomy.models import MLP
from nnatomy.training import Settings, fit
from nnatomy.training.many import fit_many

STEPS = 15_000
EAGER = 1_000
TINY = Settings(epochs=STEPS, batch_size=None, optimizer="sgd", lr=0.01, device="cpu")


def tiny_samples(dtype: torch.dtype = torch.float32) -> TensorSamples:
    points, labels = make_circles(300, noise=0.05, random_state=1)
    return TensorSamples(torch.tensor(points, dtype=dtype), torch.from_numpy(labels))


def tiny(seed: int = 0) -> MLP:
    torch.manual_seed(seed)
    return MLP(2, 1, hidden=(10, 5))


def eager(updates: int) -> None:
    """The hand-written loop."""
    samples, network = tiny_samples(), tiny()
    targets = samples.targets.float()[:, None]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(updates):
        optimizer.zero_grad()
        outputs = network(samples.inputs)
        functional.binary_cross_entropy_with_logits(outputs, targets).backward()
        optimizer.step()


def numpy_loop(updates: int) -> None:
    """The same by NumPy in single precision, records in columns."""
    x, t = make_circles(300, noise=0.05, random_state=1)
    x, t = x.T.astype(np.float32), t.astype(np.float32)
    random, widths = np.random.default_rng(0), (2, 10, 5, 1)
    w = [random.normal(size=(b, a)).astype(np.float32) * 0.3 for a, b in pairwise(widths)]
    b = [np.zeros((size, 1), np.float32) for size in widths[1:]]
    rate = np.float32(0.01)
    for _ in range(updates):
        h1 = np.maximum(w[0] @ x + b[0], 0)
        h2 = np.maximum(w[1] @ h1 + b[1], 0)
        a = w[2] @ h2 + b[2]
        d3 = (1 / (1 + np.exp(-a)) - t) / 300
        d2 = (w[2].T @ d3) * (h2 > 0)
        d1 = (w[1].T @ d2) * (h1 > 0)
        for i, (d, h) in enumerate(((d1, x), (d2, h1), (d3, h2))):
            w[i] -= rate * (d @ h.T)
            b[i] -= rate * d.sum(1, keepdims=True)


def compiled(updates: int = STEPS, dtype: torch.dtype = torch.float32) -> None:
    settings = Settings(**{**vars(TINY), "epochs": updates})
    session = fit(
        tiny().to(dtype), tiny_samples(dtype), objective="binary_cross_entropy", settings=settings
    )
    assert session.engine == "compiled"


def tiny_table() -> None:
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "eager PyTorch": (lambda: eager(EAGER), EAGER),
        "NumPy": (lambda: numpy_loop(EAGER), EAGER),
        "nnatomy fit, float32": (compiled, STEPS),
        "nnatomy fit, float64": (lambda: compiled(dtype=torch.float64), STEPS),
    }
    timings = compare({name: way for name, (way, _) in ways.items()}, rounds=7)
    print("\ntiny 2-10-5-1, 300 points, full batch: µs an update")
    for timing, (_, updates) in zip(timings, ways.values(), strict=True):
        each = sorted(seconds / updates * 1e6 for seconds in timing.seconds)
        target = ""
        if "float32" in timing.name:
            target = f"≤ 8 {'met' if timing.median / updates * 1e6 <= 8 else 'MISSED'}"
        middle = each[len(each) // 2]
        print(f"  {timing.name:24} {middle:8.2f}  ({each[0]:.2f} to {each[-1]:.2f})  {target}")


def many_table() -> None:
    samples = tiny_samples()

    def train(count: int) -> None:
        networks = [tiny(seed) for seed in range(count)]
        settings = [Settings(**{**vars(TINY), "seed": seed}) for seed in range(count)]
        fit_many(networks, samples, objective="binary_cross_entropy", settings=settings)

    timings = compare({"one": lambda: train(1), "32 networks": lambda: train(32)}, rounds=5)
    print_table("many: 15,000 updates each, two processors", timings, {"32 networks": 17})
    each = timings[1].median / 32 / STEPS * 1e6
    print(f"  {each:.2f} µs a network and update")


def initializations() -> None:
    times = []
    for _ in range(6):
        began = time.perf_counter()
        three_initializations()
        times.append(time.perf_counter() - began)
    middle = sorted(times[1:])[2]
    verdict = "met" if middle < 1 else "MISSED"
    print(f"\ninitializations: 45,000 updates in float64 in {middle:.2f} s (< 1 s {verdict})")


class Size(NamedTuple):
    """A network, its batch and its precision."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    batch: int
    dtype: torch.dtype = torch.float32


SIZES = (
    Size(20, (10,), 2, 32),
    Size(64, (100,), 10, 64),
    Size(50, (256, 256), 2, 64),
    Size(50, (256, 256), 2, 256),
    Size(784, (100,), 10, 64),
    Size(784, (512, 512), 10, 128),
    Size(784, (1024, 1024), 10, 256),
    Size(3072, (1000,), 10, 1024),
    Size(20, (100,), 2, 8192),
    Size(3072, (2048, 2048), 100, 16),
    Size(64, (100,), 10, 64, torch.float64),
    Size(784, (512, 512), 10, 128, torch.float64),
    Size(784, (1024, 1024), 10, 256, torch.float64),
)


def one_size(size: Size, engine: str, steps: int) -> float:
    inputs, hidden, outputs, batch, dtype = size
    torch.manual_seed(0)
    records = torch.randn(batch * steps, inputs, dtype=dtype)
    samples = TensorSamples(records, torch.randint(0, outputs, (len(records),)))
    settings = Settings(epochs=1, batch_size=batch, engine=engine, shuffle=False)  # type: ignore[arg-type]
    network = MLP(inputs, outputs, hidden=hidden).to(dtype)
    began = time.perf_counter()
    fit(network, samples, settings=settings)
    return (time.perf_counter() - began) / steps


def sizes(threads: int) -> None:
    torch.set_num_threads(threads)
    print(f"\nsizes, {threads} thread(s): compiled against autograd, Adam")
    for size in SIZES:
        widths = (size.inputs, *size.hidden, size.outputs)
        products = size.batch * sum(a * b for a, b in pairwise(widths))
        steps = max(3, min(200, int(1e9 / products)))
        one_size(size, "compiled", steps)
        ratios, slow = [], 0.0
        for _ in range(3):
            slow = one_size(size, "autograd", steps)
            ratios.append(one_size(size, "compiled", steps) / slow)
        name = "-".join(map(str, widths))
        print(
            f"  {name:24} {str(size.dtype)[6:]:8} batch {size.batch:5}  {products:8.1e} products  "
            f"autograd {slow * 1e6:8.0f} µs  × {sorted(ratios)[1]:.2f}"
        )


def main() -> None:
    torch.set_num_threads(1)
    tiny_table()
    initializations()
    many_table()
    for threads in (1, 2):
        sizes(threads)


if __name__ == "__main__":
    main()
