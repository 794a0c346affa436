"""The model file: one safetensors file that cannot run code and in which any change is seen.

The header's `__metadata__` holds two texts: "nnatomy", a JSON object with everything but the
tensors, and "sha256", the digest of the whole file with the digest's own 64 characters replaced by
zeros. Reading it opens this one file, parses JSON and copies numbers; nothing in it names code,
another file or an address.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from nnatomy.errors import IntegrityError, RunError
from nnatomy.training.atomic import file_error, to_json, write_bytes
from nnatomy.training.tensor_file import decode_tensors, encode_tensors

SCHEMA_VERSION = 1

_PREFIX = 8
"""Bytes of the little-endian number that states the header's length."""

_MAX_HEADER = 100_000_000
"""The safetensors library accepts no longer header."""

_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
"""Found only as an entry of the metadata: within texts and names of tensors quotes are escaped."""

_ZEROS = "0" * 64


def write_model(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, Any]) -> str:
    """Write a model file, whole or not at all; equal content gives equal bytes.

    Args:
        path: File to write.
        tensors: Weights and buffers by name.
        metadata: JSON-able values without the key "schema", which this module sets.

    Returns:
        The file's digest as 64 hexadecimal characters.

    Raises:
        RunError: The file cannot be written; an older one is intact.
        ValueError: The metadata hold a number that is not finite, or the key "schema".
    """
    if "schema" in metadata:
        raise ValueError('the key "schema" is set by the model file')
    header, body = _parts(encode_tensors(tensors))
    entries = json.loads(header)
    text = to_json({"schema": SCHEMA_VERSION, **metadata}).decode()
    entries["__metadata__"] = {"nnatomy": text, "sha256": _ZEROS}
    # The library's header has its entries in random order; written anew, the bytes are repeatable.
    header = to_json(entries)
    header += b" " * (-len(header) % 8)
    blank = len(header).to_bytes(_PREFIX, "little") + header + body
    start, end = _digest_span(header)
    digest = _sha256(blank, start, end)
    write_bytes(path, blank[:start] + digest.encode() + blank[end:])
    return digest


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a model file: its tensors and its metadata as they were given to `write_model`.

    Raises:
        RunError: There is no such file, or it cannot be read.
        IntegrityError: It is not a model file, is damaged, or is of a newer version.
    """
    data = _read_bytes(path)
    try:
        header, _ = _parts(data)
        start, end = _digest_span(header)
    except ValueError as error:
        raise IntegrityError(f"{path} is not an nnatomy model file: {error}") from error
    recorded = data[start:end].decode()
    if _sha256(data, start, end) != recorded:
        raise IntegrityError(
            f"{path} is damaged: its content does not match its recorded sha256; get a new copy"
        )
    try:
        metadata = _metadata(header, recorded)
        tensors = decode_tensors(data)
    except (IntegrityError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{path} is not an nnatomy model file: {error}") from error
    schema = metadata.pop("schema")
    if schema > SCHEMA_VERSION:
        raise IntegrityError(
            f"{path} is of version {schema}, this nnatomy reads up to {SCHEMA_VERSION}: "
            "upgrade nnatomy"
        )
    return tensors, metadata


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise RunError(f"{path} is a folder, not a model file; name the file in it")
    if path.exists() and not path.is_file():
        raise RunError(f"{path} is a device or a pipe, not a model file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise file_error("read", path, error) from error


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """Header and body of a safetensors file, by the length stated in its first 8 bytes."""
    length = int.from_bytes(data[:_PREFIX], "little")
    if len(data) < _PREFIX or length > min(_MAX_HEADER, len(data) - _PREFIX):
        raise ValueError("it is too short or is no safetensors file")
    return data[_PREFIX : _PREFIX + length], data[_PREFIX + length :]


def _digest_span(header: bytes) -> tuple[int, int]:
    """Where the digest stands, counted from the beginning of the file."""
    found = list(_DIGEST.finditer(header))
    if len(found) != 1:
        raise ValueError("it has no digest")
    return _PREFIX + found[0].start(1), _PREFIX + found[0].end(1)


def _sha256(data: bytes, start: int, end: int) -> str:
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS.encode())
    digest.update(view[end:])
    return digest.hexdigest()


def _metadata(header: bytes, digest: str) -> dict[str, Any]:
    entry = json.loads(header)["__metadata__"]
    if entry["sha256"] != digest:
        raise ValueError("its digest stands in the wrong place")
    metadata = json.loads(entry["nnatomy"], parse_constant=_refuse_constant)
    if not isinstance(metadata, dict) or type(metadata.get("schema")) is not int:
        raise ValueError("its metadata state no schema version")
    return metadata


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
