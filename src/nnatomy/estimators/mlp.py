"""The multi-layer perceptron as scikit-learn estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import validate_data

from nnatomy.errors import DataError, SettingError
from nnatomy.estimators.classes import announced_classes, class_indices, several_classes
from nnatomy.estimators.multilayer import MultilayerPerceptron
from nnatomy.estimators.records import Records, check_weights

ClassWeight = Mapping[Any, float] | Literal["balanced"] | None


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multi-layer perceptron that tells classes apart.

    It makes the cross-entropy -Σ_k t_k log p_k of softmax outputs small, plus α/(2m) Σ w² over
    the weights of the layers, m being the number of records of a step.
    Source: Rumelhart, Hinton, Williams 1986, Nature 323.

    Inputs are taken as they are; training computes in float32, prediction in the precision of its
    inputs. Parameters have scikit-learn's names and
    meanings; it differs from scikit-learn's class of this name in the rules of descent
    (`optimizer`), in dropout, batch normalization, initialization and clipping, in one softmax
    output a class for two classes too, and in that it does not take several labels a record.

    Args:
        hidden_layer_sizes: Width of each hidden layer.
        activation: Of the hidden units, see nnatomy.nn.activations; "logistic" is "sigmoid".
        optimizer: Name of the update rule, see nnatomy.training.optimizers.
        alpha: α of the penalty on the weights.
        batch_size: Records a step; "auto" is min(200, N).
        learning_rate_init: Learning rate; the highest one where the schedule varies it.
        schedule: How the learning rate varies, see nnatomy.training.schedules.
        max_iter: Epochs at most.
        shuffle: Draw the records in a new order each epoch.
        random_state: Seed, generator, or None for a new result each time.
        tol: What counts as an improvement.
        verbose: Write a line an epoch to the error stream.
        warm_start: Go on from the present weights when fit is called again.
        momentum: γ of momentum, nesterov and rmsprop.
        early_stopping: Hold out records, stop when their score stops to improve, and keep the
            weights of the best epoch. Otherwise the training loss decides.
        validation_fraction: Share of the records held out, in the proportions of the classes.
        n_iter_no_change: Epochs without improvement before training stops; None for never.
        dropout: Probability with which a hidden unit is silenced in training.
        batch_norm: Normalize each hidden pre-activation over the batch.
        init: How weights start, see nnatomy.nn.initialization.
        residual: Add its inputs to what each hidden layer of their width makes of them, see
            nnatomy.models.mlp; there must be such a layer.
        clip_norm: Gradients with a larger norm are scaled down to it. None: never.
        l1: λ of the penalty λ/(2m) Σ |w| on the weights.
        weight_tol: Stop when ‖Δw‖ <= weight_tol ‖w‖ over an epoch.
        error_rate: Stop when the share of training records in error reaches it. None: never.
        engine: "auto", "compiled" or "autograd": what computes the steps.
        class_weight: Weight of each class by its label, or "balanced" for N / (K n_k).
        device: "auto", "cpu", "cuda", "mps" or "cuda:1".

    Attributes:
        classes_: (K,) labels in the order of the outputs.
        n_features_in_: Number of input values d.
        feature_names_in_: Names of the columns, where a data frame had them.
        n_outputs_: Number of output units.
        network_: The trained module.
        history_: One row (a dict) an epoch.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> network = MLPClassifier((20,), learning_rate_init=0.01, random_state=0).fit(X, y)
        >>> bool(network.score(X, y) > 0.95)
        True
    """

    classes_: NDArray[Any]
    _objective = "cross_entropy"

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        optimizer: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-3,
        schedule: str = "constant",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        dropout: float = 0.0,
        batch_norm: bool = False,
        init: str = "default",
        residual: bool = False,
        clip_norm: float | None = None,
        l1: float = 0.0,
        weight_tol: float = 0.0,
        error_rate: float | None = None,
        engine: str = "auto",
        class_weight: ClassWeight = None,
        device: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.init = init
        self.residual = residual
        self.clip_norm = clip_norm
        self.l1 = l1
        self.weight_tol = weight_tol
        self.error_rate = error_rate
        self.engine = engine
        self.class_weight = class_weight
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> MLPClassifier:
        """Learn from records.

        Args:
            X: (N, d) inputs, taken as they are: bring columns to one scale before.
            y: (N,) labels.
            sample_weight: (N,) a record of weight 2 counts like the record twice.

        Raises:
            DataError: There is one class only, the weights cannot be used, a label is new to a
                warm start, or too few records are left for validation.
            SettingError: A parameter has an unusable value.
        """
        labels: NDArray[Any] = column_or_1d(y, warn=True)
        if not self._goes_on():
            self._forget()
            self._noted(labels)
        self._fit(X, labels, sample_weight)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> MLPClassifier:
        """Learn from these records for one epoch, going on from all earlier calls.

        Args:
            X: (N, d) inputs.
            y: (N,) labels, each of `classes`.
            classes: All labels that will ever come; needed at the first call.
            sample_weight: (N,) a record of weight 2 counts like the record twice.

        Raises:
            DataError: `classes` is missing or other than before, or a label is none of them.
            SettingError: A parameter has an unusable value for this way of training.
        """
        if isinstance(self.class_weight, str):
            raise SettingError(
                "class_weight='balanced' needs all records at once: give partial_fit the weight "
                "of each class"
            )
        known = self.classes_ if hasattr(self, "network_") else None
        self.classes_ = announced_classes(classes, known)
        self._partial_fit(X, y, sample_weight)
        return self

    def _noted(self, y: Any) -> Any:
        labels: NDArray[Any] = column_or_1d(y, warn=True)
        self.classes_ = several_classes(labels)
        return labels

    def _checked(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool) -> Records:
        inputs, labels = validate_data(self, X, y, reset=fresh, dtype=np.float32, order="C")
        weights = check_weights(sample_weight, len(labels))
        targets = class_indices(column_or_1d(labels), self.classes_)
        if self.class_weight is not None:
            factors = compute_sample_weight(self.class_weight, labels)
            weights = factors if weights is None else weights * factors
        self.n_outputs_ = len(self.classes_)
        return Records(inputs, targets, weights).weighted()

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each record, (N,)."""
        predicted = self._predicted(X).argmax(1).numpy()
        labels: NDArray[Any] = self.classes_[predicted]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Probability of each class, (N, K)."""
        probabilities: NDArray[np.floating[Any]] = self._predicted(X).softmax(1).numpy()
        return probabilities

    def predict_log_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Logarithm of the probability of each class, (N, K); finite where that is 0."""
        logarithms: NDArray[np.floating[Any]] = self._predicted(X).log_softmax(1).numpy()
        return logarithms


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multi-layer perceptron that learns numbers.

    It makes ½ Σ_d (t_d - y_d)² small, averaged over the records, plus α/(2m) Σ w² over the
    weights of the layers, m being the number of records of a step. Inputs and targets are taken
    as they are and computed in float32. Source: Rumelhart, Hinton, Williams 1986, Nature 323.

    Args:
        hidden_layer_sizes: Width of each hidden layer.
        activation: Of the hidden units, see nnatomy.nn.activations; "logistic" is "sigmoid".
        optimizer: Name of the update rule, see nnatomy.training.optimizers.
        alpha: α of the penalty on the weights.
        batch_size: Records a step; "auto" is min(200, N).
        learning_rate_init: Learning rate; the highest one where the schedule varies it.
        schedule: How the learning rate varies, see nnatomy.training.schedules.
        max_iter: Epochs at most.
        shuffle: Draw the records in a new order each epoch.
        random_state: Seed, generator, or None for a new result each time.
        tol: What counts as an improvement.
        verbose: Write a line an epoch to the error stream.
        warm_start: Go on from the present weights when fit is called again.
        momentum: γ of momentum, nesterov and rmsprop.
        early_stopping: Hold out records, stop when their R² stops to improve, and keep the
            weights of the best epoch. Otherwise the training loss decides.
        validation_fraction: Share of the records held out.
        n_iter_no_change: Epochs without improvement before training stops; None for never.
        dropout: Probability with which a hidden unit is silenced in training.
        batch_norm: Normalize each hidden pre-activation over the batch.
        init: How weights start, see nnatomy.nn.initialization.
        residual: Add its inputs to what each hidden layer of their width makes of them, see
            nnatomy.models.mlp; there must be such a layer.
        clip_norm: Gradients with a larger norm are scaled down to it. None: never.
        l1: λ of the penalty λ/(2m) Σ |w| on the weights.
        weight_tol: Stop when ‖Δw‖ <= weight_tol ‖w‖ over an epoch.
        error_rate: Stop when 1 - R² on the training records, the unexplained share of the
            variance, reaches it. None: never.
        engine: "auto", "compiled" or "autograd": what computes the steps.
        device: "auto", "cpu", "cuda", "mps" or "cuda:1".

    Attributes:
        n_features_in_: Number of input values d.
        feature_names_in_: Names of the columns, where a data frame had them.
        n_outputs_: Number of output units D.
        network_: The trained module.
        history_: One row (a dict) an epoch.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(-1, 1, 100)[:, None]
        >>> network = MLPRegressor(learning_rate_init=0.01, random_state=0).fit(X, X[:, 0] ** 2)
        >>> bool(network.score(X, X[:, 0] ** 2) > 0.95)
        True
    """

    _objective = "squared"

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        optimizer: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-3,
        schedule: str = "constant",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        dropout: float = 0.0,
        batch_norm: bool = False,
        init: str = "default",
        residual: bool = False,
        clip_norm: float | None = None,
        l1: float = 0.0,
        weight_tol: float = 0.0,
        error_rate: float | None = None,
        engine: str = "auto",
        device: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.init = init
        self.residual = residual
        self.clip_norm = clip_norm
        self.l1 = l1
        self.weight_tol = weight_tol
        self.error_rate = error_rate
        self.engine = engine
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Learn from records.

        Args:
            X: (N, d) inputs, taken as they are: bring columns to one scale before.
            y: (N,) or (N, D) values.
            sample_weight: (N,) a record of weight 2 counts like the record twice.

        Raises:
            DataError: The weights cannot be used, or too few records are left for validation.
            SettingError: A parameter has an unusable value.
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Learn from these records for one epoch, going on from all earlier calls.

        Args:
            X: (N, d) inputs.
            y: (N,) or (N, D) values.
            sample_weight: (N,) a record of weight 2 counts like the record twice.

        Raises:
            SettingError: A parameter has an unusable value for this way of training.
        """
        self._partial_fit(X, y, sample_weight)
        return self

    def _checked(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool) -> Records:
        inputs, values = validate_data(
            self, X, y, reset=fresh, dtype=np.float32, order="C", multi_output=True, y_numeric=True
        )
        if values.ndim == 2 and values.shape[1] == 1:
            values = column_or_1d(values, warn=True)
        targets = np.ascontiguousarray(values.reshape(len(inputs), -1), dtype=np.float32)
        if fresh:
            self.n_outputs_ = targets.shape[1]
        elif targets.shape[1] != self.n_outputs_:
            raise DataError(f"y has {targets.shape[1]} columns, but had {self.n_outputs_} before")
        return Records(inputs, targets, check_weights(sample_weight, len(inputs))).weighted()

    def predict(self, X: Any) -> NDArray[np.floating[Any]]:
        """The value of each record, (N,), or the values (N, D)."""
        values: NDArray[np.floating[Any]] = self._predicted(X).numpy()
        return values[:, 0] if self.n_outputs_ == 1 else values

    def __sklearn_tags__(self) -> Any:
        """Several values a record can be learned at once."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
