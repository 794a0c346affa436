"""Images explained: overlays and a page in a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from nnatomy.data.bundled import bundled_names
from nnatomy.data.image_codec import ImageCodec, match_labels
from nnatomy.data.image_files import ImageFiles, scan_images
from nnatomy.data.image_records import labels_of_files
from nnatomy.data.image_report import shown_pixels
from nnatomy.data.prepared import Encoded
from nnatomy.data.target_code import find_label, label_index
from nnatomy.errors import IntegrityError, RunError, SettingError, nearest
from nnatomy.explain.methods import METHODS, explain
from nnatomy.explain.regions import Box, boxes
from nnatomy.jobs.config import source_name
from nnatomy.jobs.data_lines import Say, silent
from nnatomy.jobs.predictor import Predictor, load
from nnatomy.report.explanation import render_explanation
from nnatomy.report.overlay import data_uri, overlay, png, sheet, with_box, with_legend
from nnatomy.training.atomic import MANIFEST, file_error, read_folder, replace_folder, to_json

PAGE, FACTS, SHEET = "explanation.html", "explanation.json", "overview.png"
_ON_SHEET = 8
_SIDE = 320
_VALUES = 3_000_000
"""Input values of a batch."""


@dataclass(frozen=True)
class _Source:
    """Images to explain, and their right answers where they are known."""

    encoded: Encoded
    truth: Sequence[Any]
    positions: list[int]
    records: int


def explain_source(
    model: str | Path,
    source: Any,
    out: str | Path,
    *,
    target: Any = None,
    method: str = "auto",
    limit: int = 24,
    say: Say = silent,
) -> dict[str, Any]:
    """Explain images by a trained network and write overlays and a page.

    Args:
        model: A model file or a run folder.
        source: An image, a folder, a CSV file of paths, an array, or a bundled set of images.
        out: Folder for the result; one that is there must be empty or an earlier explanation.
        target: Class whose evidence is shown; the predicted one of each image by default.
        method: A name in nnatomy.explain.METHODS.
        limit: Images at most, spread evenly over the source.
        say: Receives one line on each batch.

    Returns:
        What explanation.json holds: model, network, source, method, records, images (name,
        prediction, probability, truth, target, target_probability, method, faithfulness, box,
        overlay), rejected, findings, out, page.

    Raises:
        DataError: The source cannot be used.
        SettingError: Class, method or limit are not usable, or the network takes no images.
        RunError: The folder holds something else or cannot be written.
        IntegrityError: The model file is damaged.
    """
    out = Path(out)
    if limit < 1:
        raise SettingError(f"limit must be at least 1, got {limit}")
    if method not in METHODS:
        raise SettingError(f"method '{method}' is unknown: {nearest(method, METHODS)}")
    _check_folder(out)
    predictor = load(model)
    codec = predictor.codec
    if not isinstance(codec, ImageCodec):
        raise SettingError(
            f"{model} was trained on a table: maps are for networks that take images"
        )
    wanted = _target_index(predictor, target)
    chosen = _read(predictor, codec, source, limit)
    entries, pictures, files = [], [], {}
    for entry, picture, content in _explained(predictor, chosen, wanted, method, say):
        files[entry["overlay"]] = content
        entries.append(entry)
        pictures.append(picture)
    facts = {
        "schema": 1,
        "model": str(model),
        "network": predictor.facts["network"],
        "source": source_name(source),
        "method": entries[0]["method"],
        "records": chosen.records,
        "images": entries,
        "rejected": [vars(rejected) for rejected in chosen.encoded.rejected],
        "findings": [vars(finding) for finding in chosen.encoded.findings],
    }
    files[SHEET] = _sheet([files[entry["overlay"]] for entry in entries[:_ON_SHEET]])
    files[PAGE] = render_explanation(facts, pictures).encode()
    files[FACTS] = to_json(facts, indent=2) + b"\n"
    _write(out, files)
    return {**facts, "out": str(out), "page": str(out / PAGE)}


def _target_index(predictor: Predictor, target: Any) -> int | None:
    if target is None:
        return None
    task = predictor.task
    if task.kind != "classification":
        raise SettingError(
            "target: this network predicts a number and has no classes; leave it out"
        )
    found = find_label(label_index(task), target)
    if found is None:
        hint = nearest(str(target), [str(label) for label in task.classes])
        raise SettingError(f"target '{target}' is no class of the network: {hint}")
    return found


def _read(predictor: Predictor, codec: ImageCodec, source: Any, limit: int) -> _Source:
    """The images; of files only the wanted ones are unpacked."""
    if isinstance(source, str | Path) and (
        Path(source).exists() or str(source) not in bundled_names()
    ):
        return _read_files(codec, scan_images(source), limit)
    encoded = predictor.encode(source, answers=True)
    positions = _spread(len(encoded.names), limit)
    truth = encoded.truth or [None] * len(encoded.names)
    return _Source(encoded, truth, positions, len(encoded.names))


def _read_files(codec: ImageCodec, files: ImageFiles, limit: int) -> _Source:
    truth = None
    if files.labels is not None:
        truth = match_labels(labels_of_files(files, codec.task.kind), codec.target)
    answers = dict(zip(files.paths, truth or [], strict=False))
    paths = tuple(files.paths[i] for i in _spread(len(files), limit))
    encoded = codec.encode(replace(files, paths=paths, labels=None, splits=None))
    names = encoded.names
    known = [answers.get(name) for name in names]
    return _Source(encoded, known, list(range(len(names))), len(files))


def _spread(count: int, limit: int) -> list[int]:
    return [round(place) for place in np.linspace(0, count - 1, min(count, limit)).tolist()]


def _explained(
    predictor: Predictor, source: _Source, wanted: int | None, method: str, say: Say
) -> Iterator[tuple[dict[str, Any], tuple[str, str], bytes]]:
    """For each image its entry, the data URIs of image and overlay, and the overlay's file."""
    samples, done = source.encoded.samples, 0
    size = max(1, min(64, _VALUES // prod(samples.input_shape)))
    for batch in samples.batches(torch.tensor(source.positions), size):
        explanation = explain(predictor.network, batch.inputs, wanted, method=method)
        decided, chances = _answers(predictor, explanation.scores)
        frames, scores = boxes(explanation), explanation.faithfulness.tolist()
        chance = explanation.probability.tolist()
        for i, frame in enumerate(frames):
            position = source.positions[done]
            pixels = shown_pixels(samples, position)  # type: ignore[arg-type]
            values = explanation.values[i].float().cpu().numpy()
            done += 1
            name = str(source.encoded.names[position])
            entry = {
                "name": name.encode("utf-8", "backslashreplace").decode(),
                "prediction": decided[i],
                "probability": chances[i],
                "truth": source.truth[position],
                "target": _label(predictor, int(explanation.target[i])),
                "target_probability": None if chances[i] is None else chance[i],
                "method": explanation.method,
                "faithfulness": round(scores[i], 4),
                "box": None if frame is None else list(frame),
                "overlay": f"{done:04d}_{_plain_name(name)}.png",
            }
            yield entry, *_drawn(pixels, values, frame)
        say(f"{done} of {len(source.positions)} images explained")


def _answers(predictor: Predictor, scores: Tensor) -> tuple[list[Any], list[float | None]]:
    decoded = predictor.objective.decode(scores).double().cpu().numpy()
    if predictor.task.kind == "classification":
        return predictor.decide(decoded), [float(row.max()) for row in decoded]
    return predictor.decide(predictor.codec.decode_value(decoded[:, 0])), [None] * len(decoded)


def _label(predictor: Predictor, index: int) -> Any:
    return predictor.task.classes[index] if predictor.task.kind == "classification" else None


def _drawn(
    pixels: NDArray[np.uint8], values: NDArray[Any], frame: Box | None
) -> tuple[tuple[str, str], bytes]:
    picture = overlay(pixels, values, _SIDE)
    if frame is not None:
        picture = with_box(picture, frame, pixels.shape[1])
    made = png(with_legend(picture, float(np.abs(values).max())))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return (data_uri(png(image)), data_uri(made)), made


def _sheet(overlays: Sequence[bytes]) -> bytes:
    return png(sheet([Image.open(BytesIO(content)).convert("RGB") for content in overlays]))


def _plain_name(name: str) -> str:
    """A file name that every system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).stem)[-60:].strip("._") or "image"


def _check_folder(out: Path) -> None:
    """Refuse whatever is not an earlier explanation, whole and without anything of others."""
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file: name a folder with --out")
    names = {entry.name for entry in out.iterdir()}
    if not names:
        return
    try:
        held = set(read_folder(out))
    except IntegrityError:
        held = set()
    if not {PAGE, FACTS} <= held or names != held | {MANIFEST}:
        raise RunError(
            f"{out} holds something else than an explanation as it was written; choose another "
            "--out"
        )


def _write(out: Path, files: dict[str, bytes]) -> None:
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error("create", out.parent, error) from error
    replace_folder(out.resolve().parent, out.resolve().name, files)
