"""One pass over all images: unpack, check, measure, and keep them where memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nnatomy.data.image_decode import (
    Framing,
    Header,
    UnreadableImageError,
    brightest_pixel,
    decode_image,
    fit_image,
    read_header,
    white_above,
)
from nnatomy.data.image_normalize import ChannelMoments
from nnatomy.data.image_stream import CHUNK
from nnatomy.data.prefetch import in_order
from nnatomy.errors import DataError

Pixels = NDArray[np.uint8] | NDArray[np.float32]

_BRIGHTEST_BYTE, _DEEPEST = 255, 65_535
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True)
class Loaded:
    """What one pass over the images gave.

    Args:
        kept: Positions of the usable images among those asked for, ascending.
        reasons: Position and reason of each image that cannot be used.
        digests: sha256 of the framed pixels, one a kept image.
        pixels: (kept, H, W, C) framed pixels, or None when they were not to be kept.
        moments: Statistics of the training images.
    """

    kept: list[int]
    reasons: dict[int, str]
    digests: list[bytes]
    pixels: Pixels | None
    moments: ChannelMoments


def read_headers(paths: Sequence[Path], *, workers: int) -> list[Header | str]:
    """The header of each file, or the reason why it cannot be used."""

    def headers(chunk: Sequence[Path]) -> list[Header | str]:
        return [_header_or_reason(path) for path in chunk]

    chunks = (paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK))
    results = in_order(headers, chunks, workers=workers, ahead=2 * workers)
    return [header for chunk in results for header in chunk]


def white_level(paths: Sequence[Path], headers: Sequence[Header], *, workers: int) -> int:
    """The value that is white in the 16-bit images among the files; 65535 where there is none."""
    deep = [path for path, header in zip(paths, headers, strict=True) if header.deep]
    found = in_order(_brightest_or_nothing, deep, workers=workers, ahead=2 * workers)
    return white_above(max((value for value in found if value is not None), default=_DEEPEST))


def load_files(
    paths: Sequence[Path], framing: Framing, *, fitted: int, keep: bool, workers: int
) -> Loaded:
    """Unpack every file completely.

    Args:
        paths: Files, those of the training set first.
        framing: Size, channels and fit.
        fitted: Number of training files: the statistics come from them alone.
        keep: Whether to hold all pixels in memory.
        workers: Number of threads.
    """

    def decode(chunk: Sequence[Path]) -> list[tuple[NDArray[np.uint8], bytes] | str]:
        return [_pixels_or_reason(path, framing) for path in chunk]

    chunks = (paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK))
    results = in_order(decode, chunks, workers=workers, ahead=2 * workers)
    pixels = np.empty((len(paths) if keep else 0, *framing.shape), np.uint8)
    kept: list[int] = []
    reasons: dict[int, str] = {}
    digests: list[bytes] = []
    moments = ChannelMoments(framing.channels)
    for position, result in enumerate(result for chunk in results for result in chunk):
        if isinstance(result, str):
            reasons[position] = result
            continue
        image, digest = result
        if keep:
            pixels[len(kept)] = image
        if position < fitted:
            moments.add(image)
        kept.append(position)
        digests.append(digest)
    return Loaded(kept, reasons, digests, pixels[: len(kept)] if keep else None, moments)


def load_array(images: Pixels, framing: Framing, *, fitted: int) -> Loaded:
    """Bring images that lie in memory into form; those with NaN or infinite values are refused.

    Args:
        images: (N, H, W, C) pixels, those of the training set first.
        framing: Size, channels and fit.
        fitted: Number of training images: the statistics come from them alone.
    """
    finite = np.array([np.isfinite(image).all() for image in images])
    kept = np.flatnonzero(finite)
    pixels = frame_array(images if finite.all() else images[kept], framing)
    moments = ChannelMoments(framing.channels)
    moments.add(pixels[: np.count_nonzero(finite[:fitted])])
    reasons = {int(i): "has NaN or infinite values" for i in np.flatnonzero(~finite)}
    digests = [sha256(image.tobytes()).digest() for image in pixels]
    return Loaded(kept.tolist(), reasons, digests, pixels, moments)


def as_image_array(images: Any, *, floats: bool | None = None) -> Pixels:
    """Images as (N, H, W, C) bytes or floats.

    The type decides: uint8 is bytes, truth values are the bytes 0 and 255, floats keep their
    scale as float32. Other whole numbers are taken as a network's training images were; for
    training, they are bytes when all are within 0 to 255.

    Args:
        images: (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels; when both readings
            are possible, the last axis is the channels.
        floats: Whether the network was trained on floats; None for training images.

    Raises:
        DataError: Another shape, values that are not numbers, or of another scale than those of
            the training images.
    """
    array = _channels_last(images)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    given = _known_scale(array)
    if floats is not None and given is not None and given != floats:
        names = {True: "floats", False: "bytes"}
        raise DataError(
            f"image array: holds {names[given]}, the network was trained on {names[floats]}"
        )
    in_bytes = array.dtype.kind in "ui" and array.min() >= 0 and array.max() <= _BRIGHTEST_BYTE
    if floats is False and not in_bytes:
        raise DataError(
            f"image array: holds values from {array.min()} to {array.max()}, the network was "
            f"trained on bytes from 0 to {_BRIGHTEST_BYTE}: bring them into this range"
        )
    if floats or not in_bytes:
        return np.ascontiguousarray(array, dtype=np.float32)
    return np.ascontiguousarray(array, dtype=np.uint8)


def _channels_last(images: Any) -> NDArray[Any]:
    array = np.asarray(images)
    if array.dtype.kind not in "buif":
        raise DataError(f"image array: values of type {array.dtype} are not numbers")
    if array.ndim == 3 and array.shape[2] == 3 < min(array.shape[:2]):
        raise DataError(
            f"image array: shape {array.shape} looks like one color image: give images[None]; grey "
            "images that are three pixels wide have the shape (N, H, 3, 1)"
        )
    if array.ndim == 3:
        array = array[..., np.newaxis]
    elif array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise DataError(
            f"image array: shape {np.shape(images)} is not (N, H, W), (N, H, W, C) or "
            "(N, C, H, W) with 1 or 3 channels"
        )
    return array


def _known_scale(array: NDArray[Any]) -> bool | None:
    """Whether the type alone says that these are floats (True) or bytes (False)."""
    if array.dtype.kind == "f":
        return True
    return False if array.dtype == np.uint8 else None


def frame_array(images: Pixels, framing: Framing) -> Pixels:
    """Bring (N, H, W, C) pixels into the framing's size and channels, keeping bytes or floats."""
    if images.shape[3] != framing.channels:
        images = images.repeat(3, axis=3) if framing.channels == 3 else _grey(images)
    if images.shape[1:3] == framing.size:
        return images
    framed = np.empty((len(images), *framing.shape), images.dtype)
    for slot, image in zip(framed, images, strict=True):
        for channel in range(framing.channels):
            plane = fit_image(Image.fromarray(image[..., channel]), framing)
            slot[..., channel] = np.asarray(plane)
    return framed


def _grey(images: Pixels) -> Pixels:
    grey = (images @ _LUMA)[..., np.newaxis]
    return np.round(grey).astype(np.uint8) if images.dtype == np.uint8 else grey


def _header_or_reason(path: Path) -> Header | str:
    try:
        return read_header(path)
    except UnreadableImageError as error:
        return error.reason


def _brightest_or_nothing(path: Path) -> int | None:
    try:
        return brightest_pixel(path)
    except UnreadableImageError:
        return None  # it is rejected with its reason when it is loaded


def _pixels_or_reason(path: Path, framing: Framing) -> tuple[NDArray[np.uint8], bytes] | str:
    try:
        pixels = decode_image(path, framing)
    except UnreadableImageError as error:
        return error.reason
    return pixels, sha256(pixels.tobytes()).digest()
