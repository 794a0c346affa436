"""estimator.heal(): what was wrong is found, mended, and written into the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_moons

from nnatomy import MLPClassifier, MLPRegressor

X, Y = make_moons(400, noise=0.15, random_state=0)


def classifier(**parameters: Any) -> MLPClassifier:
    return MLPClassifier((32,), max_iter=60, batch_size=32, random_state=0, **parameters)


def test_a_symmetric_start() -> None:
    model = classifier(init="zeros").heal(X, Y)
    attempt = model.healing_[0]
    assert (attempt["check"], attempt["kept"]) == ("symmetric_start", True)
    assert attempt["before"] < 0.6 < 0.8 < attempt["after"]
    assert model.init == "he_normal"
    assert model.findings_ == []
    assert model.score(X, Y) > 0.85


def test_the_parameters_that_helped_are_those_of_a_new_fit() -> None:
    model = classifier(learning_rate_init=5.0).heal(X, Y)
    assert model.learning_rate_init < 1.0
    assert clone(model).fit(X, Y).score(X, Y) > 0.85


def test_inputs_and_targets_are_scaled_inside_the_network() -> None:
    model = classifier().heal(1000 * X + 5000, Y)
    assert any(a["remedy"] == "standardized inputs" and a["kept"] for a in model.healing_)
    assert model.score(1000 * X + 5000, Y) > 0.85
    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    regressor = MLPRegressor((16,), max_iter=80, random_state=0).heal(inputs, targets)
    assert any(a["remedy"] == "standardized targets" and a["kept"] for a in regressor.healing_)
    predicted = regressor.predict(inputs)
    assert regressor.score(inputs, targets) > 0.4
    assert abs(predicted.mean() - targets.mean()) < 20


def test_a_healthy_fit_is_left_as_it_is() -> None:
    model = classifier(learning_rate_init=0.01)
    before = model.get_params()
    model.heal(X, Y)
    assert model.healing_ == []
    assert model.get_params() == before
    assert len(model.history_) == model.n_iter_


def test_the_same_twice() -> None:
    one, two = (classifier(init="zeros").heal(X, Y) for _ in range(2))
    assert one.healing_ == two.healing_
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_wrong_parameters_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match="max_iter"):
        MLPClassifier(max_iter=0).heal(X, Y)
