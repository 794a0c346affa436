"""Images as estimators get them: arrays, lists of files, folders of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from nnatomy.data.image_codec import MEMORY_LIMIT, ImageCodec, make_samples
from nnatomy.data.image_decode import Framing, Header
from nnatomy.data.image_files import scan_images
from nnatomy.data.image_load import (
    Loaded,
    Pixels,
    as_image_array,
    load_array,
    load_files,
    read_headers,
    white_level,
)
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.images import ImageSettings
from nnatomy.data.prefetch import default_workers
from nnatomy.data.task import Task
from nnatomy.errors import DataError
from nnatomy.estimators.classes import class_indices, distinct_classes
from nnatomy.estimators.records import tensor_of
from nnatomy.types import Samples


@dataclass(frozen=True)
class Pictures:
    """Labelled images before they are unpacked: pixels (N, H, W, C) in memory, or files."""

    pixels: Pixels | None
    paths: Sequence[Path]
    labels: NDArray[Any]

    def framing(self, positions: NDArray[np.int64], settings: ImageSettings) -> Framing:
        """The form of a network's images that is learned on these.

        Raises:
            DataError: A file is not an image that can be used.
        """
        if self.pixels is not None:
            height, width, channels = self.pixels.shape[1:]
            return settings.framing([Header(height, width, channels == 1, "array")])
        paths, workers = [self.paths[i] for i in positions], default_workers()
        headers: list[Header] = []
        for path, header in zip(paths, read_headers(paths, workers=workers), strict=True):
            if isinstance(header, str):
                raise DataError(f"{path}: {header}")
            headers.append(header)
        return settings.framing(headers, white_level(paths, headers, workers=workers))

    def load(self, positions: NDArray[np.int64], framing: Framing, fitted: int) -> Loaded:
        """Unpack these images; the statistics come from the first `fitted`.

        Raises:
            DataError: An image cannot be used.
        """
        if self.pixels is not None:
            loaded = load_array(self.pixels[positions], framing, fitted=fitted)
            names = [f"image {i}" for i in positions]
        else:
            paths = [self.paths[i] for i in positions]
            keep = len(paths) * int(np.prod(framing.shape)) <= MEMORY_LIMIT
            loaded = load_files(paths, framing, fitted=fitted, keep=keep, workers=default_workers())
            names = [str(path) for path in paths]
        for position, reason in loaded.reasons.items():
            raise DataError(f"{names[position]}: {reason}; remove it or replace it")
        return loaded


def read_pictures(source: Any, labels: Any) -> Pictures:
    """Images with their labels.

    Args:
        source: (N, H, W), (N, H, W, C) or (N, C, H, W) pixels, see `as_image_array`; paths of N
            files; or, without labels, a folder of classes or a CSV list, see `scan_images`.
            Images that the source puts into a test set are left out.
        labels: (N,), or None for a folder.

    Raises:
        DataError: Images or labels are missing, or their numbers differ.
    """
    if isinstance(source, (str, Path)):
        return _read_folder(source, labels)
    if labels is None:
        raise DataError("fit requires y, the label of each image, unless X is a folder of classes")
    labels = column_or_1d(labels, warn=True)
    check_consistent_length(source, labels)
    paths = paths_in(source)
    if paths is not None:
        return Pictures(None, [Path(path) for path in paths], labels)
    return Pictures(as_image_array(source), [], labels)


def paths_in(source: Any) -> list[str] | None:
    """The paths in a list, array or column of paths; None where it holds something else."""
    one_column = getattr(source, "ndim", 1) == 1 and len(source) > 0
    if not one_column or not all(isinstance(item, (str, Path)) for item in source):
        return None
    return [str(item) for item in source]


def _read_folder(source: str | Path, labels: Any) -> Pictures:
    if labels is not None:
        raise DataError(f"{source}: a folder has its own labels: leave y out")
    files = scan_images(source)
    if files.labels is None:
        raise DataError(f"{source}: the images have no labels; put them into one folder a class")
    if files.rejected:
        raise DataError(f"{files.rejected[0].file}: {files.rejected[0].reason}")
    files = files.part("train", "valid")
    return Pictures(None, files.full_paths(), np.array(files.labels))


def encode_pictures(
    pictures: Pictures,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
    settings: ImageSettings,
    like: Normalizer | ImageCodec | None = None,
) -> tuple[ImageCodec, Samples, Samples]:
    """Bring images into the form of a network's inputs, fitted on the training images.

    Args:
        pictures: All images.
        train: Positions of those to learn from.
        valid: Positions of those to validate on.
        settings: Size and channels; those not named are chosen by the training images.
        like: How other images were coded, for a network that learned from those: see
            `prepare_images`.

    Raises:
        DataError: An image cannot be used.
    """
    framing = pictures.framing(train, settings)
    normalizer = like.normalizer if isinstance(like, ImageCodec) else like
    if isinstance(like, ImageCodec) and like.framing.white != Framing.white:
        framing = replace(framing, white=like.framing.white)
    order = np.concatenate([train, valid])
    loaded = pictures.load(order, framing, len(train))
    classes = distinct_classes(pictures.labels)
    task = Task("classification", "labels given", "label", tuple(classes.tolist()))
    floats = pictures.pixels is not None and pictures.pixels.dtype != np.uint8
    codec = ImageCodec(task, framing, normalizer or loaded.moments.result(), floats)
    targets = tensor_of(class_indices(pictures.labels[order], classes))

    def part(start: int, stop: int) -> Samples:
        pixels = None if loaded.pixels is None else loaded.pixels[start:stop]
        paths = [pictures.paths[i] for i in order[start:stop]] if pixels is None else []
        return make_samples(pixels, paths, targets[start:stop], codec)

    return codec, part(0, len(train)), part(len(train), len(order))
