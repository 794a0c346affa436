"""At which learning rates do the networks for images learn? For the defaults of the catalog.

Each network learns from a folder of class folders at a grid of learning rates, with the catalog's
other defaults and two starts a rate. A fifth of the training images is held out to compare by; a
part of the folder called "test" is not looked at. The table gives the accuracy on the images held
out after the last epoch, its mean over the starts and their range.

Run: python -m bench.defaults FOLDER [epochs] [--device cuda --workers 8]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.samples import TensorSamples
from nnatomy.data.split import SplitPlan
from nnatomy.errors import NonFiniteError
from nnatomy.models.catalog import build_network, checked_settings, entry_of
from nnatomy.training import Settings, fit
from nnatomy.training.devices import pick_device, processors, seeded
from nnatomy.training.memory import keep_freed_memory
from nnatomy.training.settings import setting_names, settings_from
from nnatomy.types import Batch

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
NETWORKS = (
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "vgg16",
    "vgg16_bn",
    "googlenet",
    "googlenet,batch_norm=false",
    "resnet18",
    "resnet50",
    "densenet121",
)
"""A name of the catalog, and settings that are not its default."""


class Resident(TensorSamples):
    """Records that lie on the device they are learned from."""

    def batches(self, order: Tensor | None, size: int) -> Iterator[Batch]:
        """As of TensorSamples."""
        here = None if order is None else order.to(self.inputs.device)
        return super().batches(here, size)


@dataclass(frozen=True)
class Task:
    """One training."""

    network: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a training reached: loss of the last epoch, accuracy on the images held out."""

    loss: float | None
    accuracy: float | None
    seconds: float


class Bench:
    """Images on the device, and how networks learn from them.

    Args:
        given: The command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        plan = SplitPlan(valid=0.2, test=0.0)
        prepared = prepare_images(given.folder, plan=plan, settings=ImageSettings(size=given.size))
        self.shape = prepared.input_shape
        device = pick_device(given.device)
        self.train, self.valid = (_resident(s, device) for s in (prepared.train, prepared.valid))
        self.classes = len(prepared.task.classes)

    def settings(self, task: Task) -> tuple[str, dict[str, Any], Settings]:
        """The network's name, its settings, and how it is trained."""
        name, own, training = self.chosen(task.network)
        training |= {"lr": task.rate, "epochs": self.given.epochs, "seed": task.seed}
        training |= {"device": self.given.device}
        if self.given.workers > 1:
            training["threads"] = max(1, processors() // self.given.workers)
        return name, own, settings_from(training)

    def chosen(self, network: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The network's name, its settings, and those of training: the catalog's or given ones."""
        name, *own = network.split(",")
        values = dict(text.split("=", 1) for text in own + self.given.set)
        training = {key: values.pop(key) for key in setting_names() if key in values}
        checked = checked_settings(name, values)
        return name, checked, {**entry_of(name).training(checked), **training}

    def run(self, task: Task) -> Outcome:
        """Train once."""
        name, own, settings = self.settings(task)
        began = time.perf_counter()
        with seeded(task.seed):
            network = build_network(name, self.shape, self.classes, own)
        try:
            last = fit(network, self.train, self.valid, settings=settings).history[-1]
        except NonFiniteError:
            return Outcome(None, None, time.perf_counter() - began)
        return Outcome(last["loss"], last["valid_score"], time.perf_counter() - began)


def _resident(samples: Any, device: torch.device) -> Resident:
    batches = list(samples.batches(None, 1024))
    inputs = torch.cat([batch.inputs for batch in batches]).to(device)
    return Resident(inputs, torch.cat([batch.targets for batch in batches]).to(device))


_BENCH: list[Bench] = []
"""That of a worker process."""


def _begin(given: argparse.Namespace) -> None:
    keep_freed_memory()
    _BENCH.append(Bench(given))


def _work(task: Task) -> Outcome:
    return _BENCH[0].run(task)


def outcomes(given: argparse.Namespace, tasks: list[Task]) -> Iterator[Outcome]:
    """What the tasks reach, in their order."""
    if given.workers == 1:
        yield from map(_work, tasks)
        return
    spawn = multiprocessing.get_context("spawn")  # a process with a GPU cannot be forked
    with ProcessPoolExecutor(given.workers, spawn, _begin, (given,)) as pool:
        yield from pool.map(_work, tasks)


def _cell(reached: list[Outcome]) -> str:
    scores = [outcome.accuracy for outcome in reached if outcome.accuracy is not None]
    if len(scores) < len(reached):
        return f"{len(reached) - len(scores)} diverged"
    if len(scores) == 1:
        return f"{scores[0]:.3f}"
    return f"{statistics.mean(scores):.3f} ({min(scores):.3f}–{max(scores):.3f})"


def _row(network: str, default: float, reached: dict[float, list[Outcome]]) -> str:
    cells = [_cell(outcomes) for outcomes in reached.values()]
    seconds = statistics.mean(o.seconds for outcomes in reached.values() for o in outcomes)
    return f"| {network} | {default:g} | {' | '.join(cells)} | {seconds:.0f} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Validation accuracy by network and rate.")
    parser.add_argument("folder", type=Path, help="folder of class folders")
    parser.add_argument("epochs", type=int, nargs="?", default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--rates", nargs="+", type=float, default=RATES)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=32, help="side of the images")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, for all")
    parser.add_argument("--json", type=Path, help="also write every outcome here")
    return parser.parse_args()


def main() -> None:
    given, began = _arguments(), time.perf_counter()
    _begin(given)
    own = _BENCH[0]
    print(
        f"{len(own.train)} images to learn from, {len(own.valid)} held out, "
        f"{own.classes} classes, {given.epochs} epochs, {own.train.inputs.device}"
    )
    rates = [f"{rate:g}" for rate in given.rates]
    print(f"| network | default | {' | '.join(rates)} | seconds each |")
    print("|---" * (len(rates) + 3) + "|", flush=True)
    tasks = [
        Task(network, rate, seed)
        for network in given.networks
        for rate in given.rates
        for seed in range(given.seeds)
    ]
    for task in tasks:
        own.settings(task)  # a misspelt setting is told before anything is trained
    rows = []
    done = zip(tasks, outcomes(given, tasks), strict=True)
    for network, group in groupby(done, key=lambda pair: pair[0].network):
        reached: dict[float, list[Outcome]] = {}
        for task, outcome in group:
            reached.setdefault(task.rate, []).append(outcome)
            rows.append(vars(task) | vars(outcome))
        default = own.chosen(network)[2].get("lr", Settings().lr)
        print(_row(network, default, reached), flush=True)
        if given.json:
            given.json.write_text(json.dumps(rows))
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
