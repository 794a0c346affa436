"""What the classifier and the regressor made of a multi-layer perceptron share."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import DataError, SettingError
from nnatomy.estimators.base import (
    EpochLines,
    NetworkEstimator,
    draw_seed,
    is_whole,
    number,
    require,
    require_types,
    warn_if_unfinished,
)
from nnatomy.estimators.healing import (
    ARCHITECTURE,
    attempts_of,
    changed_parameters,
    heal_records,
    healed_network,
)
from nnatomy.estimators.records import Records, distinct_records, hold_out, tensor_of
from nnatomy.models.mlp import MLP
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.session import Session
from nnatomy.training.settings import Engine, Settings
from nnatomy.training.state import State

_Estimator = TypeVar("_Estimator", bound="MultilayerPerceptron")

_LARGEST_BATCH = 200
_HEALING_SHARE = 0.2
"""Of the records, held out to judge remedies by."""
_ALIASES = {"logistic": "sigmoid"}
_TEXTS = ("activation", "optimizer", "schedule", "init", "engine", "device")
_SWITCHES = ("shuffle", "warm_start", "early_stopping", "batch_norm", "residual")


class MultilayerPerceptron(NetworkEstimator):
    """What the classifier and the regressor share; parameters are described there."""

    hidden_layer_sizes: int | Sequence[int]
    activation: str
    optimizer: str
    alpha: float
    batch_size: int | str
    learning_rate_init: float
    schedule: str
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int | None
    dropout: float
    batch_norm: bool
    init: str
    residual: bool
    clip_norm: float | None
    l1: float
    weight_tol: float
    error_rate: float | None
    engine: str
    device: str

    n_outputs_: int
    _objective: str
    _seed: int
    _state: State | None

    @abstractmethod
    def _checked(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool) -> Records:
        """Check the records and, when `fresh`, note the number of inputs and outputs."""

    def _noted(self, y: Any) -> Any:
        """The answers, after noting what they are."""
        return y

    @property
    def coefs_(self) -> list[NDArray[np.float32]]:
        """Weights of each layer, (units below, units)."""
        return [layer.weight.detach().cpu().numpy().T.copy() for layer in self._layers()]

    @property
    def intercepts_(self) -> list[NDArray[np.float32]]:
        """Biases of each layer, (units,)."""
        return [layer.bias.detach().cpu().numpy().copy() for layer in self._layers()]

    @property
    def n_layers_(self) -> int:
        """Layers of units, the inputs counted."""
        return 1 + len(self._layers())

    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.network_.modules() if isinstance(layer, nn.Linear)]

    def _goes_on(self) -> bool:
        """Whether a call of fit goes on from the present weights."""
        return self.warm_start and hasattr(self, "network_")

    def _forget(self) -> None:
        """Be unfitted, so that a fit that fails leaves no network beside the classes of another."""
        for name in ("network_", "healing_", "findings_"):
            self.__dict__.pop(name, None)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train until the stop rule or the epoch limit ends it."""
        self._check_parameters()
        fresh = not self._goes_on()
        if fresh:
            self._forget()
        records = self._checked(X, y, sample_weight, fresh=fresh)
        random = check_random_state(self.random_state)
        network = self._drawn_network(random) if fresh else self.network_
        self._seed, self._state, valid = draw_seed(random), None, None
        if self.early_stopping:
            train, held = hold_out(
                records.targets,
                self.validation_fraction,
                random,
                stratify=self._objective == "cross_entropy",
            )
            valid, records = records.take(held), records.take(train)
        session = self._train(
            network, records, valid, epochs=self.max_iter, patience=self.n_iter_no_change
        )
        warn_if_unfinished(session, "max_iter")

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """One epoch over these records; optimizer, order and dropout go on where they were."""
        self._check_parameters()
        if self.early_stopping:
            raise SettingError("partial_fit has no validation records: set early_stopping=False")
        if self.schedule in ("cosine", "one_cycle"):
            raise SettingError(
                f"schedule {self.schedule!r} needs a known end, which partial_fit has not: use "
                "'constant' or 'step'"
            )
        fresh = not hasattr(self, "network_")
        records = self._checked(X, y, sample_weight, fresh=fresh)
        if fresh:
            random = check_random_state(self.random_state)
            network = self._drawn_network(random)
            self._seed, self._state = draw_seed(random), None
        else:
            network = self.network_
        epoch = 1 if self._state is None else self._state.values["epoch"] + 1
        state = self._train(network, records, None, epochs=epoch, patience=None).capture()
        state.values["history"] = []  # the estimator keeps it
        self._state = state

    def heal(self: _Estimator, X: Any, y: Any, sample_weight: Any = None) -> _Estimator:
        """Fit, say what is wrong with the training, and keep the remedies that verifiably help.

        A fifth of the records (or `validation_fraction`, if larger) is held out; every remedy is
        tried on the others with the same seed and kept where the held-out score rises (by half a
        point and two records at least). These scores chose, so they are a little too good for new
        records. The parameters are set to what was kept, and the fitted network is that of the
        last run. Scaling of inputs and targets becomes part of the network, not a parameter: a
        clone that is fitted again does without. No input is ever left out.

        Args:
            X: (N, d) inputs.
            y: (N,) labels, or (N,) or (N, D) values.
            sample_weight: (N,) a record of weight 2 counts like the record twice.

        Returns:
            Itself, with `healing_` (every attempt: check, remedy, scores before and after, whether
            it was kept) and `findings_` (what is still wrong).

        Raises:
            DataError: As in `fit`.
            SettingError: A parameter has an unusable value.
        """
        self._check_parameters()
        self._forget()
        records = self._checked(X, self._noted(y), sample_weight, fresh=True)
        random = check_random_state(self.random_state)
        self._seed, self._state = draw_seed(random), None
        try:
            train, held = hold_out(
                records.targets,
                max(self.validation_fraction, _HEALING_SHARE),
                random,
                stratify=self._objective == "cross_entropy",
            )
        except ValueError as error:
            raise DataError(f"heal cannot hold out a fifth of the records: {error}") from None
        parts = records.take(train), records.take(held)
        names = ARCHITECTURE.items()
        architecture = {name: getattr(self, own) for name, own in names} | {
            "hidden": tuple(int(width) for width in self._widths()),
            "activation": _ALIASES.get(self.activation, self.activation),
        }
        settings = self._settings(parts[0], self.max_iter, self.n_iter_no_change)
        healing = heal_records(architecture, settings, self._objective, parts, self.n_outputs_)
        self.set_params(**changed_parameters(healing))
        self.network_ = healed_network(healing, torch.from_numpy(parts[0].targets))
        self.history_ = list(healing.after.session.history)
        self.healing_ = attempts_of(healing)
        self.findings_ = [finding.to_json() for finding in healing.left]
        return self

    def _train(
        self,
        network: nn.Module,
        records: Records,
        valid: Records | None,
        *,
        epochs: int,
        patience: int | None,
    ) -> Session:
        records = self._canonical(records)
        session = fit(
            network,
            records.samples(),
            None if valid is None else valid.samples(),
            objective=self._objective,
            settings=self._settings(records, epochs, patience),
            observers=[EpochLines()] if self.verbose else [],
            state=self._state,
        )
        earlier = self.history_ if hasattr(self, "network_") else []
        self.network_ = network
        self.history_ = [
            *earlier,
            *({**row, "epoch": len(earlier) + i + 1} for i, row in enumerate(session.history)),
        ]
        return session

    def _check_parameters(self) -> None:
        require_types(self, _TEXTS, _SWITCHES)
        patience, clip, batch = self.n_iter_no_change, self.clip_norm, self.batch_size
        error = self.error_rate
        for name, met, wanted in (
            ("hidden_layer_sizes", all(map(is_whole, self._widths())), "whole numbers from 1"),
            ("max_iter", is_whole(self.max_iter), "a whole number from 1"),
            ("batch_size", is_whole(batch) or batch == "auto", "'auto' or a whole number from 1"),
            ("learning_rate_init", 0 < number(self.learning_rate_init) < math.inf, "positive"),
            ("alpha", 0 <= number(self.alpha) < math.inf, "at least 0"),
            ("l1", 0 <= number(self.l1) < math.inf, "at least 0"),
            ("weight_tol", 0 <= number(self.weight_tol) < 1, "at least 0 and below 1"),
            ("error_rate", error is None or 0 <= number(error) < 1, "from 0 to below 1, or None"),
            ("tol", 0 <= number(self.tol) < math.inf, "at least 0"),
            ("momentum", 0 <= number(self.momentum) < 1, "at least 0 and below 1"),
            ("dropout", 0 <= number(self.dropout) < 1, "at least 0 and below 1"),
            ("clip_norm", clip is None or number(clip) > 0, "positive, or None"),
            ("validation_fraction", 0 < number(self.validation_fraction) < 1, "between 0 and 1"),
            (
                "n_iter_no_change",
                patience is None or is_whole(patience),
                "a whole number from 1, or None",
            ),
        ):
            require(name, getattr(self, name), met, wanted)

    def _widths(self) -> list[Any]:
        return np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()  # type: ignore[no-any-return]

    def _drawn_network(self, random: np.random.RandomState) -> nn.Module:
        with seeded(draw_seed(random)):
            return MLP(
                self.n_features_in_,
                self.n_outputs_,
                hidden=[int(width) for width in self._widths()],
                activation=_ALIASES.get(self.activation, self.activation),
                dropout=self.dropout,
                batch_norm=self.batch_norm,
                init=self.init,
                residual=self.residual,
            )

    def _canonical(self, records: Records) -> Records:
        """Records whose sums do not depend on their order, where one step takes in all of them.

        The gradient of the whole set knows no order; summed in one that depends on the set alone
        it makes weights and repetitions the same to the last bit.
        """
        one_step = self._batch_size(len(records)) >= len(records)
        mixing = self.dropout > 0 or self.batch_norm  # a record's part depends on its neighbors
        if mixing or not one_step:
            return records
        kept, weights = distinct_records(records.inputs, records.targets, records.weights)
        equal = bool((weights == 1).all())
        return Records(records.inputs[kept], records.targets[kept], None if equal else weights)

    def _batch_size(self, count: int) -> int:
        size = _LARGEST_BATCH if self.batch_size == "auto" else int(self.batch_size)
        return min(size, count)

    def _settings(self, records: Records, epochs: int, patience: int | None) -> Settings:
        size = self._batch_size(len(records))
        # The penalty's m is the number of records, a record of weight 2 counting twice.
        mean_weight = 1.0 if records.weights is None else float(records.weights.mean())
        return Settings(
            epochs=int(epochs),
            batch_size=size,
            lr=self.learning_rate_init,
            optimizer=self.optimizer,
            momentum=self.momentum,
            schedule=self.schedule,
            l2=self.alpha / mean_weight,
            l1=self.l1 / mean_weight,
            clip_norm=self.clip_norm,
            weight_tol=self.weight_tol,
            error_rate=self.error_rate,
            engine=cast("Engine", self.engine),
            shuffle=self.shuffle and size < len(records),
            patience=patience,
            tol=self.tol,
            monitor="score",
            seed=self._seed,
            device=self.device,
        )

    def _predicted(self, X: Any) -> Tensor:
        """Pre-activations of the output units, (N, K), in the precision of the inputs.

        In double precision they do not depend on how many records are asked for at once.
        """
        check_is_fitted(self, "network_")
        inputs = validate_data(self, X, reset=False, dtype=(np.float64, np.float32), order="C")
        network = self.network_
        if inputs.dtype == np.float64:
            network = copy.deepcopy(network).cpu().double()
        return outputs_of(network, TensorSamples(tensor_of(inputs), torch.zeros(len(inputs))))[
            0
        ].cpu()
