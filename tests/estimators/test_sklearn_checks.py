"""scikit-learn's own checks, none of them expected to fail and none skipped."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from nnatomy.estimators.image import ImageClassifier
from nnatomy.estimators.mlp import MLPClassifier, MLPRegressor
from nnatomy.estimators.perceptron import PerceptronClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _array_inputs_are_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this variable scikit-learn skips its check of array-API inputs."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@parametrize_with_checks([PerceptronClassifier(), MLPClassifier(), MLPRegressor()])
def test_estimator(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        PerceptronClassifier(fit_intercept=False, eta0=0.1, tol=None, max_iter=50),
        MLPClassifier((8, 8), activation="tanh", optimizer="rmsprop", learning_rate_init=0.01),
        MLPClassifier((8, 8, 8), residual=True, learning_rate_init=0.01),
        MLPRegressor(
            init="he_normal", optimizer="nesterov", clip_norm=1.0, learning_rate_init=0.01
        ),
    ]
)
def test_estimator_with_other_parameters(estimator, check):
    check(estimator)


class RowsAsImages(ImageClassifier):
    """Rows of d values as images of one line of d pixels, so that the checks of rows apply.

    No check that scikit-learn makes of it is left out. It makes none of sample weights, which
    `fit` does not take, of `partial_fit`, which there is not, and of `n_iter_` beside `max_iter`,
    which is called `epochs` here. What concerns rows alone (`n_features_in_`, the names of
    columns) is done by this class, not by the one that is tested.
    """

    def __init__(self, epochs=40, lr=0.01, random_state=None):
        super().__init__(
            network_settings={"channels": (8,), "hidden": 16, "dropout": 0.0},
            epochs=epochs,
            lr=lr,
            random_state=random_state,
        )

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=np.float32, order="C")
        return super().fit(X[:, None], y)

    def predict(self, X):
        check_is_fitted(self)
        return super().predict(self._lines(X))

    def predict_proba(self, X):
        check_is_fitted(self)
        return super().predict_proba(self._lines(X))

    def score(self, X, y):
        return super().score(self._lines(X), y)

    def _lines(self, X):
        return validate_data(self, X, reset=False, dtype=np.float32, order="C")[:, None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@pytest.mark.parametrize(
    "check",
    [check for _, check in estimator_checks_generator(RowsAsImages())],
    ids=lambda check: getattr(check, "func", check).__name__,
)
def test_images(check):
    check(RowsAsImages())
