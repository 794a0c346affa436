"""What watching a run costs: the same training with a probe and without, in turn.

In seconds of the processor, one thread: hundredths drown in the noise of the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from torch import nn

from bench.clinic.networks import LastState
from bench.timing import compare, print_table
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import Probe
from nnatomy.models import MLP
from nnatomy.models.lenet import LeNet
from nnatomy.training import Settings, fit

LIMIT = 1.03


def digits(shape: tuple[int, ...]) -> TensorSamples:
    inputs, targets = load_digits(return_X_y=True)
    return TensorSamples(
        torch.tensor(inputs / 16).float().reshape(-1, *shape), torch.from_numpy(targets)
    )


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Settings]] = {
    "MLP 64-100-10, compiled, 200 epochs": (
        lambda: MLP(64, 10, hidden=(100,)),
        (64,),
        Settings(epochs=200, engine="compiled"),
    ),
    "MLP 64-100-10, compiled, 2,000 epochs": (
        lambda: MLP(64, 10, hidden=(100,)),
        (64,),
        Settings(epochs=2000, engine="compiled"),
    ),
    "MLP 64-100-10, autograd, 60 epochs": (
        lambda: MLP(64, 10, hidden=(100,)),
        (64,),
        Settings(epochs=60, engine="autograd"),
    ),
    "LeNet 1×8×8, 10 epochs": (lambda: LeNet((1, 8, 8), 10), (1, 8, 8), Settings(epochs=10)),
    "LSTM 8 steps of 8, 15 epochs": (
        lambda: LastState(8, 64, 10, "lstm"),
        (8, 8),
        Settings(epochs=15),
    ),
}


def main() -> None:
    torch.set_num_threads(1)
    for name, (build, shape, settings) in CASES.items():
        samples = digits(shape)

        def train(watched: bool, build=build, samples=samples, settings=settings) -> None:
            torch.manual_seed(0)
            fit(build(), samples, settings=settings, observers=[Probe()] if watched else [])

        ways = {"unwatched": lambda: train(False), "watched": lambda: train(True)}
        timings = compare(ways, rounds=31, clock=time.process_time)
        print_table(name, timings, {"watched": LIMIT})


if __name__ == "__main__":
    main()
