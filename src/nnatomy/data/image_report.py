"""What is reported of a set of images, and how one of them is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nnatomy.data.image_codec import ImageCodec, ImageSamples
from nnatomy.data.image_decode import Framing, Header
from nnatomy.data.image_records import ImageRecords
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.quality import DataReport, Finding
from nnatomy.data.table_quality import by_weight, check_classes

_LARGEST_VIEW = 128


def image_report(
    records: ImageRecords,
    positions: Mapping[str, NDArray[np.int64]],
    digests: Mapping[str, Sequence[bytes]],
    codec: ImageCodec,
) -> DataReport:
    """The data report, complete but for the rejected records.

    Args:
        records: All records that looked usable.
        positions: Of each set, the positions of its records.
        digests: Of each set, one sha256 of the framed pixels a record.
        codec: How the images are encoded.
    """
    used = np.concatenate(list(positions.values()))
    labels = [records.labels[i] for i in used]
    flat = [digest for part in digests.values() for digest in part]
    order = np.argsort(used)
    fingerprint = sha256()
    for i in order:
        words = f"{records.names[used[i]]}\0{labels[i]}\0"
        fingerprint.update(words.encode("utf-8", "surrogateescape"))
        fingerprint.update(flat[i])
    return DataReport(
        source=records.source,
        kind="images",
        fingerprint=fingerprint.hexdigest(),
        read=records.read,
        used=len(used),
        splits={name: len(part) for name, part in positions.items()},
        target=_target(labels, codec),
        columns=[_column([records.headers[i] for i in used], codec)],
        findings=by_weight(
            [
                *_copies(records, positions, digests),
                *_lost_classes(records, codec),
                *_class_sizes(labels, codec),
                *_scaled([records.headers[i] for i in used], codec),
                *records.findings,
            ]
        ),
    )


def show_image(samples: ImageSamples, names: Sequence[str], index: int) -> dict[str, Any]:
    """A sample as the network sees it, as a small PNG: {"name": …, "image": bytes}.

    Tiny images are enlarged by whole pixels; float images are spread over black to white.
    """
    pixels = shown_pixels(samples, index)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    factor = _LARGEST_VIEW // max(image.size)
    if factor > 1:
        size = (image.width * factor, image.height * factor)
        image = image.resize(size, Image.Resampling.NEAREST)
    image.thumbnail((_LARGEST_VIEW, _LARGEST_VIEW))
    stream = BytesIO()
    image.save(stream, "PNG")
    return {"name": names[index], "image": stream.getvalue()}


def shown_pixels(samples: ImageSamples, index: int) -> NDArray[np.uint8]:
    """A sample as the network sees it, (H, W, C) bytes; floats are spread over black to white."""
    if isinstance(samples, ImageFileSamples):
        return samples.pixels(index)
    pixels: NDArray[Any] = samples.inputs[index].numpy()
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = np.round((pixels - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return pixels


def _target(labels: Sequence[Any], codec: ImageCodec) -> dict[str, Any]:
    task = codec.task
    facts: dict[str, Any] = {"name": task.target, "task": task.kind, "reason": task.reason}
    if task.kind == "classification":
        counts = Counter(labels)
        return facts | {"classes": {str(label): counts[label] for label in task.classes}}
    numbers = np.array([float(label) for label in labels])
    values = {
        "min": numbers.min(),
        "mean": numbers.mean(),
        "std": numbers.std(),
        "max": numbers.max(),
    }
    return facts | {"values": {name: float(value) for name, value in values.items()}}


def _class_sizes(labels: Sequence[Any], codec: ImageCodec) -> list[Finding]:
    if codec.task.kind == "regression":
        return []
    counts = Counter(labels)
    return check_classes({label: counts[label] for label in codec.task.classes}, codec.task.target)


def _column(headers: Sequence[Header], codec: ImageCodec) -> dict[str, Any]:
    heights = [header.height for header in headers]
    widths = [header.width for header in headers]
    return {
        "name": "image",
        "kind": "image",
        "used": True,
        "heights": [min(heights), max(heights)],
        "widths": [min(widths), max(widths)],
        "formats": dict(Counter(header.format for header in headers)),
        "grey": sum(header.grey for header in headers),
        "size": list(codec.framing.size),
        "channels": codec.framing.channels,
        "fit": codec.framing.fit,
        "mean": list(codec.normalizer.mean),
        "std": list(codec.normalizer.std),
        "treatment": "resized, then brought to mean 0 and deviation 1 over the training images",
    }


def _lost_classes(records: ImageRecords, codec: ImageCodec) -> Iterator[Finding]:
    for label in records.task.classes:
        if label not in codec.task.classes:
            message = f"class {label!r} has no usable training image: it is no class"
            yield Finding("empty-class", message, str(label))


def _scaled(headers: Sequence[Header], codec: ImageCodec) -> Iterator[Finding]:
    """16-bit images that leave the upper part of their range empty."""
    white = codec.framing.white
    deep = sum(header.deep for header in headers)
    if deep and white < Framing.white:
        message = (
            f"{deep} images have 16 bits, but no training image a pixel above {white}: this value "
            "is taken for white, and brighter pixels of other images are cut off there"
        )
        yield Finding("sixteen-bit-range", message, "image")


def _copies(
    records: ImageRecords,
    positions: Mapping[str, NDArray[np.int64]],
    digests: Mapping[str, Sequence[bytes]],
) -> Iterator[Finding]:
    """Images that the network sees the same in a later set as in an earlier one."""
    first: dict[bytes, tuple[str, int]] = {}
    pairs: list[str] = []
    for name, part in positions.items():
        for i, digest in zip(part, digests[name], strict=True):
            home, original = first.setdefault(digest, (name, i))
            if home != name:
                pairs.append(f"{records.names[i]} = {records.names[original]}")
    if pairs:
        message = (
            f"{len(pairs)} images are exact copies of an image in another set, which flatters the "
            f"test figure; remove them: {', '.join(pairs[:3])}"
        )
        yield Finding("duplicates-across-splits", message, "image")
