"""Checkpoints: the complete state of a run, on disk, with digests."""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

from nnatomy.errors import IntegrityError, RunError
from nnatomy.training.atomic import commit_folder, discard, file_error, read_folder, to_json
from nnatomy.training.state import State
from nnatomy.training.tensor_file import decode_tensors, encode_tensors

TENSORS = "tensors.safetensors"
VALUES = "state.json"

_NAME = re.compile(r"(\d+)(?:\.(\d+))?(\.damaged)?")
_DAMAGED = ".damaged"
_NON_FINITE = "$float"


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint does not match its digests; the one before it is used instead."""


def save(folder: Path, step: int, state: State, *, keep: int = 2) -> Path:
    """Write a checkpoint durably, then remove old ones.

    A step that already has a checkpoint (the same step after validation) gets a second one beside
    it, `<step>.1`, so that there is no moment without a whole checkpoint.

    Args:
        folder: Existing folder of checkpoints.
        step: Weight updates done so far; checkpoints of later steps are removed, since they belong
            to a course that the run has left.
        state: What to save; it is not changed and nothing in the file shares memory with it.
        keep: How many checkpoints remain, the new one included; at least 1.

    Returns:
        Folder of the new checkpoint: `<step>/{tensors.safetensors,state.json,MANIFEST.json}`.

    Raises:
        RunError: It cannot be written or an old one cannot be removed; the older checkpoints are
            intact.
    """
    there = _entries(folder)
    taken = [serial for entry_step, serial, _ in there if entry_step == step]
    serial = max(taken, default=-1) + 1
    name = f"{step:010d}" + (f".{serial}" if serial else "")
    files = {
        TENSORS: encode_tensors(state.tensors),
        VALUES: to_json(_encode(state.values)),
    }
    path = commit_folder(folder, name, files)
    before = [entry[2] for entry in reversed(there) if entry < (step, serial, path)]
    kept = [path, *(old for old in before if not _is_damaged(old))][:keep]
    for _, _, old in there:
        if old not in kept:
            discard(old)
    return path


def load_latest(folder: Path) -> tuple[State, Path] | None:
    """The newest checkpoint that is whole, or None when there is none at all.

    A damaged checkpoint is passed over with a DamagedCheckpointWarning and renamed to
    `<step>.damaged`, so that it is not counted among those to keep; it is removed when the next
    checkpoint has been written. Only for the holder of the folder's lock.

    Raises:
        RunError: There are checkpoints, but all of them are damaged.
    """
    entries = _entries(folder)
    for _, _, path in reversed(entries):
        if _is_damaged(path):
            continue
        try:
            return _read(path), path
        except IntegrityError as error:
            warnings.warn(
                f"checkpoint {path.name} is damaged and is passed over: {error}",
                DamagedCheckpointWarning,
                stacklevel=2,
            )
            _set_aside(path)
    if entries:
        raise RunError(
            f"every checkpoint in {folder} is damaged; start again with --overwrite "
            "or choose another --out"
        )
    return None


def _read(path: Path) -> State:
    files = read_folder(path)
    try:
        values = _decode(json.loads(files[VALUES]))
        return State(tensors=decode_tensors(files[TENSORS]), values=values)
    except (KeyError, ValueError) as error:
        raise IntegrityError(f"{path} is not a checkpoint: {error}") from error


def _set_aside(path: Path) -> None:
    try:
        path.rename(path.with_name(path.name + _DAMAGED))
    except OSError as error:
        raise file_error("rename", path, error) from error


def _entries(folder: Path) -> list[tuple[int, int, Path]]:
    """(step, serial number within the step, path) of every checkpoint, oldest first."""
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise file_error("read", folder, error) from error
    return sorted(
        (int(match[1]), int(match[2] or 0), path)
        for path in paths
        if (match := _NAME.fullmatch(path.name))
    )


def _is_damaged(path: Path) -> bool:
    return path.name.endswith(_DAMAGED)


def _encode(value: Any) -> Any:
    """JSON-able form: NaN and infinities become {"$float": "nan"} and so on."""
    if isinstance(value, float) and not math.isfinite(value):
        return {_NON_FINITE: str(float(value))}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value


def _decode(value: Any) -> Any:
    """Inverse of `_encode`; tuples come back as lists."""
    if isinstance(value, dict):
        if value.keys() == {_NON_FINITE}:
            return float(value[_NON_FINITE])
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value
