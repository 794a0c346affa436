"""Files that are either whole or absent: the one way in which a run writes to disk.

Data go to a temporary name in the same folder, reach the disk (fsync), and only then take their
final name (rename), which the file system does in one step. Whatever happens on the way (a full
disk, `kill -9`, a power cut), the final name stands for the old content or for the new one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nnatomy.errors import IntegrityError, RunError
from nnatomy.types import Json

MANIFEST = "MANIFEST.json"

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")

_NON_FINITE = frozenset({"nan", "inf", "-inf"})

_REMEDIES = {
    errno.ENOSPC: "free some disk space and run the same command again",
    errno.EDQUOT: "free some of your disk quota and run the same command again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) and run the same command again",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EIO: "check the disk: it reports a fault",
}


def file_error(action: str, path: Path, error: OSError) -> RunError:
    """One line for a failed file operation: what was tried, on which file, why not, what to do.

    >>> file_error("write", Path("a.json"), OSError(errno.ENOSPC, "No space left on device"))
    RunError('cannot write a.json: No space left on device; free some disk space and run the same \
command again')
    """
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "check the path and the disk")
    return RunError(f"cannot {action} {path}: {reason}; {remedy}")


def to_json(value: Json, *, indent: int | None = None) -> bytes:
    """JSON text in UTF-8, without spaces unless indented.

    A number that is not finite is refused, since JSON has none.

    Raises:
        ValueError: A float is NaN or infinite.
    """
    text = json.dumps(
        value,
        indent=indent,
        separators=(",", ":") if indent is None else None,
        ensure_ascii=False,
        allow_nan=False,
    )
    # A lone surrogate (from a badly coded file name) has no UTF-8 form, but JSON can escape it,
    # in just the spelling that backslashreplace gives.
    return text.encode("utf-8", "backslashreplace")


def spell_non_finite(value: Any) -> Any:
    """The same value with NaN and infinities as the texts "nan", "inf" and "-inf".

    JSON has no such numbers; `read_non_finite` turns the texts back.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, dict):
        return {key: spell_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [spell_non_finite(item) for item in value]
    return value


def read_non_finite(value: Any) -> Any:
    """Inverse of `spell_non_finite`, where no text is one of these words by itself."""
    if isinstance(value, str) and value in _NON_FINITE:
        return float(value)
    if isinstance(value, dict):
        return {key: read_non_finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [read_non_finite(item) for item in value]
    return value


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file's content, whole or not at all.

    Raises:
        RunError: The file cannot be written; the old content is intact.
    """
    with _temporary(path) as temporary:
        _write_synced(temporary, data)
        temporary.replace(path)
        sync_folder(path.parent)


def write_json(path: Path, value: Json) -> None:
    """Replace the file by readable JSON text, whole or not at all.

    Raises:
        RunError: The file cannot be written; the old content is intact.
        ValueError: A float is NaN or infinite.
    """
    write_bytes(path, to_json(value, indent=2) + b"\n")


def commit_folder(parent: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Write a new folder with its files and a manifest of their digests, whole or not at all.

    Args:
        parent: Existing folder that gets the new one.
        name: Name of the new folder.
        files: Content of each file.

    Returns:
        Path of the new folder.

    Raises:
        RunError: The folder cannot be written, or there already is one of this name with content.
    """
    folder = parent / name
    with _temporary(folder) as temporary:
        temporary.mkdir()
        for file_name, data in files.items():
            _write_synced(temporary / file_name, data)
        _write_synced(temporary / MANIFEST, _manifest(files))
        sync_folder(temporary)
        temporary.rename(folder)
        sync_folder(parent)
    return folder


def replace_folder(parent: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """`commit_folder`, in the place of a folder of this name; the old one goes when all is written.

    Raises:
        RunError: The folder cannot be written.
    """
    folder = parent / name
    if not folder.exists():
        return commit_folder(parent, name, files)
    made = commit_folder(parent, _temporary_name(folder).name, files)
    try:
        discard(folder)
        made.rename(folder)
        sync_folder(parent)
    except OSError as error:
        raise file_error("write", folder, error) from error
    return folder


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a committed folder, after checking each against the manifest.

    Raises:
        IntegrityError: A file or the manifest is missing, unreadable or changed.
    """
    try:
        recorded = (folder / MANIFEST).read_bytes()
        names = list(json.loads(recorded)["files"])
        if any(Path(name).name != name for name in names):
            raise IntegrityError(f"{folder / MANIFEST} is damaged: it names a file elsewhere")
        files = {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise IntegrityError(f"cannot read {error.filename or folder}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder / MANIFEST} is damaged: it is not a manifest") from error
    # The manifest is written anew from what was read and compared byte by byte, so that no change
    # of the manifest itself, however small, goes unseen.
    if _manifest(files) != recorded:
        raise IntegrityError(f"{folder} is damaged: its files do not match their recorded sha256")
    return files


def discard(path: Path) -> None:
    """Remove a file or a folder with its content; a folder disappears in one step.

    Raises:
        RunError: It cannot be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            # Renamed first: a removal that is cut short must not look like a damaged folder.
            shutil.rmtree(path.rename(_temporary_name(path)))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise file_error("remove", path, error) from error


def sweep(folder: Path) -> None:
    """Remove what an interrupted write left behind. Only for the holder of the folder's lock.

    Raises:
        RunError: A left-over cannot be removed.
    """
    for entry in list(folder.iterdir()):
        if is_temporary(entry.name):
            discard(entry)


def is_temporary(name: str) -> bool:
    """Whether a name is one that an unfinished write uses."""
    return _TEMPORARY.fullmatch(name) is not None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename is safe from a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    entries: dict[str, Json] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
        for name, data in files.items()
    }
    return to_json({"schema": 1, "files": entries}, indent=2) + b"\n"


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; nothing is left under it, whatever happens."""
    temporary = _temporary_name(path)
    try:
        yield temporary
    except BaseException as error:
        # A failure to clean up must not hide the failure that led here; the next run sweeps.
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise file_error("write", path, error) from error
        raise


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
