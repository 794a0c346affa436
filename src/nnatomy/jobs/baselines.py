"""What a network has to beat: scikit-learn's simple models on the same records."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d

from nnatomy.data.task import Task
from nnatomy.report.wording import BASELINE_NAMES
from nnatomy.types import Samples

Matrix: TypeAlias = NDArray[np.float32]

_CELLS = 6_000_000
"""Records times features at most for fitting; larger sets are sampled, which the result says."""
_BOOSTING_CELLS = 3_000_000
"""Records times features times classes at most for boosting, whose trees are grown by class."""
_FEATURES = 1024
_BATCH = 1024


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline on the test records.

    Args:
        name: "majority", "logistic", "boosting"; for regression "mean", "ridge", "boosting".
        predicted: (N, K) class probabilities, or (N,) values in the units of the network's targets.
        note: What was left out, if anything.
    """

    name: str
    predicted: NDArray[np.float64]
    note: str = ""


def matrix_of(samples: Samples) -> tuple[Matrix, NDArray[Any]]:
    """Inputs as rows and targets, images averaged down to at most 1,024 values.

    Shape: -> (N, F) float32, (N,) or (N, D).
    """
    rows, targets = [], []
    for batch in samples.batches(None, _BATCH):
        inputs = batch.inputs
        if inputs.dim() == 4:
            step = 1
            while inputs[0].numel() / step**2 > _FEATURES:
                step += 1
            inputs = avg_pool2d(inputs, step, ceil_mode=True) if step > 1 else inputs
        rows.append(inputs.reshape(len(inputs), -1).numpy())
        targets.append(batch.targets.numpy())
    return np.concatenate(rows), np.concatenate(targets)


def fit_baselines(
    train: Samples, test: Samples, task: Task, seed: int, say: Callable[[str], None]
) -> list[Baseline]:
    """Fit the simple models on the training records and predict the test records.

    Args:
        train: The records the network was trained on.
        test: The records it is judged by.
        task: What is learned.
        seed: Of the sampling and of boosting.
        say: Receives a line as each one that takes time begins.
    """
    inputs, targets = matrix_of(train)
    test_inputs, _ = matrix_of(test)
    if task.kind == "classification":
        return _classifiers(inputs, targets, test_inputs, len(task.classes), seed, say)
    return _regressors(inputs, targets[:, 0], test_inputs, seed, say)


def _sample(
    inputs: Matrix, targets: NDArray[Any], cells: int, seed: int
) -> tuple[Matrix, NDArray[Any], str]:
    records = max(500, cells // max(1, inputs.shape[1]))
    if len(inputs) <= records:
        return inputs, targets, ""
    chosen = np.random.default_rng(seed).choice(len(inputs), records, replace=False)
    return inputs[chosen], targets[chosen], f"fitted on {records} of {len(inputs)} records"


def _classifiers(
    inputs: Matrix,
    targets: NDArray[Any],
    test: Matrix,
    classes: int,
    seed: int,
    say: Callable[[str], None],
) -> list[Baseline]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    shares = np.bincount(targets, minlength=classes) / len(targets)
    baselines = [Baseline("majority", np.tile(shares, (len(test), 1)))]
    models = (
        ("logistic", LogisticRegression(max_iter=300), _CELLS),
        ("boosting", HistGradientBoostingClassifier(random_state=seed), _BOOSTING_CELLS // classes),
    )
    for name, model, cells in models:
        say(f"fitting a baseline: {BASELINE_NAMES[name]}")
        x, y, note = _sample(inputs, targets, cells, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unconverged baseline is still a baseline
            known = model.fit(x, y).predict_proba(test)
        probabilities = np.zeros((len(test), classes))
        probabilities[:, model.classes_] = known
        baselines.append(Baseline(name, probabilities, note))
    return baselines


def _regressors(
    inputs: Matrix, targets: NDArray[Any], test: Matrix, seed: int, say: Callable[[str], None]
) -> list[Baseline]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    baselines = [Baseline("mean", np.full(len(test), float(targets.mean())))]
    for name, model in (
        ("ridge", Ridge()),
        ("boosting", HistGradientBoostingRegressor(random_state=seed)),
    ):
        say(f"fitting a baseline: {BASELINE_NAMES[name]}")
        x, y, note = _sample(inputs, targets, _CELLS, seed)
        baselines.append(Baseline(name, np.asarray(model.fit(x, y).predict(test), float), note))
    return baselines
