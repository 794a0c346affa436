"""Rosenblatt's perceptron as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from nnatomy.errors import DataError, SettingError
from nnatomy.estimators.base import draw_seed, is_whole, number, require, require_types
from nnatomy.estimators.classes import announced_classes, class_indices, distinct_classes
from nnatomy.estimators.records import Records, check_weights, distinct_records, hold_out
from nnatomy.models.perceptron import Perceptron
from nnatomy.training.order import permutation
from nnatomy.zoo.perceptron_rule import PerceptronRule


class PerceptronClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Step units that learn by Rosenblatt's rule: one for two classes, else one a class.

    Records are presented one by one; a unit that is wrong about a record (t a <= 0) takes the
    step w ← w + η t x, b ← b + η t. Training ends after an epoch without a mistake, because
    nothing can change any more; where the classes cannot be separated by hyperplanes, it ends
    when the loss Σ -t a per record stops to fall, with the weights of the last epoch. Computes in
    float64.
    Source: Rosenblatt 1958, The perceptron, Psychological Review 65.

    With `shuffle` the result does not depend on the order of the rows, and equal records follow
    each other; without it records come as they are given, as in scikit-learn's Perceptron.

    Args:
        eta0: Learning rate η; beginning with zero weights it only scales the weights.
        max_iter: Epochs at most.
        tol: The loss must fall by more to count as improved. None: go on until no mistake is made.
        shuffle: Draw the records in a new order each epoch.
        fit_intercept: Whether units have a bias b.
        random_state: Seed, generator, or None for a new order each time.
        early_stopping: Hold out records, stop when their accuracy stops to improve by `tol`, and
            keep the weights of the best epoch.
        validation_fraction: Share of the records held out, in the proportions of the classes.
        n_iter_no_change: Epochs without improvement before training stops.
        warm_start: Go on from the present weights when fit is called again.

    Attributes:
        classes_: (K,) labels.
        coef_: (K, d) weights, (1, d) for two classes.
        intercept_: (K,) biases, (1,) for two classes.
        n_iter_: Epochs since the weights were zero.
        errors_: Mistakes of each epoch, summed over the units.
        loss_curve_: Loss of each epoch per record.
        validation_scores_: Accuracy on the held-out records; None without early stopping.
        n_features_in_: Number of input values d.
        feature_names_in_: Names of the columns, where a data frame had them.

    Example:
        >>> points, is_or = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 1]
        >>> PerceptronClassifier(random_state=0).fit(points, is_or).score(points, is_or)
        1.0
    """

    classes_: NDArray[Any]
    errors_: list[int]
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    def __init__(
        self,
        *,
        eta0: float = 1.0,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        fit_intercept: bool = True,
        random_state: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
    ) -> None:
        self.eta0 = eta0
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.fit_intercept = fit_intercept
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> PerceptronClassifier:
        """Learn from records.

        Args:
            X: (N, d) inputs.
            y: (N,) labels of two or more classes.
            sample_weight: (N,) a record of weight 2 counts like the record presented twice in a
                row; a weight below 1 scales the step.

        Raises:
            DataError: There is one class only, or the weights cannot be used.
            SettingError: A parameter has an unusable value.
        """
        self._check_parameters()
        goes_on = self.warm_start and hasattr(self, "coef_")
        labels: NDArray[Any] = column_or_1d(y, warn=True)
        if not goes_on:
            self.__dict__.pop("coef_", None)  # a fit that fails leaves no weights of other classes
            self.classes_ = distinct_classes(labels)
        records = self._checked(X, labels, sample_weight, fresh=not goes_on)
        random = check_random_state(self.random_state)
        valid = None
        if self.early_stopping:
            train, held = hold_out(records.targets, self.validation_fraction, random, stratify=True)
            records, valid = records.take(train), records.take(held)
        if not goes_on:
            self._begin()
        self._seed = draw_seed(random)
        self._train(records, valid)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> PerceptronClassifier:
        """Present these records once.

        Args:
            X: (N, d) inputs.
            y: (N,) labels, each of `classes`.
            classes: All labels that will ever come; needed at the first call.
            sample_weight: (N,) as in `fit`.

        Raises:
            DataError: `classes` is missing or other than before, or a label is none of them.
            SettingError: A parameter has an unusable value for this way of training.
        """
        self._check_parameters()
        if self.early_stopping:
            raise SettingError("partial_fit has no validation records: set early_stopping=False")
        fresh = not hasattr(self, "coef_")
        self.classes_ = announced_classes(classes, None if fresh else self.classes_)
        records = self._checked(X, y, sample_weight, fresh=fresh)
        if fresh:
            self._begin()
            self._seed = draw_seed(check_random_state(self.random_state))
        records, rule = self._canonical(records), self._rule()
        signs = self._signs(records.targets)
        self._epoch(rule, rule.extended(records.inputs), records, signs)
        self._take(rule.weights)
        return self

    def _check_parameters(self) -> None:
        switches = ("shuffle", "fit_intercept", "early_stopping", "warm_start")
        require_types(self, (), switches)
        for name, met, wanted in (
            ("eta0", 0 < number(self.eta0) < np.inf, "positive"),
            ("max_iter", is_whole(self.max_iter), "a whole number from 1"),
            ("tol", self.tol is None or number(self.tol) >= 0, "at least 0, or None"),
            ("n_iter_no_change", is_whole(self.n_iter_no_change), "a whole number from 1"),
            ("validation_fraction", 0 < number(self.validation_fraction) < 1, "between 0 and 1"),
        ):
            require(name, getattr(self, name), met, wanted)

    def _checked(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool) -> Records:
        inputs, labels = validate_data(self, X, y, reset=fresh, dtype=np.float64, order="C")
        if len(self.classes_) < 2:
            raise DataError(
                f"all records are of one class, {self.classes_[0]}: a perceptron needs two or more"
            )
        weights = check_weights(sample_weight, len(labels))
        targets = class_indices(column_or_1d(labels), self.classes_)
        return Records(inputs, targets, weights).weighted()

    def _begin(self) -> None:
        units = 1 if len(self.classes_) == 2 else len(self.classes_)
        self.coef_ = np.zeros((units, self.n_features_in_))
        self.intercept_ = np.zeros(units)
        self.errors_ = []
        self.loss_curve_ = []
        self.validation_scores_ = None

    @property
    def n_iter_(self) -> int:
        """Epochs since the weights were zero."""
        return len(self.errors_)

    @property
    def network_(self) -> Perceptron:
        """The units as a float32 module: one output for two classes, else one a class."""
        network = Perceptron(self.n_features_in_, len(self.coef_))
        with torch.no_grad():
            network.head.weight.copy_(torch.from_numpy(self.coef_))
            network.head.bias.copy_(torch.from_numpy(self.intercept_))
        return network.eval()

    def _canonical(self, records: Records) -> Records:
        """Records in an order of their own, equal ones merged, where they are shuffled anyway."""
        if not self.shuffle:
            return records
        kept, weights = distinct_records(records.inputs, records.targets, records.weights)
        return Records(records.inputs[kept], records.targets[kept], weights)

    def _rule(self) -> PerceptronRule:
        rule = PerceptronRule(
            len(self.coef_), self.n_features_in_, rate=self.eta0, intercept=self.fit_intercept
        )
        columns = [self.coef_, self.intercept_] if self.fit_intercept else [self.coef_]
        rule.weights = np.column_stack(columns)
        return rule

    def _take(self, weights: NDArray[np.float64]) -> None:
        self.coef_ = weights[:, : self.n_features_in_].copy()
        if self.fit_intercept:
            self.intercept_ = weights[:, -1].copy()

    def _signs(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 where a unit is to fire, else -1, (N, K); of two classes it fires for the second."""
        if len(self.coef_) == 1:
            return np.where(targets == 1, 1.0, -1.0)[:, None]
        return np.where(targets[:, None] == np.arange(len(self.coef_)), 1.0, -1.0)

    def _epoch(
        self,
        rule: PerceptronRule,
        inputs: NDArray[np.float64],
        records: Records,
        signs: NDArray[np.float64],
    ) -> None:
        count = len(records)
        if self.shuffle:
            order = permutation(count, self._seed, self.n_iter_).numpy()
        else:
            order = np.arange(count)
        seen = rule.learn(inputs, signs, order, records.weights)
        self.errors_.append(seen.mistakes)
        self.loss_curve_.append(seen.loss / count)

    def _train(self, records: Records, valid: Records | None) -> None:
        records = self._canonical(records)
        rule, signs = self._rule(), self._signs(records.targets)
        inputs = rule.extended(records.inputs)
        best, waited, kept = np.inf, 0, rule.weights
        for _ in range(int(self.max_iter)):
            self._epoch(rule, inputs, records, signs)
            value = self.loss_curve_[-1] if valid is None else -self._note_score(rule, valid)
            improved = self.tol is None or value <= best - self.tol
            waited = 0 if improved else waited + 1
            if value < best:
                best, kept = value, rule.weights.copy()
            if self.errors_[-1] == 0 or waited >= self.n_iter_no_change:
                break
        else:
            self._warn()
        self._take(rule.weights if valid is None else kept)

    def _note_score(self, rule: PerceptronRule, valid: Records) -> float:
        outputs = rule.extended(valid.inputs) @ rule.weights.T
        found = self._winners(outputs) == valid.targets
        score = float(np.average(found, weights=valid.weights))
        self.validation_scores_ = [*(self.validation_scores_ or []), score]
        return score

    def _warn(self) -> None:
        if self.tol is not None:
            warnings.warn(
                f"max_iter={self.max_iter} epochs ended before the perceptron came to rest: raise "
                "max_iter, or use a network with hidden units",
                ConvergenceWarning,
                stacklevel=4,
            )

    @staticmethod
    def _winners(outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Position of the class of each record, given the pre-activations (N, K)."""
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > 0).astype(np.int64)
        winners: NDArray[np.int64] = outputs.argmax(axis=1)
        return winners

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "coef_")
        inputs = validate_data(self, X, reset=False, dtype=np.float64)
        outputs: NDArray[np.float64] = inputs @ self.coef_.T + self.intercept_
        return outputs

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Pre-activations (N, K); (N,) for two classes, positive for the second."""
        outputs = self._outputs(X)
        return outputs[:, 0] if len(self.coef_) == 1 else outputs

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of the unit with the highest pre-activation, (N,)."""
        winners = self._winners(self._outputs(X))
        labels: NDArray[Any] = self.classes_[winners]
        return labels
