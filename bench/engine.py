"""Dense networks: `fit` and `MLPClassifier` against a raw loop and the usual wrappers.

digits: 64-100-10, batch 64, Adam, 30 epochs. wide: 100,000 × 50 records, 50-256-256-2, batch 256,
2 epochs. Every side starts from its own initial weights, does the same number of updates on the
same records, and runs in this process, in turn. The targets are those that docs/benchmarks.md
prints.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

os.environ["KERAS_BACKEND"] = "torch"
warnings.simplefilter("ignore")

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.neural_network import MLPClassifier as ScikitMLP
from torch import nn
from torch.nn import functional

from bench.timing import compare, peak_memory_mb, print_table
from nnatomy import MLPClassifier
from nnatomy.data.samples import TensorSamples
from nnatomy.models import MLP
from nnatomy.training import Settings, fit

Ways = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Job:
    """One comparison: records, sizes and amount of work."""

    inputs: np.ndarray
    targets: np.ndarray
    hidden: tuple[int, ...]
    batch: int
    epochs: int

    @property
    def classes(self) -> int:
        return int(self.targets.max()) + 1

    def network(self) -> nn.Sequential:
        torch.manual_seed(0)
        widths = [self.inputs.shape[1], *self.hidden]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], self.classes))


def digits() -> Job:
    inputs, targets = load_digits(return_X_y=True)
    return Job((inputs / 16).astype(np.float32), targets, (100,), 64, 30)


def wide() -> Job:
    inputs, targets = make_classification(100_000, 50, n_informative=20, random_state=0)
    return Job(inputs.astype(np.float32), targets, (256, 256), 256, 2)


def raw_loop(job: Job) -> None:
    """A minimal hand-written loop: shuffled indices, nn.Module, foreach Adam."""
    network = job.network()
    inputs, targets = torch.from_numpy(job.inputs), torch.from_numpy(job.targets)
    optimizer = torch.optim.Adam(network.parameters(), foreach=True)
    for _ in range(job.epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), job.batch):
            chosen = order[start : start + job.batch]
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()


def tuned_loop(job: Job) -> None:
    """The same with what costs a line each: records gathered once an epoch, fused Adam."""
    network = job.network()
    inputs, targets = torch.from_numpy(job.inputs), torch.from_numpy(job.targets)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    for _ in range(job.epochs):
        order = torch.randperm(len(inputs))
        x = inputs.index_select(0, order).split(job.batch)
        t = targets.index_select(0, order).split(job.batch)
        for some, wanted in zip(x, t, strict=True):
            optimizer.zero_grad()
            functional.cross_entropy(network(some), wanted).backward()
            optimizer.step()


def bare_fit(job: Job, valid: bool = False) -> None:
    samples = TensorSamples(torch.from_numpy(job.inputs), torch.from_numpy(job.targets))
    held_out = len(job.inputs) // 10
    extra = TensorSamples(samples.inputs[:held_out], samples.targets[:held_out])
    torch.manual_seed(0)
    network = MLP(job.inputs.shape[1], job.classes, hidden=job.hidden)
    settings = Settings(epochs=job.epochs, batch_size=job.batch)
    fit(network, samples, extra if valid else None, settings=settings)


def estimator(job: Job, **settings: object) -> None:
    MLPClassifier(
        job.hidden, batch_size=job.batch, max_iter=job.epochs, n_iter_no_change=10**6, **settings
    ).fit(job.inputs, job.targets)


def scikit(job: Job) -> None:
    ScikitMLP(job.hidden, batch_size=job.batch, max_iter=job.epochs, n_iter_no_change=10**6).fit(
        job.inputs, job.targets
    )


def with_skorch(job: Job) -> None:
    from skorch import NeuralNetClassifier

    NeuralNetClassifier(
        job.network(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=job.batch,
        max_epochs=job.epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).fit(job.inputs, job.targets)


def with_lightning(job: Job) -> None:
    import logging

    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Task(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = job.network()

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    records = torch.utils.data.TensorDataset(
        torch.from_numpy(job.inputs), torch.from_numpy(job.targets)
    )
    loader = torch.utils.data.DataLoader(records, batch_size=job.batch, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=job.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Task(), loader)


def with_keras(job: Job) -> None:
    import keras

    layers = [keras.layers.Dense(width, activation="relu") for width in job.hidden]
    model = keras.Sequential([*layers, keras.layers.Dense(job.classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss)
    model.fit(job.inputs, job.targets, batch_size=job.batch, epochs=job.epochs, verbose=0)


def main() -> None:
    for threads in (1, 2):
        torch.set_num_threads(threads)
        job = digits()
        ways: Ways = {
            "raw PyTorch loop": lambda job=job: raw_loop(job),
            "raw PyTorch loop, tuned": lambda job=job: tuned_loop(job),
            "nnatomy fit": lambda job=job: bare_fit(job),
            "nnatomy fit, validation": lambda job=job: bare_fit(job, valid=True),
            "nnatomy MLPClassifier": lambda job=job: estimator(job),
            "nnatomy MLPClassifier, early stopping": lambda job=job: estimator(
                job, early_stopping=True
            ),
            "scikit-learn MLPClassifier": lambda job=job: scikit(job),
            "skorch": lambda job=job: with_skorch(job),
            "Lightning": lambda job=job: with_lightning(job),
            "Keras on torch": lambda job=job: with_keras(job),
        }
        targets = {
            "nnatomy fit": 0.20,
            "nnatomy MLPClassifier": 0.75,
            "nnatomy MLPClassifier, early stopping": 0.75,
        }
        timings = compare(ways, rounds=5)
        print_table(f"digits 64-100-10, 30 epochs, {threads} thread(s) offered", timings, targets)
        own = next(t for t in timings if t.name == "nnatomy MLPClassifier, early stopping")
        for rival, least in (("skorch", 2.5), ("Lightning", 3.5), ("Keras on torch", 4.0)):
            other = next(t for t in timings if t.name == rival)
            times = np.median(np.array(other.seconds) / np.array(own.seconds))
            verdict = "met" if times >= least else "MISSED"
            print(f"  {rival} takes {times:.1f} × as long (≥ {least:g} {verdict})")
        job = wide()
        ways = {
            "raw PyTorch loop": lambda job=job: raw_loop(job),
            "raw PyTorch loop, tuned": lambda job=job: tuned_loop(job),
            "nnatomy fit": lambda job=job: bare_fit(job),
            "nnatomy MLPClassifier": lambda job=job: estimator(job),
            "scikit-learn MLPClassifier": lambda job=job: scikit(job),
        }
        title = f"wide 50-256-256-2, 100,000 records, 2 epochs, {threads} thread(s) offered"
        print_table(title, compare(ways, rounds=3, warm=False), {"nnatomy fit": 0.70})
    print(f"peak memory {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    main()
