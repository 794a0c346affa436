"""Networks for images as a scikit-learn estimator."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from nnatomy.data.augmentation import (
    Augmentation,
    AugmentedSamples,
    PixelScale,
    augmentation_from,
)
from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.image_files import ImageFiles, scan_images
from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Encoded
from nnatomy.errors import DataError, SettingError, nearest
from nnatomy.estimators.base import EpochLines, NetworkEstimator, draw_seed, require
from nnatomy.estimators.classes import distinct_classes
from nnatomy.estimators.pictures import encode_pictures, paths_in, read_pictures
from nnatomy.estimators.records import hold_out
from nnatomy.explain.explanation import Explanation, join
from nnatomy.explain.methods import explain
from nnatomy.models.catalog import build_network, entry_of
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.objectives import objective_named
from nnatomy.training.settings import Settings, settings_from
from nnatomy.training.starting import (
    PART_SETTINGS,
    begin,
    images_like,
    pixels_like,
    require_start,
    settings_like,
    start_for,
)
from nnatomy.training.weight_source import Start

_VALUES = 3_000_000
"""Input values of a batch that is explained."""


class ImageClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that tells images of different classes apart.

    Images are brought to one size and, by channel, to mean 0 and standard deviation 1 over the
    training images; both is kept and done to every later image. Bytes count from 0 to 255, floats
    keep their scale, and a network trained on one kind takes that kind.

    X is an array of pixels (N, H, W), (N, H, W, C) or (N, C, H, W), the axis of length 1 or 3
    being the channels (the last one when both are); a list of image files; or, with y left out, a
    folder with one folder a class, or a CSV file of paths and labels. A part of a folder called
    "test" is never learned from.

    Args:
        network: Name of a network of nnatomy.models.CATALOG. "auto": that of `start`, or else
            "lenet".
        network_settings: Its settings by name, e.g. {"channels": (16, 32)}; those not given are
            those of `start` where it is of this network.
        epochs: Passes over the images at most. Here and below "auto" is what the catalog
            recommends for the network, or else the default of nnatomy.training.Settings.
        batch_size: Images a step, or "auto".
        lr: Learning rate, or "auto"; the highest one where the schedule varies it.
        schedule: How the learning rate varies, or "auto", see nnatomy.training.schedules.
        optimizer: Name of the update rule, or "auto", see nnatomy.training.optimizers.
        alpha: α of the penalty α/(2m) Σ w² on the weights, m images a step.
        training_settings: Further settings of nnatomy.training.Settings by name, e.g.
            {"momentum": 0.95, "l1": 0.1, "clip_norm": 1.0, "error_rate": 0.01}.
        start: Weights to start from: path of a run folder, of a model file, or of a safetensors
            file in torchvision's format. Images are then coded as they were for these weights, and
            the last layer of the head is new unless it told the same labels apart.
        freeze: Parts of the network that stay as they are, e.g. "features" or a list of names;
            this and the next two are for a network with a start, see `Settings`.
        warm_up: Epochs in which only the head is trained, before the rest joins in.
        earlier_rate: The learning rate of each part as a share of the next part's.
        image_size: Side, or height and width, in pixels. None: that of `start` where it says, or of
            the training images where it is the same for all and at most 224, else a square of their
            median shorter side.
        augment: How training images are varied in every epoch: None, a preset such as "standard"
            or "characters", settings such as "flip=0.5,rotate=15", or an Augmentation. Images
            that are held out or classified stay as they are.
        early_stopping: Hold out images, keep the weights of the epoch with their lowest loss, and
            stop when it has not fallen for `n_iter_no_change` epochs.
        validation_fraction: Share of the images held out, in the proportions of the classes.
        n_iter_no_change: Epochs without improvement before training stops; None for never.
        tol: What counts as an improvement of the validation loss.
        random_state: Seed, generator, or None for a new result each time.
        verbose: Write a line an epoch to the error stream.
        device: "auto", "cpu", "cuda", "mps" or "cuda:1".

    Attributes:
        classes_: (K,) labels in the order of the outputs; names of folders are text.
        network_: The trained module; takes (B, C, H, W) normalized images.
        network_name_: Its name in the catalog.
        transfer_: What was taken over from `start`, as in the transfer.json of a run; None where
            there is none.
        codec_: How images become inputs of the network.
        history_: One row (a dict) an epoch.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> images, labels = load_digits().images, load_digits().target
        >>> network = ImageClassifier(epochs=3, random_state=0).fit(images, labels)
        >>> bool(network.score(images, labels) > 0.9)
        True
    """

    classes_: NDArray[Any]
    codec_: ImageCodec
    network_name_: str
    transfer_: dict[str, Any] | None

    def __init__(
        self,
        network: str = "auto",
        network_settings: Mapping[str, Any] | None = None,
        *,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float | str = "auto",
        schedule: str = "auto",
        optimizer: str = "auto",
        alpha: float = 0.0,
        training_settings: Mapping[str, Any] | None = None,
        start: str | Path | None = None,
        freeze: str | Sequence[str] = (),
        warm_up: int = 0,
        earlier_rate: float = 1.0,
        image_size: int | tuple[int, int] | None = None,
        augment: Augmentation | str | Mapping[str, Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 1e-4,
        random_state: Any = None,
        verbose: bool = False,
        device: str = "auto",
    ) -> None:
        self.network = network
        self.network_settings = network_settings
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.schedule = schedule
        self.optimizer = optimizer
        self.alpha = alpha
        self.training_settings = training_settings
        self.start = start
        self.freeze = freeze
        self.warm_up = warm_up
        self.earlier_rate = earlier_rate
        self.image_size = image_size
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.verbose = verbose
        self.device = device

    def fit(self, X: Any, y: ArrayLike | None = None) -> ImageClassifier:
        """Learn from images.

        Args:
            X: Pixels, files or a folder, as above.
            y: (N,) labels; None for a folder.

        Raises:
            DataError: An image cannot be used, or images and labels do not match.
            SettingError: A parameter or a setting of the network is unknown or unusable, or the
                weights of `start` do not fit the network.
            IntegrityError: The file of these weights is damaged.
        """
        share = self.validation_fraction
        require("validation_fraction", share, 0 < share < 1, "between 0 and 1")
        random = check_random_state(self.random_state)
        weight_seed, seed = (draw_seed(random) for _ in range(2))
        start = self._start()
        name = self._name(start)
        own = settings_like(name, self.network_settings or {}, start)
        settings = self._settings(entry_of(name).training(own), seed)
        augmentation = augmentation_from(self.augment)
        pictures = read_pictures(X, y)
        classes = distinct_classes(pictures.labels)
        train, valid = np.arange(len(pictures.labels)), np.arange(0)
        if self.early_stopping:
            train, valid = hold_out(pictures.labels, share, random, stratify=True)
        codec, train_samples, valid_samples = encode_pictures(
            pictures,
            train,
            valid,
            images_like(ImageSettings(size=self.image_size), start),
            pixels_like(start, name),
        )
        with seeded(weight_seed):
            network = build_network(name, train_samples.input_shape, len(classes), own)
        transfer = None if start is None else self._begin(start, network, name, codec)
        if augmentation.changes:
            scale = PixelScale.of(codec.normalizer, floats=codec.floats)
            train_samples = AugmentedSamples(train_samples, augmentation, scale)
        session = fit(
            network,
            train_samples,
            valid_samples,
            objective=entry_of(name).objectives["classification"],
            settings=settings,
            observers=[EpochLines()] if self.verbose else [],
        )
        self.classes_, self.codec_, self.network_ = classes, codec, network
        self.network_name_, self.transfer_ = name, transfer
        self.history_ = list(session.history)
        return self

    def _start(self) -> Start | None:
        """The weights to start from, read."""
        if self.start is not None:
            path = isinstance(self.start, str | Path)
            require("start", self.start, path, "the path of a run folder or of a file of weights")
        return start_for(self.start, None if self.network == "auto" else self.network)

    def _name(self, start: Start | None) -> str:
        """The catalog's name of the network."""
        if self.network != "auto":
            return self.network
        return "lenet" if start is None or start.network is None else start.network

    def _begin(self, start: Start, network: nn.Module, name: str, codec: ImageCodec) -> Any:
        """What the network took over from the start."""
        record, line = begin(start, network, name, codec.task.classes, codec.to_json())
        if self.verbose:
            sys.stderr.write(f"{line}\n")
        return record

    def _settings(self, defaults: Mapping[str, Any], seed: int) -> Settings:
        own = {
            setting: getattr(self, setting)
            for setting in ("epochs", "batch_size", "lr", "schedule", "optimizer")
            if getattr(self, setting) != "auto"
        }
        common = {
            "l2": self.alpha,
            "patience": self.n_iter_no_change if self.early_stopping else None,
            "tol": self.tol,
            "seed": seed,
            "device": self.device,
            **{setting: getattr(self, setting) for setting in PART_SETTINGS},
        }
        more = dict(self.training_settings or {})
        for setting in more:
            if setting in common or setting in own:
                raise SettingError(
                    f"training_settings: '{setting}' is a parameter of its own; give it there"
                )
        settings = settings_from({**defaults, **own, **common, **more})
        usual = Settings()
        given = [part for part in PART_SETTINGS if getattr(settings, part) != getattr(usual, part)]
        require_start(given, self.start)
        return settings

    def _encoded(self, X: Any, *, labels: bool = False) -> Encoded:
        """Images as inputs of the network; with labels, those of a folder's test part if any."""
        check_is_fitted(self, "network_")
        if isinstance(X, (str, Path)):
            files = scan_images(X)
            encoded = self.codec_.encode(
                _test_part(files, X) if labels else replace(files, labels=None)
            )
        else:
            encoded = self.codec_.encode(_images_in(X))
        for rejected in encoded.rejected:
            raise DataError(f"{rejected.file} {rejected.line}: {rejected.reason}")
        return encoded

    def _probabilities(self, encoded: Encoded) -> NDArray[np.float32]:
        outputs = outputs_of(self.network_, encoded.samples)[0]
        objective = entry_of(self.network_name_).objectives["classification"]
        decoded = objective_named(objective).decode(outputs)
        probabilities: NDArray[np.float32] = decoded.cpu().numpy()
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each image, (N,); X as for `fit`."""
        winners = self._probabilities(self._encoded(X)).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[winners]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Probability of each class, (N, K); X as for `fit`."""
        return self._probabilities(self._encoded(X))

    def score(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Share of the images whose class is found.

        Args:
            X: Images, as for `fit`. Of a folder with a part called "test", and of a list with a
                column split, only these test images count: the others were learned from.
            y: (N,) labels; None for a folder of classes.
            sample_weight: (N,) weights of the images.

        Raises:
            DataError: There are no labels, or no test images beside those for training.
        """
        encoded = self._encoded(X, labels=y is None)
        truth = encoded.truth if y is None else y
        if truth is None:
            raise DataError("score requires y, the label of each image, unless X is a folder")
        predicted = self.classes_[self._probabilities(encoded).argmax(axis=1)]
        return float(accuracy_score(truth, predicted, sample_weight=sample_weight))

    def explain(self, X: Any, target: Any = None, *, method: str = "auto") -> Explanation:
        """Where the network looks: a signed map an image, blue in pictures where positive.

        Args:
            X: Images, as for `fit`.
            target: Class to look for, one label for all or (N,) labels; None for the predicted one.
            method: A name in nnatomy.explain.METHODS.

        Returns:
            Maps `values` (N, H, W) at the size of the network's images, and their `faithfulness`,
            which is computed when it is asked for.

        Raises:
            DataError: An image cannot be used.
            SettingError: A label was not learned, or the method does not fit the network.
        """
        encoded = self._encoded(X)
        count = len(encoded.names)
        indices = None if target is None else self._indices(target, count)
        size = max(1, min(64, _VALUES // prod(encoded.samples.input_shape)))
        parts = []
        for first, batch in zip(
            range(0, count, size), encoded.samples.batches(None, size), strict=True
        ):
            chosen = None if indices is None else indices[first : first + size]
            parts.append(explain(self.network_, batch.inputs, chosen, method=method))
        return join(parts)

    def _indices(self, target: Any, count: int) -> NDArray[np.int64]:
        """Outputs of labels, (N,)."""
        labels = [target] * count if np.ndim(target) == 0 else list(target)
        if len(labels) != count:
            raise SettingError(f"target has {len(labels)} labels for {count} images")
        known = {label: k for k, label in enumerate(self.classes_.tolist())}
        for label in labels:
            if label not in known:
                hint = nearest(str(label), map(str, known))
                raise SettingError(f"target {label!r} was not among the labels of fit: {hint}")
        return np.array([known[label] for label in labels], np.int64)

    def __sklearn_tags__(self) -> Any:
        """Takes images, not rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _test_part(files: ImageFiles, source: str | Path) -> ImageFiles:
    chosen = files.part("test")
    if not chosen.paths:
        raise DataError(
            f"{source}: has images for training, but no test images; give the folder to score"
        )
    return chosen


def _images_in(source: Any) -> Any:
    """Paths or pixels."""
    if len(source) == 0:
        raise DataError("X holds no images")
    return paths_in(source) or np.asarray(source)
