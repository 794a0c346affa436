"""Turns new images into inputs of a network that was trained on images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.image_decode import Framing
from nnatomy.data.image_files import ImageFiles, scan_images
from nnatomy.data.image_load import Pixels, as_image_array, load_array, load_files
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.image_records import labels_of_files, read_labels
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.prefetch import default_workers
from nnatomy.data.prepared import Encoded
from nnatomy.data.quality import Finding, Rejected
from nnatomy.data.samples import TensorSamples
from nnatomy.data.target_code import TargetCode, description
from nnatomy.data.task import Task
from nnatomy.errors import DataError

MEMORY_LIMIT = 1 << 30
"""Images are kept in memory up to this many bytes, and streamed from their files beyond."""

ImageSamples: TypeAlias = TensorSamples | ImageFileSamples


class ImageCodec:
    """How images of a training source became network inputs; the same for every later source.

    Args:
        task: The learning task.
        framing: Size, channels and fit of the network's images.
        normalizer: Statistics of the training images.
        floats: Whether the training images were floats of their own scale instead of bytes.
        target_mean: Mean of the training answers of a regression.
        target_std: Standard deviation of these answers; see `TargetCode`.
    """

    def __init__(
        self,
        task: Task,
        framing: Framing,
        normalizer: Normalizer,
        floats: bool = False,
        target_mean: float = 0.0,
        target_std: float = 1.0,
    ) -> None:
        self.task = task
        self.framing = framing
        self.normalizer = normalizer
        self.floats = floats
        self.target = TargetCode(task, target_mean, target_std)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to encode further images, as JSON-able values."""
        return {
            "format": "images",
            "version": 1,
            **self.target.to_json(),
            "size": list(self.framing.size),
            "channels": self.framing.channels,
            "fit": self.framing.fit,
            "white": self.framing.white,
            "pixels": "floats" if self.floats else "bytes",
            "mean": list(self.normalizer.mean),
            "std": list(self.normalizer.std),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ImageCodec:
        """The codec that `to_json` described.

        Raises:
            IntegrityError: The values do not describe an image codec.
        """
        with description(values, "images"):
            height, width = (int(side) for side in values["size"])
            framing = Framing(
                (height, width), int(values["channels"]), values["fit"], int(values["white"])
            )
            mean = [float(value) for value in values["mean"]]
            std = [float(value) for value in values["std"]]
            if not len(mean) == len(std) == framing.channels:
                raise ValueError("its statistics are not those of its channels")
            floats = {"floats": True, "bytes": False}[values["pixels"]]
            target = TargetCode.from_json(values)
        normalizer = Normalizer(mean, std)
        return cls(target.task, framing, normalizer, floats, target.mean, target.std)

    def encode(self, source: Any, *, answers: bool = True) -> Encoded:
        """Read and encode further images.

        Where the source has answers, they are taken along, and records whose answer is missing or
        is not one of the known labels are rejected. Folders may have other names than classes:
        when none of the labels is known, the source has no answers.

        Args:
            source: A folder, an image file, a CSV file of paths, a list of paths, an array of
                images, or a pair (images, labels).
            answers: Take answers along; otherwise they are not looked at.

        Raises:
            DataError: There are no usable images, or arrays are of another scale than in training.
        """
        if isinstance(source, (str, Path)):
            source = scan_images(source)
        if isinstance(source, ImageFiles):
            return self._encode_files(source if answers else replace(source, labels=None))
        if isinstance(source, Sequence) and all(isinstance(p, (str, Path)) for p in source):
            if not source:
                raise DataError("the list of images is empty; give one path or more")
            paths = tuple(str(path) for path in source)
            return self._encode_files(ImageFiles(Path(), paths, None, None, "flat", "folder"))
        images, labels = source if isinstance(source, tuple) else (source, None)
        return self._encode_array(
            as_image_array(images, floats=self.floats), labels if answers else None
        )

    def encode_target(self, labels: Sequence[Any]) -> Tensor:
        """Class indices (N,) as int64, or numbers as standardized float32 (N, 1)."""
        return self.target.encode(self.target.values(labels))

    def decode_value(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in the target's own unit from standardized ones of any shape."""
        return self.target.decode(values)

    def _encode_files(self, files: ImageFiles) -> Encoded:
        if self.floats:
            raise DataError(f"{files.root}: the network was trained on float arrays: give those")
        truth = None
        if files.labels is not None:
            truth = match_labels(labels_of_files(files, self.task.kind), self.target)
        rejected = list(files.rejected)
        rejected += [Rejected(files.paths[i], 0, why) for i, why in _strange(truth, files.labels)]
        known = _known(truth, len(files))
        paths = [files.root / files.paths[i] for i in known]
        keep = len(paths) * int(np.prod(self.framing.shape)) <= MEMORY_LIMIT
        loaded = load_files(paths, self.framing, fitted=0, keep=keep, workers=default_workers())
        rejected += [Rejected(files.paths[known[i]], 0, why) for i, why in loaded.reasons.items()]
        kept = [known[i] for i in loaded.kept]
        if not kept:
            raise DataError(
                f"{files.root}: no usable image: {rejected[0].file}: {rejected[0].reason}"
            )
        paths = [files.root / files.paths[i] for i in kept]
        answers = None if truth is None else [truth[i] for i in kept]
        return Encoded(
            samples=make_samples(loaded.pixels, paths, self._targets(answers, len(kept)), self),
            names=[files.paths[i] for i in kept],
            truth=answers,
            rejected=rejected,
            findings=[*files.findings, *_unanswered(truth, files.labels, self.task)],
            unknown=_unknown(truth, files.labels),
        )

    def _encode_array(self, images: Pixels, labels: Any) -> Encoded:
        given = None if labels is None else read_labels(labels, self.task.kind)
        if given is not None and len(given) != len(images):
            raise DataError(f"image array: {len(images)} images, but {len(given)} labels")
        truth = match_labels(given, self.target)
        known = _known(truth, len(images))
        rejected = [Rejected("array", i, why) for i, why in _strange(truth, given)]
        loaded = load_array(images[known], self.framing, fitted=0)
        rejected += [Rejected("array", known[i], why) for i, why in loaded.reasons.items()]
        kept = [known[i] for i in loaded.kept]
        if not kept:
            raise DataError(f"image array: no usable image: {rejected[0].reason}")
        answers = None if truth is None else [truth[i] for i in kept]
        return Encoded(
            samples=make_samples(loaded.pixels, [], self._targets(answers, len(kept)), self),
            names=[f"image {i}" for i in kept],
            truth=answers,
            rejected=rejected,
            findings=_unanswered(truth, given, self.task),
            unknown=_unknown(truth, given),
        )

    def _targets(self, answers: Sequence[Any] | None, count: int) -> Tensor:
        return self.target.blank(count) if answers is None else self.encode_target(answers)


def make_samples(
    pixels: Pixels | None,
    paths: Sequence[Path],
    targets: Tensor,
    codec: ImageCodec,
    workers: int | None = None,
) -> ImageSamples:
    """Samples from pixels in memory, or from files where the pixels were not kept."""
    if pixels is not None:
        return TensorSamples(torch.from_numpy(pixels), targets, transform=codec.normalizer)
    return ImageFileSamples(
        paths, targets, framing=codec.framing, transform=codec.normalizer, workers=workers
    )


def match_labels(cells: Sequence[Any] | None, target: TargetCode) -> list[Any] | None:
    """Labels of a further source as the task knows them ("3" for 3), None for the unknown ones.

    Returns None as a whole when the source has no label that is known: folders are often named
    after something else.

    Args:
        cells: Plain labels, see `read_labels`.
        target: The task.
    """
    matched = None if cells is None else target.match(cells)
    return None if matched is None or all(answer is None for answer in matched) else matched


def _known(truth: list[Any] | None, count: int) -> list[int]:
    return [i for i in range(count) if truth is None or truth[i] is not None]


def _strange(truth: list[Any] | None, labels: Sequence[Any] | None) -> Iterator[tuple[int, str]]:
    for i, (answer, label) in enumerate(zip(truth or (), labels or (), strict=False)):
        if label is None:
            yield i, "no label"
        elif answer is None:
            yield i, f"label {label!r} is not known from the training data"


def _unknown(truth: list[Any] | None, labels: Sequence[Any] | None) -> list[Any]:
    """Each label once, where none of them is known."""
    if truth is not None:
        return []
    return list(dict.fromkeys(label for label in labels or () if label is not None))


def _unanswered(truth: list[Any] | None, labels: Sequence[Any] | None, task: Task) -> list[Finding]:
    unknown = _unknown(truth, labels)
    if not unknown:
        return []
    message = f"labels such as {unknown[0]!r} are not known from training; they are not answers"
    return [Finding("unknown-labels", message, task.target)]
