"""Learning record by record: the perceptron and the sigmoid unit, against scikit-learn's Cython.

Microseconds a record, one thread. Both sides shuffle the records each epoch and do the same number
of epochs. The estimators' figures include their checks of the input; those of `fit`, which takes
records as they are, and of the rule alone do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

warnings.simplefilter("ignore")

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import Perceptron, SGDClassifier

from bench.timing import compare, print_table
from nnatomy import MLPClassifier, PerceptronClassifier
from nnatomy.data.samples import TensorSamples
from nnatomy.models import LogisticUnit
from nnatomy.training import Settings, fit
from nnatomy.zoo.perceptron_rule import PerceptronRule

EPOCHS = 20


def plain_python(inputs: np.ndarray, signs: np.ndarray) -> None:
    weights, bias = [0.0] * inputs.shape[1], 0.0
    for x, t in zip(inputs.tolist(), signs.tolist(), strict=True):
        if t * (bias + sum(w * v for w, v in zip(weights, x, strict=True))) <= 0:
            weights = [w + t * v for w, v in zip(weights, x, strict=True)]
            bias += t


def autograd(inputs: torch.Tensor, signs: torch.Tensor) -> None:
    unit = torch.nn.Linear(inputs.shape[1], 1)
    optimizer = torch.optim.SGD(unit.parameters(), lr=1.0)
    for x, t in zip(inputs, signs, strict=True):
        optimizer.zero_grad()
        torch.relu(-t * unit(x)).sum().backward()
        optimizer.step()


def perceptrons(name: str, inputs: np.ndarray, labels: np.ndarray, slow: bool) -> None:
    count, classes = len(inputs), len(np.unique(labels))
    units = 1 if classes == 2 else classes
    signs = np.where(labels[:, None] == np.arange(units) + (units == 1), 1.0, -1.0)
    own = {"max_iter": EPOCHS, "tol": None, "random_state": 0}

    def kernel() -> None:
        rule = PerceptronRule(units, inputs.shape[1])
        extended = rule.extended(inputs)
        for seed in range(EPOCHS):
            rule.learn(extended, signs, np.random.default_rng(seed).permutation(count))

    ways: dict[str, Callable[[], object]] = {
        "scikit-learn Perceptron": lambda: Perceptron(**own).fit(inputs, labels),
        "nnatomy PerceptronClassifier": lambda: PerceptronClassifier(**own).fit(inputs, labels),
        "nnatomy rule alone": kernel,
    }
    if slow:
        x, t = torch.from_numpy(inputs).float(), torch.from_numpy(signs[:, 0])
        ways["plain Python, one epoch"] = lambda: plain_python(inputs, signs[:, 0])
        ways["PyTorch with autograd, one epoch"] = lambda: autograd(x, t)
    timings = compare(ways, rounds=5)
    title = f"perceptron, {name}: {count} records × {inputs.shape[1]}, {units} unit(s)"
    print_table(title, timings, {"nnatomy PerceptronClassifier": 1.0, "nnatomy rule alone": 1.0})
    for timing in timings:
        epochs = 1 if "one epoch" in timing.name else EPOCHS
        print(f"    {timing.name:36} {timing.median / count / epochs * 1e6:9.3f} µs a record")


def sigmoid_units(count: int, width: int) -> None:
    inputs, labels = make_classification(
        count, width, n_informative=min(2, width), n_redundant=0, random_state=0
    )
    inputs = inputs.astype(np.float32)
    settings = Settings(epochs=EPOCHS, batch_size=1, optimizer="sgd", lr=0.01, device="cpu")
    theirs = {
        "loss": "log_loss",
        "penalty": None,
        "learning_rate": "constant",
        "eta0": 0.01,
        "max_iter": EPOCHS,
        "tol": None,
    }
    estimator = MLPClassifier(
        (),
        optimizer="sgd",
        alpha=0.0,
        batch_size=1,
        learning_rate_init=0.01,
        max_iter=EPOCHS,
        n_iter_no_change=10**6,
    )
    ways = {
        "scikit-learn SGDClassifier": lambda: SGDClassifier(**theirs).fit(inputs, labels),
        "nnatomy fit, batch size 1": lambda: fit(
            LogisticUnit(width, 1),
            TensorSamples(inputs, labels),
            objective="binary_cross_entropy",
            settings=settings,
        ),
        "nnatomy MLPClassifier, 2 softmax units": lambda: clone(estimator).fit(inputs, labels),
    }
    timings = compare(ways, rounds=5)
    title = f"sigmoid unit: {count} records × {width}"
    targets = {name: 1.0 for name in ways if name.startswith("nnatomy")}
    print_table(title, timings, targets)
    for timing in timings:
        print(f"    {timing.name:36} {timing.median / count / EPOCHS * 1e6:9.3f} µs a record")


def main() -> None:
    torch.set_num_threads(1)
    inputs, labels = make_classification(20_000, 2, n_informative=2, n_redundant=0, random_state=0)
    perceptrons("plane", inputs, labels, slow=True)
    inputs, labels = make_classification(100_000, 20, n_informative=10, random_state=0)
    perceptrons("wide", inputs, labels, slow=False)
    inputs, labels = load_digits(return_X_y=True)
    perceptrons("digits", inputs, labels, slow=False)
    for count, width in ((20_000, 2), (100_000, 20), (20_000, 64)):
        sigmoid_units(count, width)


if __name__ == "__main__":
    main()
