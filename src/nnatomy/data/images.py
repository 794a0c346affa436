"""Images, from a folder, a list or an array, prepared for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnatomy.data.image_codec import MEMORY_LIMIT, ImageCodec, ImageSamples, make_samples
from nnatomy.data.image_decode import Fit, Framing, Header
from nnatomy.data.image_files import ImageFiles, scan_images
from nnatomy.data.image_load import Loaded, as_image_array
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.image_records import ImageRecords, records_of_array, records_of_files
from nnatomy.data.image_report import image_report, show_image
from nnatomy.data.prefetch import default_workers
from nnatomy.data.prepared import Prepared
from nnatomy.data.quality import Rejected
from nnatomy.data.split import Split, SplitPlan, split_records
from nnatomy.data.task import Task
from nnatomy.errors import DataError, SettingError

LARGEST_DEFAULT = 224
"""The side that is chosen for large photos when the user names none."""

_SIDE_STEP = 8
_SETS = ("train", "valid", "test")


@dataclass(frozen=True)
class ImageSettings:
    """How images are read.

    Args:
        size: Side, or height and width, in pixels. None: the training images' own size when it
            is the same for all and at most 224 a side; else a square of their median shorter
            side, rounded to a multiple of 8 and at most 224.
        channels: 1 or 3. None: 1 when all training images are grey, else 3.
        fit: "crop", "squash" or "pad" images of other proportions; see `Framing`.
        workers: Threads that unpack files; None for one a processor.
        max_rejected: Share of the records that may be unusable.
        memory_limit: Unpacked images of up to this many bytes are kept in memory; beyond, they
            are read from their files in each epoch.
    """

    size: int | tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "crop"
    workers: int | None = None
    max_rejected: float = 0.05
    memory_limit: int = MEMORY_LIMIT

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SettingError(f"workers: {self.workers} is not 1 or more")
        if not 0 <= self.max_rejected <= 1:
            raise SettingError(f"max_rejected: {self.max_rejected} is not a share from 0 to 1")
        self.framing([Header(8, 8, True, "")])  # says now what is wrong with size, channels, fit

    def framing(self, headers: Sequence[Header], white: int = 65_535) -> Framing:
        """The form of the network's images.

        Args:
            headers: Those of the training images.
            white: What `white_level` gives for the training images.
        """
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        seen = 1 if all(header.grey for header in headers) else 3
        channels = seen if self.channels is None else self.channels
        return Framing(size or _default_size(headers), channels, self.fit, white)


def prepare_images(
    source: Any,
    *,
    target: str | None = None,
    task: str | None = None,
    plan: SplitPlan | None = None,
    settings: ImageSettings | None = None,
    like: Normalizer | ImageCodec | None = None,
) -> Prepared:
    """Check, split and encode labelled images.

    Every file is opened before training; what cannot be used is listed with its reason. Size,
    channels and statistics come from the training images alone. A split that the folders give is
    kept; a validation or test set that they lack is taken from their training set.

    Args:
        source: A folder or CSV file (see `scan_images`), a scan's result, or a pair
            (images, labels) of arrays (see `as_image_array`). Float arrays keep their scale: they
            are stored as float32 and normalized by their own statistics.
        target: Name of the label column of a CSV file; of the labels, for arrays.
        task: "classification" or "regression"; None to infer it from the labels.
        plan: Shares and seed of the split.
        settings: Size, channels and other settings of the images.
        like: How other images were coded, for a network that learned from those: their statistics,
            or the codec, which also says what is white in 16-bit images where they had such of
            fewer bits. By default all of it comes from the training images.

    Raises:
        DataError: There are no images or labels, only one class, or too many unusable records.
    """
    plan, settings = plan or SplitPlan(), settings or ImageSettings()
    if plan.group is not None or plan.time is not None:
        raise SettingError("split: images have no columns to group or to order them by")
    workers = settings.workers or default_workers()
    if isinstance(source, (str, Path, ImageFiles)):
        files = source if isinstance(source, ImageFiles) else scan_images(source, target=target)
        records = records_of_files(files, task, workers=workers)
    else:
        images, labels = source
        records = records_of_array(as_image_array(images), labels, task, target or "label")
    split = _divide(records, plan)
    normalizer = like.normalizer if isinstance(like, ImageCodec) else like
    white = like.framing.white if isinstance(like, ImageCodec) else Framing.white
    if white == Framing.white:
        white = records.white(split.train, workers=workers)
    framing = settings.framing([records.headers[i] for i in split.train], white)
    order = np.concatenate([split.train, split.valid, split.test])
    keep = len(order) * int(np.prod(framing.shape)) <= settings.memory_limit
    loaded = records.load(order, framing, fitted=len(split.train), keep=keep, workers=workers)
    usable = _usable_records(records, split, loaded)
    _check_rejected(records, usable, settings.max_rejected)
    _check_sets(records, usable, split, plan)
    prepared = _assemble(
        records, usable, framing, loaded, settings, normalizer or loaded.moments.result()
    )
    prepared.report.split_method = split.method
    return prepared


def _default_size(headers: Sequence[Header]) -> tuple[int, int]:
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST_DEFAULT:
        return sizes.pop()
    median = float(np.median([min(header.height, header.width) for header in headers]))
    side = max(_SIDE_STEP, round(median / _SIDE_STEP) * _SIDE_STEP)
    return (min(side, LARGEST_DEFAULT),) * 2


def _divide(records: ImageRecords, plan: SplitPlan) -> Split:
    if records.splits is None:
        return _draw(records, np.arange(len(records.names)), plan)
    given = np.array(records.splits)
    train, valid, test = (np.flatnonzero(given == name) for name in _SETS)
    if len(train) == 0:
        raise DataError(f"{records.source}: no usable image is for training")
    if len(valid) and len(test):
        return Split(train, valid, test, "given by the source")
    drawn = _draw(records, train, plan)
    if not len(valid) and not len(test):
        return drawn
    if len(test):
        train = np.sort(np.concatenate([drawn.train, drawn.test]))
        return Split(train, drawn.valid, test, f"test given by the source; valid: {drawn.method}")
    train = np.sort(np.concatenate([drawn.train, drawn.valid]))
    return Split(train, valid, drawn.test, f"valid given by the source; test: {drawn.method}")


def _draw(records: ImageRecords, positions: NDArray[np.int64], plan: SplitPlan) -> Split:
    labels = None
    if records.task.kind == "classification":
        labels = np.array([str(records.labels[i]) for i in positions])
    drawn = split_records(len(positions), plan, labels=labels)
    return Split(
        positions[drawn.train], positions[drawn.valid], positions[drawn.test], drawn.method
    )


@dataclass(frozen=True)
class _Part:
    """One set: positions among the records, and rows among the loaded images."""

    positions: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class _Usable:
    """The sets without the images that cannot be used, the task they leave, and the others."""

    parts: dict[str, _Part]
    task: Task
    rejected: list[Rejected]


def _assemble(
    records: ImageRecords,
    usable: _Usable,
    framing: Framing,
    loaded: Loaded,
    settings: ImageSettings,
    normalizer: Normalizer,
) -> Prepared:
    parts, task = usable.parts, usable.task
    mean, std = 0.0, 1.0
    if task.kind == "regression":
        answers = [float(records.labels[i]) for i in parts["train"].positions]
        mean, std = float(np.mean(answers)), float(np.std(answers)) or 1.0
    codec = ImageCodec(task, framing, normalizer, records.floats, mean, std)

    def samples(part: _Part) -> ImageSamples:
        pixels = None if loaded.pixels is None else _taken(loaded.pixels, part.rows)
        paths = [records.paths[i] for i in part.positions] if pixels is None else []
        targets = codec.encode_target([records.labels[i] for i in part.positions])
        return make_samples(pixels, paths, targets, codec, settings.workers)

    sets = {name: samples(part) for name, part in parts.items()}
    report = image_report(
        records,
        {name: part.positions for name, part in parts.items()},
        {name: [loaded.digests[row] for row in part.rows] for name, part in parts.items()},
        codec,
    )
    report.rejected = usable.rejected
    test_names = [records.names[i] for i in parts["test"].positions]
    return Prepared(
        train=sets["train"],
        valid=sets["valid"],
        test=sets["test"],
        codec=codec,
        report=report,
        input_shape=(framing.channels, *framing.size),
        test_names=test_names,
        show=partial(show_image, sets["test"], test_names),
    )


def _usable_records(records: ImageRecords, split: Split, loaded: Loaded) -> _Usable:
    """The sets without unreadable images, and without classes that no training image shows."""
    order = np.concatenate([split.train, split.valid, split.test])
    rejected = list(records.rejected)
    rejected += [Rejected(*records.places[int(order[i])], why) for i, why in loaded.reasons.items()]
    kept = np.array(loaded.kept, np.int64)
    bounds = np.searchsorted(kept, np.cumsum([len(split.train), len(split.valid)]))
    task = records.task
    rows = np.arange(len(kept))
    if task.kind == "classification":
        shown = {records.labels[i] for i in order[kept[: bounds[0]]]}
        unseen = [row for row in rows if records.labels[order[kept[row]]] not in shown]
        for row in unseen:
            i = int(order[kept[row]])
            why = f"no usable training image of class {records.labels[i]!r}"
            rejected.append(Rejected(*records.places[i], why))
        rows = np.setdiff1d(rows, unseen)
        task = replace(task, classes=tuple(label for label in task.classes if label in shown))
        if len(task.classes) < 2:
            only = ", ".join(repr(label) for label in task.classes)
            raise DataError(f"{records.source}: only one class ({only}) has usable images")
    pieces = np.split(rows, np.searchsorted(rows, bounds))
    parts = {
        name: _Part(order[kept[piece]], piece) for name, piece in zip(_SETS, pieces, strict=True)
    }
    return _Usable(parts, task, rejected)


def _taken(pixels: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Rows of the pixels; as a view, not a copy, where they lie side by side."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return pixels[rows[0] : rows[-1] + 1]
    return pixels[rows]


def _check_rejected(records: ImageRecords, usable: _Usable, allowed: float) -> None:
    rejected = usable.rejected
    if len(rejected) > allowed * records.read:
        first = "; ".join(f"{r.file}: {r.reason}" for r in rejected[:3])
        raise DataError(
            f"{records.source}: {len(rejected)} of {records.read} images cannot be used, more than "
            f"the allowed {allowed:.0%}; repair or remove them, or raise max_rejected: {first}"
        )


def _check_sets(records: ImageRecords, usable: _Usable, split: Split, plan: SplitPlan) -> None:
    """Sets may be empty only where no share was asked for and the source gives no images."""
    asked = {
        "train": True,
        "valid": plan.valid > 0 or len(split.valid) > 0,
        "test": plan.test > 0 or len(split.test) > 0,
    }
    for name, part in usable.parts.items():
        if asked[name] and not len(part.rows):
            raise DataError(f"{records.source}: no usable image in the set {name}; add images")
