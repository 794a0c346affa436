"""Images and their labels as records, before any pixel is unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data.image_decode import Framing, Header
from nnatomy.data.image_files import EXTENSIONS, ImageFiles, SplitName, natural_key
from nnatomy.data.image_load import (
    Loaded,
    Pixels,
    load_array,
    load_files,
    read_headers,
    white_level,
)
from nnatomy.data.quality import Finding, Rejected
from nnatomy.data.table_target import read_target
from nnatomy.data.task import Task
from nnatomy.data.task_inference import infer_task
from nnatomy.errors import DataError
from nnatomy.types import Label


@dataclass(frozen=True)
class ImageRecords:
    """Labelled images that look usable, each by its name.

    Args:
        source: What the user gave, in words.
        names: One a record.
        places: File and line of each record, as a rejection names them.
        labels: One a record.
        headers: One a record.
        task: What is to be learned from them.
        splits: The split that the source puts each record in; None when it does not say.
        pixels: (N, H, W, C) images in memory; None for files.
        paths: Files that can be opened; empty for images in memory.
        read: Number of records found, usable or not.
        rejected: Those that are not usable.
        findings: What the user should know of them.
    """

    source: str
    names: Sequence[str]
    places: Sequence[tuple[str, int]]
    labels: Sequence[Any]
    headers: Sequence[Header]
    task: Task
    splits: Sequence[SplitName] | None = None
    pixels: Pixels | None = None
    paths: Sequence[Path] = ()
    read: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def floats(self) -> bool:
        """Whether the pixels are floats of their own scale instead of bytes."""
        return self.pixels is not None and self.pixels.dtype != np.uint8

    def white(self, positions: NDArray[np.int64], *, workers: int) -> int:
        """The value that is white in the 16-bit images among these records."""
        if self.pixels is not None:
            return white_level([], [], workers=workers)
        paths, headers = ([part[i] for i in positions] for part in (self.paths, self.headers))
        return white_level(paths, headers, workers=workers)

    def load(
        self, order: NDArray[np.int64], framing: Framing, *, fitted: int, keep: bool, workers: int
    ) -> Loaded:
        """Unpack the records in the given order; see `load_files`."""
        if self.pixels is not None:
            return load_array(self.pixels[order], framing, fitted=fitted)
        paths = [self.paths[i] for i in order]
        return load_files(paths, framing, fitted=fitted, keep=keep, workers=workers)


def records_of_files(files: ImageFiles, task: str | None, *, workers: int) -> ImageRecords:
    """Records of labelled image files; those whose header or label cannot be used are rejected.

    Raises:
        DataError: There are no labels, no image is usable, or there is one class only.
    """
    if files.labels is None:
        raise DataError(
            f"{files.root}: the images have no labels; put them into one folder a class, or list "
            "them in a CSV file with the columns path and label"
        )
    headers: list[Header] = []
    labels: list[Label] = []
    good: list[int] = []
    rejected = list(files.rejected)
    answers = labels_of_files(files, task)
    found = zip(read_headers(files.full_paths(), workers=workers), answers, strict=True)
    for i, (header, label) in enumerate(found):
        if isinstance(header, str):
            rejected.append(Rejected(files.paths[i], 0, header))
        elif why := _why_unlabelled(label, files.labels[i], task):
            rejected.append(Rejected(files.paths[i], 0, why))
        else:
            headers.append(header)
            labels.append(label)
            good.append(i)
    if not good:
        raise DataError(f"{files.root}: no usable image: {rejected[0].file}: {rejected[0].reason}")
    names = [files.paths[i] for i in good]
    return ImageRecords(
        source=str(files.root),
        names=names,
        places=[(name, 0) for name in names],
        labels=labels,
        headers=headers,
        task=_task_of_files(files, labels, task),
        splits=None if files.splits is None else [files.splits[i] for i in good],
        paths=[files.root / name for name in names],
        read=len(files) + len(files.rejected),
        rejected=rejected,
        findings=[*files.findings, *_misnamed(names, headers)],
    )


def records_of_array(
    images: Pixels, labels: Sequence[Any] | NDArray[Any], task: str | None, target: str
) -> ImageRecords:
    """Records of images in memory with one label each; those without a label are rejected.

    Raises:
        DataError: The numbers of images and labels differ, or there is one class only.
    """
    answers = read_labels(labels, task)
    count, height, width, channels = images.shape
    if len(answers) != count:
        raise DataError(f"image array: {count} images, but {len(answers)} labels")
    reasons = [_why_unlabelled(answer, answer, task) for answer in answers]
    good = [i for i, why in enumerate(reasons) if not why]
    kept = [answers[i] for i in good]
    return ImageRecords(
        source="array",
        names=[f"image {i}" for i in good],
        places=[("array", i) for i in good],
        labels=kept,
        headers=[Header(height, width, channels == 1, "array")] * len(good),
        task=infer_task(kept, target, task=task),
        pixels=images if len(good) == count else images[good],
        read=count,
        rejected=[Rejected("array", i, why) for i, why in enumerate(reasons) if why],
    )


def read_labels(labels: Any, task: str | None, *, is_text: bool = False) -> list[Any]:
    """Labels by the rules for the target column of a table; None where there is none.

    Args:
        labels: (N,) or (N, 1): a list, array, tensor or column.
        task: The wanted task, or None.
        is_text: Whether texts may stand for numbers.
    """
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    if isinstance(labels, np.ndarray):
        series: pd.Series[Any] = pd.Series(labels.reshape(-1))
    elif isinstance(labels, pd.Series):
        series = labels.reset_index(drop=True)
    else:
        series = pd.Series(list(labels), dtype=object)
    return list(read_target(series, is_text=is_text, task=task))


def labels_of_files(files: ImageFiles, task: str | None) -> list[Any]:
    """Listed labels as those of a table; names of folders are texts unless they must be numbers."""
    if files.layout == "list" or task == "regression":
        return read_labels(files.labels or (), task, is_text=True)
    return list(files.labels or ())


def _why_unlabelled(label: Any, given: Any, task: str | None) -> str:
    """Why a record cannot be used because of its label, or an empty text."""
    if task == "regression" and isinstance(given, str) and not isinstance(label, float):
        return f"label {given!r} is not a number"
    return "no label" if label is None else ""


def _task_of_files(files: ImageFiles, labels: Sequence[Label], task: str | None) -> Task:
    """Folders are classes unless told otherwise, in natural order; listed labels may be numbers."""
    if files.layout == "list" or task is not None:
        inferred = infer_task(labels, files.target, task=task)
        if files.layout == "list" or inferred.kind == "regression":
            return inferred
    classes = tuple(sorted({str(label) for label in labels}, key=natural_key))
    if len(classes) < 2:
        raise DataError(
            f"{files.root}: the only class with usable images is {classes[0]!r}; training needs "
            "two or more"
        )
    return Task("classification", "one folder a class", files.target, classes)


def _misnamed(names: Sequence[str], headers: Sequence[Header]) -> list[Finding]:
    wrong = [
        f"{name} is {header.format}"
        for name, header in zip(names, headers, strict=True)
        if EXTENSIONS.get(Path(name).suffix.lower(), header.format) != header.format
    ]
    if not wrong:
        return []
    message = f"{len(wrong)} files are of another format than their ending says: "
    return [Finding("misnamed-image", message + ", ".join(wrong[:3]), "")]
