"""The multi-layer perceptron against scikit-learn's, against NumPy, and against its own laws."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine, make_blobs, make_regression
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as PeerClassifier
from sklearn.neural_network import MLPRegressor as PeerRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from nnatomy.errors import DataError, NonFiniteError, SettingError
from nnatomy.estimators.base import draw_seed
from nnatomy.estimators.mlp import MLPClassifier, MLPRegressor
from nnatomy.estimators.records import hold_out
from nnatomy.models.mlp import MLP
from nnatomy.training.devices import seeded


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(90, n_features=4, centers=3, cluster_std=3.0, random_state=0)


def first_weights(inputs: int, outputs: int, hidden: tuple[int, ...]) -> MLP:
    with seeded(draw_seed(np.random.RandomState(0))):
        return MLP(inputs, outputs, hidden=hidden)


def peer_from(peer, network: MLP, X, y, epochs: int, weights=None):
    """scikit-learn's network, started from the same weights."""
    peer.set_params(warm_start=True, max_iter=1, tol=0, n_iter_no_change=1000, random_state=0)
    with pytest.warns(ConvergenceWarning):
        peer.fit(X, y)
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    peer.coefs_ = [m.weight.detach().double().numpy().T.copy() for m in layers]
    peer.intercepts_ = [m.bias.detach().double().numpy().copy() for m in layers]
    peer.set_params(max_iter=epochs)
    with pytest.warns(ConvergenceWarning):
        return peer.fit(X, y, sample_weight=weights)


WITH_RANGES = (
    "hidden_layer_sizes", "max_iter", "learning_rate_init", "alpha", "tol", "momentum", "dropout",
    "clip_norm", "validation_fraction", "n_iter_no_change", "shuffle", "early_stopping",
    "warm_start", "batch_norm", "residual",
)  # fmt: skip
MAY_BE_NONE = ("clip_norm", "n_iter_no_change")
SAME = {"alpha": 0.3, "learning_rate_init": 0.05, "shuffle": False}
DESCENT = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}


@pytest.mark.parametrize(("batch", "weighted"), [(20, False), (90, False), (90, True)])
def test_descent_with_penalty_is_that_of_scikit_learn(blobs, batch, weighted):
    X, y = StandardScaler().fit_transform(blobs[0]), blobs[1]
    weights = np.random.default_rng(0).integers(0, 4, len(y)) if weighted else None
    ours = MLPClassifier(
        (7, 5), "tanh", optimizer="sgd", max_iter=25, n_iter_no_change=None, random_state=0,
        batch_size=batch, **SAME,
    ).fit(X, y, sample_weight=weights)  # fmt: skip
    peer = PeerClassifier((7, 5), "tanh", batch_size=batch, **DESCENT, **SAME)
    peer = peer_from(peer, first_weights(4, 3, (7, 5)), X, y, 25, weights)
    for mine, theirs in zip(ours.coefs_, peer.coefs_, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)
    for mine, theirs in zip(ours.intercepts_, peer.intercepts_, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=2e-5)
    assert ours.n_layers_ == peer.n_layers_ == 4


def test_regression_descent_is_that_of_scikit_learn():
    X, y = make_regression(60, 5, n_targets=2, random_state=0)
    y = y / y.std(0)
    ours = MLPRegressor(
        (6,), "logistic", optimizer="sgd", max_iter=30, n_iter_no_change=None, random_state=0,
        batch_size=25, **SAME,
    ).fit(X, y)  # fmt: skip
    peer = PeerRegressor(
        hidden_layer_sizes=(6,), activation="logistic", batch_size=25, **DESCENT, **SAME
    )
    peer = peer_from(peer, first_weights(5, 2, (6,)), X, y, 30)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), atol=1e-4)


def test_outputs_are_those_of_the_published_weights(blobs):
    X, y = blobs
    network = MLPClassifier((8, 6), random_state=0, max_iter=20, n_iter_no_change=None).fit(X, y)
    values = X
    for weights, biases in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        values = np.maximum(values @ weights + biases, 0)
    values = values @ network.coefs_[-1] + network.intercepts_[-1]
    exponentials = np.exp(values - values.max(1, keepdims=True))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(network.predict_proba(X), expected, rtol=1e-9)
    np.testing.assert_allclose(network.predict_log_proba(X), np.log(expected), rtol=1e-7)
    np.testing.assert_array_equal(network.predict(X), network.classes_[expected.argmax(1)])


def test_outputs_of_a_residual_network_are_those_of_the_published_weights(blobs):
    X, y = blobs
    network = MLPClassifier(
        (8, 8, 5, 5), residual=True, random_state=0, max_iter=20, n_iter_no_change=None
    ).fit(X, y)
    *layers, (head, bias) = zip(network.coefs_, network.intercepts_, strict=True)
    values = X
    for number, (weights, biases) in enumerate(layers):
        added = np.maximum(values @ weights + biases, 0)
        values = values + added if number in (1, 3) else added
    values = values @ head + bias
    exponentials = np.exp(values - values.max(1, keepdims=True))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(network.predict_proba(X), expected, rtol=1e-9)
    twin = clone(network).fit(X, y)
    np.testing.assert_array_equal(twin.predict_proba(X), network.predict_proba(X))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), alpha=st.sampled_from([0.0, 1e-4, 0.5]))
def test_weights_are_repetitions_to_the_last_bit(seed, alpha):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(20, 3)), random.integers(0, 3, 20)
    counts = random.integers(0, 4, 20)
    counts[:3], y[:3] = 1, [0, 1, 2]
    settings_ = {"max_iter": 8, "n_iter_no_change": None, "random_state": 0, "alpha": alpha}
    shuffled = random.permutation(20)
    for kind, targets in ((MLPClassifier, y), (MLPRegressor, random.normal(size=20))):
        weighted = kind((5,), **settings_).fit(
            X[shuffled], targets[shuffled], sample_weight=counts[shuffled]
        )
        repeated = kind((5,), **settings_).fit(X.repeat(counts, 0), targets.repeat(counts))
        for a, b in zip(weighted.coefs_, repeated.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)


def test_weights_act_in_small_batches_too(blobs):
    X, y = blobs
    weights = np.where(y == 0, 1000.0, 1e-3)
    network = MLPClassifier(batch_size=16, max_iter=60, n_iter_no_change=None, random_state=0)
    assert (network.fit(X, y, sample_weight=weights).predict(X) == 0).mean() > 0.9
    assert (network.fit(X, y).predict(X) == 0).mean() < 0.5


def test_class_weights_are_weights_of_records(blobs):
    X, y = blobs[0][:70], np.sort(blobs[1])[:70]
    common = {"max_iter": 5, "n_iter_no_change": None, "random_state": 0}
    extra = np.linspace(1, 2, len(y))
    by_class = MLPClassifier(class_weight="balanced", **common).fit(X, y, sample_weight=extra)
    factors = compute_sample_weight("balanced", y) * extra
    by_record = MLPClassifier(**common).fit(X, y, sample_weight=factors)
    np.testing.assert_array_equal(by_class.predict_proba(X), by_record.predict_proba(X))
    plain = MLPClassifier(**common).fit(X, y)
    assert not np.allclose(by_class.predict_proba(X), plain.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0, 1.0], "shape"), (-np.ones(90), "negative"), (np.zeros(90), "zero for every record")],
)
def test_unusable_weights_are_refused(blobs, weights, message):
    with pytest.raises(DataError, match=message):
        MLPClassifier().fit(*blobs, sample_weight=weights)


def test_random_state_alone_decides(blobs):
    X, y = blobs

    def probabilities(state):
        network = MLPClassifier(
            batch_size=16, dropout=0.2, max_iter=3, n_iter_no_change=None, random_state=state
        )
        return network.fit(X, y).predict_proba(X)

    torch.manual_seed(1)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = probabilities(3)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)
    torch.manual_seed(2)
    np.testing.assert_array_equal(probabilities(3), first)
    np.testing.assert_array_equal(probabilities(np.random.RandomState(3)), first)
    assert not np.array_equal(probabilities(4), first)
    assert not np.array_equal(probabilities(None), probabilities(None))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_partial_fits_are_one_fit_in_pieces(blobs, dropout):
    X, y = blobs
    common = {"batch_size": 16, "dropout": dropout, "n_iter_no_change": None, "random_state": 0}
    whole = MLPClassifier((9,), max_iter=4, **common).fit(X, y)
    pieces = MLPClassifier((9,), **common)
    for i in range(4):
        torch.manual_seed(i)
        pieces.partial_fit(X, y, classes=[0, 1, 2] if i == 0 else None)
    assert whole.n_iter_ == pieces.n_iter_ == 4
    assert [row["epoch"] for row in pieces.history_] == [1, 2, 3, 4]
    assert whole.loss_curve_ == pieces.loss_curve_
    np.testing.assert_array_equal(whole.predict_proba(X), pieces.predict_proba(X))


def test_partial_fit_takes_records_as_they_come(blobs):
    X, y = blobs
    order = np.argsort(y)  # the first calls see one class only
    network = MLPClassifier(learning_rate_init=0.02, random_state=0)
    for _ in range(40):
        for part in np.array_split(order, 3):
            network.partial_fit(X[part], y[part], classes=[2, 1, 0])
    assert network.score(X, y) > 0.8
    assert network.n_iter_ == 120


def test_partial_fit_refuses_what_it_cannot_do(blobs):
    X, y = blobs
    with pytest.raises(DataError, match="needs classes"):
        MLPClassifier().partial_fit(X, y)
    with pytest.raises(SettingError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(SettingError, match="schedule 'one_cycle'"):
        MLPRegressor(schedule="one_cycle").partial_fit(X, y)
    with pytest.raises(SettingError, match="class_weight"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    network = MLPClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(DataError, match=r"label 3 is none of the classes \[0, 1, 2\]"):
        network.partial_fit(X, y + 1)
    with pytest.raises(DataError, match="but were"):
        network.partial_fit(X, y, classes=[0, 1])
    regressor = MLPRegressor().partial_fit(X, X[:, :2])
    with pytest.raises(DataError, match="y has 1 columns, but had 2"):
        regressor.partial_fit(X, X[:, 0])


def test_warm_start_goes_on_and_a_cold_one_does_not(blobs):
    X, y = blobs
    common = {"max_iter": 15, "n_iter_no_change": None, "random_state": 0}
    warm = MLPClassifier(warm_start=True, **common).fit(X, y)
    first = warm.loss_
    warm.fit(X, y)
    assert warm.n_iter_ == 30
    assert [row["epoch"] for row in warm.history_] == list(range(1, 31))
    assert warm.loss_curve_[15] < warm.loss_curve_[0]
    assert warm.loss_ < first
    with pytest.raises(DataError, match="label 3"):
        warm.fit(X, y + 1)
    cold = MLPClassifier(**common).fit(X, y).fit(X, y)
    assert cold.loss_ == first
    assert cold.n_iter_ == 15


def test_early_stopping_keeps_the_best_weights():
    X, y = make_blobs(300, centers=3, cluster_std=4.0, random_state=1)
    network = MLPClassifier(
        early_stopping=True, learning_rate_init=0.02, n_iter_no_change=5, random_state=0,
        batch_size=32, validation_fraction=0.2,
    ).fit(X, y)  # fmt: skip
    scores = network.validation_scores_
    assert len(scores) == network.n_iter_ < 200
    assert network.best_validation_score_ == max(scores)
    assert np.argmax(scores) == network.n_iter_ - 7  # five without, and the one that ends it
    assert all(np.isclose(score * 60, round(score * 60)) for score in scores)
    assert scores[-1] < max(scores) or scores.count(max(scores)) > 1
    short = clone(network).set_params(max_iter=int(np.argmax(scores)) + 1, n_iter_no_change=None)
    np.testing.assert_array_equal(short.fit(X, y).coefs_[0], network.coefs_[0])


def test_too_few_records_for_validation():
    X, y = np.arange(8.0)[:, None], np.arange(8.0)
    with pytest.raises(DataError, match=r"validation_fraction 0\.1 of 8 records"):
        MLPRegressor(early_stopping=True).fit(X, y)


def test_training_stops_by_the_loss_without_validation(blobs):
    network = MLPClassifier(learning_rate_init=0.1, tol=0.01, random_state=0).fit(*blobs)
    assert 10 < network.n_iter_ < 200
    assert network.validation_scores_ is None
    assert network.best_validation_score_ is None
    assert network.best_loss_ == min(network.loss_curve_)


def test_running_out_of_epochs_is_a_warning(blobs):
    with pytest.warns(ConvergenceWarning, match="max_iter=3 epochs"):
        MLPClassifier(max_iter=3).fit(*blobs)
    MLPClassifier(max_iter=3, schedule="one_cycle").fit(*blobs)  # was to run that long
    MLPClassifier(max_iter=3, n_iter_no_change=None).fit(*blobs)  # was asked for


def test_a_last_batch_of_one_can_be_normalized():
    X, y = make_blobs(65, centers=2, random_state=0)
    network = MLPClassifier(batch_size=64, batch_norm=True, max_iter=2, n_iter_no_change=None)
    assert network.fit(X, y).history_[-1]["step"] == 2
    with pytest.raises(SettingError, match="batch_size 1 leaves batch normalization"):
        network.set_params(batch_size=1).fit(X, y)


def test_precision_follows_the_inputs(blobs):
    X, y = blobs
    common = {"max_iter": 2, "n_iter_no_change": None, "random_state": 0}
    classifier = MLPClassifier(**common).fit(X, y)
    regressor = MLPRegressor(**common).fit(X, y)
    for dtype in (np.float32, np.float64):
        assert classifier.predict_proba(X.astype(dtype)).dtype == dtype
        assert regressor.predict(X.astype(dtype)).dtype == dtype
    alone = np.concatenate([classifier.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(alone, classifier.predict_proba(X), rtol=1e-12)
    far = classifier.predict_log_proba(1e6 * X)
    assert np.isfinite(far).all()
    assert (classifier.predict_proba(1e6 * X) == 0).any()


def test_shapes_of_targets():
    X, y = make_regression(40, 3, n_targets=2, random_state=0)
    common = {"max_iter": 2, "n_iter_no_change": None}
    assert MLPRegressor(**common).fit(X, y).predict(X).shape == (40, 2)
    assert MLPRegressor(**common).fit(X, y[:, 0]).predict(X).shape == (40,)
    with pytest.warns(DataConversionWarning):
        assert MLPRegressor(**common).fit(X, y[:, :1]).predict(X).shape == (40,)
    labels = np.array(["a", "b"])[(y[:, 0] > 0).astype(int)]
    classifier = MLPClassifier(**common).fit(X, labels)
    assert set(classifier.predict(X)) <= {"a", "b"}
    assert classifier.predict_proba(X).shape == (40, 2)


def test_frames_copies_and_files(blobs):
    frame = pd.DataFrame(blobs[0], columns=list("abcd"))
    network = MLPClassifier(5, max_iter=2, n_iter_no_change=None, random_state=0)
    network.fit(frame, blobs[1])
    assert list(network.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        network.predict(frame[list("dcba")])
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.predict_proba(frame), network.predict_proba(frame))
    copy = clone(network)
    assert not hasattr(copy, "network_")
    assert not hasattr(copy, "n_iter_")
    copy.fit(frame, blobs[1])
    np.testing.assert_array_equal(copy.predict_proba(frame), network.predict_proba(frame))


def test_partial_fit_goes_on_after_a_copy(blobs):
    network = MLPClassifier(random_state=0).partial_fit(*blobs, classes=[0, 1, 2])
    copy = pickle.loads(pickle.dumps(network))
    for each in (network, copy):
        each.partial_fit(*blobs)
    np.testing.assert_array_equal(network.coefs_[0], copy.coefs_[0])


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("max_iter", 0, "max_iter must be a whole number from 1, got 0"),
        ("learning_rate_init", 0.0, "learning_rate_init must be positive"),
        ("alpha", -1.0, "alpha must be at least 0"),
        ("validation_fraction", 1.0, "validation_fraction must be between 0 and 1"),
        ("n_iter_no_change", 0, "n_iter_no_change must be"),
        ("batch_size", "all", "batch_size must be 'auto'"),
        ("batch_size", 0, "batch_size must be 'auto'"),
        ("batch_size", 2.5, "batch_size must be 'auto'"),
        ("hidden_layer_sizes", (5, 0), "hidden_layer_sizes must be"),
        ("hidden_layer_sizes", 2.5, "hidden_layer_sizes must be"),
        ("activation", "rely", "did you mean 'relu'"),
        ("optimizer", "adamm", "did you mean 'adam'"),
        ("schedule", "cosin", "did you mean 'cosine'"),
        ("init", "xavier_n", "xavier_"),
        ("dropout", 1.0, "dropout"),
        ("momentum", 1.0, "momentum"),
        ("clip_norm", 0.0, "clip_norm"),
        ("device", "abacus", "abacus"),
        *((name, value, f"^{name} must be") for name in WITH_RANGES for value in ("x", ["y"], {})),
        *((name, None, f"^{name} must be") for name in WITH_RANGES if name not in MAY_BE_NONE),
        ("batch_size", None, "^batch_size must be"),
        ("device", None, "^device must be text"),
        ("hidden_layer_sizes", [(3, 4)], "^hidden_layer_sizes must be"),
        ("hidden_layer_sizes", (3, None), "^hidden_layer_sizes must be"),
        ("n_iter_no_change", 2.5, "^n_iter_no_change must be"),
        ("max_iter", 2.5, "^max_iter must be"),
        ("learning_rate_init", np.nan, "^learning_rate_init must be"),
        ("shuffle", "no", "^shuffle must be True or False, got 'no'"),
        ("activation", 3, "^activation must be text, got 3"),
        ("residual", True, "residual needs a hidden layer as wide as its inputs.* 100 after 4"),
    ],
)
def test_unusable_parameters_are_named(blobs, parameter, value, message):
    network = MLPClassifier().set_params(**{parameter: value})
    with pytest.raises(SettingError, match=message):
        network.fit(*blobs)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_numbers_of_numpy_are_numbers(blobs, kind):
    network = kind(
        np.array([5, 4]), alpha=np.float32(0.1), max_iter=np.int64(2), batch_size=np.int32(30),
        n_iter_no_change=np.int8(7), shuffle=np.True_, validation_fraction=np.float64(0.2),
        schedule="cosine",
    )  # fmt: skip
    assert network.fit(*blobs).n_iter_ == 2
    assert [w.shape[1] for w in network.coefs_[:2]] == [5, 4]


def test_early_stopping_heeds_the_weights():
    X, y = make_blobs(300, centers=3, cluster_std=4.0, random_state=1)
    weights = np.random.default_rng(0).integers(1, 9, 300)
    common = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": None}
    network = MLPClassifier(max_iter=3, random_state=0, **common).fit(X, y, sample_weight=weights)
    random = np.random.RandomState(0)
    draw_seed(random), draw_seed(random)  # those of the weights and of the training
    held = hold_out(y, 0.3, random, stratify=True)[1]
    found = network.score(X[held], y[held], sample_weight=weights[held])
    assert network.best_validation_score_ == pytest.approx(found)
    assert found != pytest.approx(network.score(X[held], y[held]))


def test_partial_fit_does_not_stop_by_itself(blobs):
    network = MLPClassifier(tol=10.0, n_iter_no_change=1, random_state=0)
    for _ in range(5):
        network.partial_fit(*blobs, classes=[0, 1, 2])
    assert network.n_iter_ == 5
    assert len(set(network.loss_curve_)) == 5


def test_a_fit_may_be_followed_by_partial_fits(blobs):
    network = MLPClassifier(max_iter=3, n_iter_no_change=None, random_state=0).fit(*blobs)
    last = network.loss_
    network.partial_fit(*blobs).partial_fit(*blobs)
    assert [row["epoch"] for row in network.history_] == [1, 2, 3, 4, 5]
    assert network.loss_ < last


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_fit_that_fails_leaves_nothing_behind(blobs, kind):
    X, y = blobs
    network = kind(max_iter=2, n_iter_no_change=None).fit(X, y)
    with pytest.raises(NonFiniteError):
        network.set_params(learning_rate_init=1e38, optimizer="sgd", max_iter=50).fit(X, y)
    with pytest.raises(NotFittedError):
        network.predict(X)


def test_tensors_and_lists_are_records_too(blobs):
    X, y = blobs
    network = MLPClassifier(max_iter=2, n_iter_no_change=None, random_state=0)
    expected = network.fit(X, y).predict_proba(X)
    given = network.fit(torch.tensor(X), torch.tensor(y)).predict_proba(torch.tensor(X))
    np.testing.assert_array_equal(given, expected)
    np.testing.assert_array_equal(network.fit(X.tolist(), y.tolist()).predict_proba(X), expected)


def test_lines_go_to_the_error_stream(blobs, capsys):
    MLPClassifier(verbose=True, early_stopping=True, max_iter=2, schedule="cosine").fit(*blobs)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert err.startswith("epoch 1: loss ")
    assert "validation accuracy" in err


def test_pipelines_and_grids():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(schedule="one_cycle", random_state=0)),
        {"mlpclassifier__hidden_layer_sizes": [(2,), (30,)]},
        cv=3,
    ).set_params(
        estimator__mlpclassifier__max_iter=40, estimator__mlpclassifier__learning_rate_init=0.02
    )
    search.fit(*load_iris(return_X_y=True))
    assert search.best_score_ > 0.92


def test_wine_is_learned_as_well_as_by_scikit_learn():
    X, y = load_wine(return_X_y=True)
    network = MLPClassifier(max_iter=100, n_iter_no_change=None, random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), network), X, y).mean() > 0.96


def test_engines_give_the_same_estimator():
    X, y = load_iris(return_X_y=True)
    fitted = [
        MLPClassifier((8,), max_iter=15, n_iter_no_change=None, random_state=0, engine=engine).fit(
            X, y
        )
        for engine in ("compiled", "autograd")
    ]
    for a, b in zip(fitted[0].coefs_, fitted[1].coefs_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_l1_makes_weights_small_and_stop_rules_stop():
    X, y = load_iris(return_X_y=True)
    settings_ = {"max_iter": 150, "n_iter_no_change": None, "random_state": 0, "alpha": 0.0}
    free = MLPClassifier((16,), **settings_).fit(X, y)
    sparse = MLPClassifier((16,), l1=5.0, **settings_).fit(X, y)
    share = [
        np.mean(np.abs(np.concatenate([c.ravel() for c in m.coefs_])) < 0.01)
        for m in (free, sparse)
    ]
    assert share[1] > 3 * share[0]
    assert MLPClassifier((16,), error_rate=0.5, **settings_).fit(X, y).n_iter_ < 150
    assert MLPClassifier((16,), weight_tol=0.05, **settings_).fit(X, y).n_iter_ < 150


def test_one_class_is_nothing_to_learn() -> None:
    X = np.arange(12.0).reshape(6, 2)
    with pytest.raises(DataError, match="all records are of one class, yes"):
        MLPClassifier().fit(X, ["yes"] * 6)
