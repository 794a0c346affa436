"""Turns new images into inputs of a network that was trained on images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.prefetch import default_workers
from nnatomy.data.prepared import Encoded
from nnatomy.data.quality import Finding, Rejected
from nnatomy.data.samples import TensorSamples
from nnatomy.data.task import Task
from nnatomy.errors import DataError, IntegrityError
from nnatomy.types import Label

MEMORY_LIMIT = 1 << 30
"""Images are kept in memory up to this many bytes, and streamed from their files beyond."""

ImageSamples: TypeAlias = TensorSamples | ImageFileSamples


@dataclass
class ImageCodec:
    """How images of a training source became network inputs; the same for every later source.

    Args:
        task: The learning task.
        framing: Size, channels and fit of the network's images.
        normalizer: Statistics of the training images.
        floats: Whether the training images were floats of their own scale instead of bytes.
        target_mean: Mean of the training answers of a regression.
        target_std: Standard deviation of these answers; targets are (value - mean) / std.
    """

    task: Task
    framing: Framing
    normalizer: Normalizer
    floats: bool = False
    target_mean: float = 0.0
    target_std: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Everything needed to encode further images, as JSON-able values."""
        return {
            "format": "images",
            "version": 1,
            "task": {**asdict(self.task), "classes": list(self.task.classes)},
            "size": list(self.framing.size),
            "channels": self.framing.channels,
            "fit": self.framing.fit,
            "pixels": "floats" if self.floats else "bytes",
            "mean": list(self.normalizer.mean),
            "std": list(self.normalizer.std),
            "target_mean": self.target_mean,
            "target_std": self.target_std,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ImageCodec:
        """The codec that `to_json` described.

        Raises:
            IntegrityError: The values do not describe an image codec.
        """
        try:
            if (values["format"], values["version"]) != ("images", 1):
                raise ValueError("its format or version is not known")
            task = values["task"]
            height, width = (int(side) for side in values["size"])
            framing = Framing((height, width), int(values["channels"]), values["fit"])
            mean = [float(value) for value in values["mean"]]
            std = [float(value) for value in values["std"]]
            if not len(mean) == len(std) == framing.channels:
                raise ValueError("its statistics are not those of its channels")
            return cls(
                Task(task["kind"], task["reason"], task["target"], tuple(task["classes"])),
                framing,
                Normalizer(mean, std),
                {"floats": True, "bytes": False}[values["pixels"]],
                float(values["target_mean"]),
                float(values["target_std"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise IntegrityError(f"the description of the images is not usable: {error}") from error

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
            paths = tuple(str(path) for path in source)
            return self._encode_files(ImageFiles(Path(), paths, None, None, "flat", "folder"))
        images, labels = source if isinstance(source, tuple) else (source, None)
        return self._encode_array(as_image_array(images), labels if answers else None)

    def encode_target(self, labels: Sequence[Any]) -> Tensor:
        """Class indices (N,) as int64, or numbers as standardized float32 (N, 1)."""
        if self.task.kind == "regression":
            values = np.array([float(label) for label in labels])
            scaled = ((values - self.target_mean) / self.target_std).astype(np.float32)
            return torch.from_numpy(scaled[:, None])
        index = {label: i for i, label in enumerate(self.task.classes)}
        return torch.tensor([index[label] for label in labels], dtype=torch.int64)

    def decode_value(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in the target's own unit from standardized ones of any shape."""
        return np.asarray(values, np.float64) * self.target_std + self.target_mean

    def _encode_files(self, files: ImageFiles) -> Encoded:
        if self.floats:
            raise DataError(f"{files.root}: the network was trained on float arrays: give those")
        truth = match_labels(files.labels, self.task)
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
        )

    def _encode_array(self, images: Pixels, labels: Any) -> Encoded:
        if self.floats != (images.dtype != np.uint8):
            trained, given = ("floats", "bytes") if self.floats else ("bytes", "floats")
            raise DataError(f"image array: holds {given}, the network was trained on {trained}")
        given_labels = None if labels is None else np.asarray(labels).reshape(-1).tolist()
        if given_labels is not None and len(given_labels) != len(images):
            raise DataError(f"image array: {len(images)} images, but {len(given_labels)} labels")
        truth = match_labels(given_labels, self.task)
        known = _known(truth, len(images))
        rejected = [Rejected("array", i, why) for i, why in _strange(truth, given_labels)]
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
            findings=_unanswered(truth, given_labels, self.task),
        )

    def _targets(self, answers: Sequence[Any] | None, count: int) -> Tensor:
        if answers is not None:
            return self.encode_target(answers)
        return torch.zeros(count, dtype=torch.int64) if self.task.classes else torch.zeros(count, 1)


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


def match_labels(labels: Sequence[Any] | None, task: Task) -> list[Any] | None:
    """Labels of a further source as the task knows them ("3" for 3), None for the unknown ones.

    Returns None as a whole when the source has no label that is known.
    """
    if labels is None:
        return None
    if task.kind == "regression":
        matched: list[Any] = [read_number(label) for label in labels]
    else:
        known: dict[str, Label] = {str(label): label for label in task.classes}
        matched = [known.get(str(label)) for label in labels]
    return None if all(answer is None for answer in matched) else matched


def read_number(label: Any) -> float | None:
    """A finite number, also from its text; None for all else."""
    try:
        value = float(label)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _known(truth: list[Any] | None, count: int) -> list[int]:
    return [i for i in range(count) if truth is None or truth[i] is not None]


def _strange(truth: list[Any] | None, labels: Sequence[Any] | None) -> Iterator[tuple[int, str]]:
    for i, (answer, label) in enumerate(zip(truth or (), labels or (), strict=False)):
        if answer is None:
            yield i, f"label {label!r} is not known from the training data"


def _unanswered(truth: list[Any] | None, labels: Sequence[Any] | None, task: Task) -> list[Finding]:
    if truth is not None or not labels:
        return []
    message = f"labels such as {labels[0]!r} are not known from training; they are not answers"
    return [Finding("unknown-labels", message, task.target)]
