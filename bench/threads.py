"""One thread or two: from which amount of work a step a second thread pays."""

from __future__ import annotations

import torch

from bench.timing import compare
from nnatomy.data.samples import TensorSamples
from nnatomy.models import MLP, LeNet, count_multiplications
from nnatomy.training import Settings, fit

CASES = (
    ("MLP 20-32-2", lambda: MLP(20, 2, hidden=(32,)), (20,)),
    ("MLP 64-100-10", lambda: MLP(64, 10, hidden=(100,)), (64,)),
    ("MLP 64-256-256-10", lambda: MLP(64, 10, hidden=(256, 256)), (64,)),
    ("MLP 256-512-512-10", lambda: MLP(256, 10, hidden=(512, 512)), (256,)),
    ("MLP 784-1024-10", lambda: MLP(784, 10, hidden=(1024,)), (784,)),
    ("LeNet 1×8×8", lambda: LeNet((1, 8, 8), 10), (1, 8, 8)),
    ("LeNet 1×16×16", lambda: LeNet((1, 16, 16), 10), (1, 16, 16)),
    ("LeNet 1×28×28", lambda: LeNet((1, 28, 28), 10), (1, 28, 28)),
    ("LeNet 3×32×32", lambda: LeNet((3, 32, 32), 10), (3, 32, 32)),
)
BATCHES = (16, 64, 256)
STEPS = 20


def main() -> None:
    print("\nseconds with two threads ÷ with one; products: multiplications of a forward batch")
    print(f"  {'network':22} {'batch':>5} {'products':>14} {'ms a step':>10} {'two ÷ one':>10}")
    for name, build, shape in CASES:
        for batch in BATCHES:
            records = batch * STEPS
            samples = TensorSamples(torch.randn(records, *shape), torch.randint(0, 2, (records,)))

            def run(threads: int, build=build, samples=samples, batch=batch) -> None:
                settings = Settings(epochs=1, batch_size=batch, threads=threads)
                fit(build(), samples, settings=settings)

            one, two = compare({"one": lambda: run(1), "two": lambda: run(2)}, rounds=5)
            products = count_multiplications(build(), shape) * batch
            milliseconds = 1000 * one.median / STEPS
            print(f"  {name:22} {batch:5} {products:14,} {milliseconds:10.2f} {two.ratio:10.2f}")


if __name__ == "__main__":
    main()
