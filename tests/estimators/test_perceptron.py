"""The perceptron estimator against scikit-learn's and against what its rule implies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as Peer

from nnatomy.errors import DataError, SettingError
from nnatomy.estimators.perceptron import PerceptronClassifier
from nnatomy.estimators.records import hold_out

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float), np.array([0, 1, 1, 0])
AND = XOR[0], np.array(["no", "no", "no", "yes"])


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer, load_digits])
@pytest.mark.parametrize("epochs", [1, 12])
def test_weights_are_those_of_scikit_learn(load, epochs):
    X, y = load(return_X_y=True)
    X = X / 8  # exact in binary where the values are whole numbers
    common = {"shuffle": False, "tol": None, "max_iter": epochs, "eta0": 0.5}
    ours, peer = PerceptronClassifier(**common).fit(X, y), Peer(**common).fit(X, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        ours.decision_function(X), peer.decision_function(X), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(ours.predict(X), peer.predict(X))
    assert ours.n_iter_ == len(ours.errors_) == epochs


def test_small_weights_are_those_of_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    weights = np.random.default_rng(0).choice([0.25, 0.5, 1.0], len(y))
    common = {"shuffle": False, "tol": None, "max_iter": 5}
    ours = PerceptronClassifier(**common).fit(X, y, sample_weight=weights)
    peer = Peer(**common).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-9)


def test_it_stops_when_nothing_can_change():
    network = PerceptronClassifier(random_state=0).fit(*AND)
    assert network.errors_[-1] == 0
    assert all(network.errors_[:-1])
    assert network.score(*AND) == 1.0
    assert network.predict([[1, 1]]) == ["yes"]
    assert network.coef_.shape == (1, 2)
    assert network.decision_function(AND[0]).shape == (4,)


def test_xor_is_out_of_reach():
    with pytest.warns(ConvergenceWarning, match="max_iter=50"):
        network = PerceptronClassifier(max_iter=50, n_iter_no_change=50).fit(*XOR)
    assert network.score(*XOR) <= 0.75
    early = PerceptronClassifier(random_state=0).fit(*XOR)
    assert early.n_iter_ < 50
    # After the best epoch none was better by tol, five times.
    assert min(early.loss_curve_[:-5]) <= min(early.loss_curve_[-5:]) + early.tol


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_may_be_shuffled_repeated_or_weighted(seed):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(15, 4)), random.integers(0, 3, 15)
    y[:3] = [0, 1, 2]
    counts = random.integers(0, 4, 15)
    counts[:3] = 1
    fixed = {"random_state": 0, "max_iter": 9, "tol": None}
    mixed = random.permutation(15)
    weighted = PerceptronClassifier(**fixed).fit(X[mixed], y[mixed], counts[mixed])
    repeated = PerceptronClassifier(**fixed).fit(X.repeat(counts, 0), y.repeat(counts))
    np.testing.assert_array_equal(weighted.coef_, repeated.coef_)
    assert weighted.errors_ == repeated.errors_


def test_partial_fits_are_one_fit_in_pieces():
    X, y = make_blobs(80, centers=3, cluster_std=3, random_state=0)
    whole = PerceptronClassifier(random_state=0, max_iter=4, tol=None).fit(X, y)
    pieces = PerceptronClassifier(random_state=0)
    for i in range(4):
        pieces.partial_fit(X, y, classes=[0, 1, 2] if i == 0 else None)
    np.testing.assert_array_equal(whole.coef_, pieces.coef_)
    assert whole.errors_ == pieces.errors_
    pieces.partial_fit(X[y == 1], y[y == 1])  # one class at a time is enough
    assert pieces.n_iter_ == 5


def test_warm_start_goes_on():
    X, y = make_blobs(80, centers=3, cluster_std=3, random_state=0)
    network = PerceptronClassifier(random_state=0, max_iter=2, tol=None, warm_start=True)
    first = network.fit(X, y).coef_
    assert network.fit(X, y).n_iter_ == 4
    assert not np.array_equal(network.coef_, first)
    cold = clone(network).set_params(warm_start=False)
    np.testing.assert_array_equal(cold.fit(X, y).fit(X, y).coef_, first)


def test_early_stopping_keeps_the_best_weights():
    X, y = make_blobs(400, centers=3, cluster_std=4, random_state=3)
    network = PerceptronClassifier(
        early_stopping=True, validation_fraction=0.25, random_state=0, n_iter_no_change=8
    ).fit(X, y)
    scores = network.validation_scores_
    assert len(scores) == network.n_iter_ < 1000
    assert scores[-1] < max(scores)
    best = clone(network).set_params(max_iter=int(np.argmax(scores)) + 1, tol=None).fit(X, y)
    np.testing.assert_array_equal(best.coef_, network.coef_)


def test_early_stopping_heeds_the_weights():
    X, y = make_blobs(200, centers=3, cluster_std=4, random_state=3)
    weights = np.random.default_rng(0).integers(1, 9, 200)
    network = PerceptronClassifier(early_stopping=True, validation_fraction=0.25, random_state=0)
    network.fit(X, y, sample_weight=weights)
    held = hold_out(y, 0.25, np.random.RandomState(0), stratify=True)[1]
    found = network.score(X[held], y[held], sample_weight=weights[held])
    assert max(network.validation_scores_) == pytest.approx(found)
    assert found != pytest.approx(network.score(X[held], y[held]))


def test_no_bias_no_intercept():
    network = PerceptronClassifier(fit_intercept=False, random_state=0)
    network.fit([[1.0, 2.0], [-1.0, 0.5]], [1, 0])
    assert network.intercept_.tolist() == [0.0]
    assert network.predict([[1.0, 2.0], [-1.0, 0.5]]).tolist() == [1, 0]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_module_gives_the_same_outputs(classes):
    X, y = make_blobs(60, centers=classes, random_state=0)
    network = PerceptronClassifier(random_state=0).fit(X, y)
    with torch.no_grad():
        outputs = network.network_(torch.tensor(X, dtype=torch.float32)).squeeze(1).numpy()
    np.testing.assert_allclose(outputs, network.decision_function(X), rtol=1e-4, atol=1e-4)


def test_copies_and_files():
    network = PerceptronClassifier(random_state=0).fit(*AND)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.coef_, network.coef_)
    assert again.errors_ == network.errors_
    assert not hasattr(clone(network), "n_iter_")


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(DataError, match="one class, yes"):
        PerceptronClassifier().fit(AND[0], ["yes"] * 4)
    with pytest.raises(DataError, match="needs classes"):
        PerceptronClassifier().partial_fit(*AND)
    with pytest.raises(SettingError, match="early_stopping"):
        PerceptronClassifier(early_stopping=True).partial_fit(*AND, classes=["no", "yes"])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("eta0", 0.0), ("max_iter", 0), ("tol", -1.0), ("n_iter_no_change", 0),
        ("validation_fraction", 0.0), ("eta0", "x"), ("eta0", None), ("max_iter", "x"),
        ("max_iter", 2.5), ("tol", "x"), ("n_iter_no_change", 2.5), ("n_iter_no_change", None),
        ("validation_fraction", "a"), ("shuffle", "no"), ("fit_intercept", None),
    ],
)  # fmt: skip
def test_unusable_parameters_are_named(parameter, value):
    with pytest.raises(SettingError, match=f"^{parameter} must be"):
        PerceptronClassifier(**{parameter: value}).fit(*AND)
