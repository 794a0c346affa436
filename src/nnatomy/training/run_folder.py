"""The run folder: everything that belongs to one training run, held by one process at a time."""

from __future__ import annotations

import json
import os
import platform
import socket
from collections.abc import Iterable, Mapping, Set
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from nnatomy.errors import IntegrityError, OccupiedError, RunError
from nnatomy.training.atomic import (
    discard,
    file_error,
    is_temporary,
    spell_non_finite,
    sweep,
    sync_folder,
    to_json,
    write_json,
)
from nnatomy.types import Json

COMPARISON_FILES = ("comparison.json", "index.html")
"""What a comparison writes into a folder of its own."""


class RunFolder:
    """Paths of a run's files, its lock and its growing table of metrics. Made by `RunFolder.open`.

    Args:
        path: The folder.

    Attributes:
        config: Settings of the run (path of config.json); the other paths likewise.
        environment_changes: Versions and thread counts that differ from those with which the run
            began ("torch: 2.6.0 → 2.7.0"): results may then differ in their last digits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "LOCK"
        self.config = path / "config.json"
        self.env = path / "env.json"
        self.data_report = path / "data_report.json"
        self.transfer = path / "transfer.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "ckpt"
        self.model = path / "model.nnatomy"
        self.diagnosis = path / "diagnosis.json"
        self.report = path / "report.html"
        self.predictions = path / "test_predictions.csv"
        self.result = path / "result.json"
        self.environment_changes: tuple[str, ...] = ()
        self._lock = FileLock(self.lock, timeout=0)

    @classmethod
    def open(
        cls,
        path: Path | str,
        config: dict[str, Any],
        *,
        overwrite: bool = False,
        volatile: Set[str] = frozenset(),
    ) -> RunFolder:
        """Take a run folder, new or of an earlier start of the same run, for this process.

        Args:
            path: The folder; it is created when missing.
            config: Settings of the run, JSON-able. A folder with other settings is refused.
            overwrite: Start anew: remove the files of an earlier run.
            volatile: Settings that may differ between starts of the same run.

        Returns:
            The folder, locked until `close` (or the end of a with block, or of the process).

        Raises:
            OccupiedError: The folder holds other settings, or a comparison.
            RunError: The folder is in use, holds other files, or cannot be written.
        """
        folder = cls(Path(path))
        folder._create(overwrite)
        folder._acquire()
        try:
            folder._prepare(json.loads(to_json(config)), overwrite, volatile)
        except OSError as error:
            folder.close()
            raise file_error("use", folder.path, error) from error
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def clear(cls, path: Path) -> None:
        """Remove the files of a run or comparison, and of nothing else.

        Raises:
            RunError: The folder is in use, or a file cannot be removed.
        """
        folder = cls(path)
        folder._acquire()
        try:
            folder._clear()
        except OSError as error:
            raise file_error("clear", path, error) from error
        finally:
            folder.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder back."""
        self._lock.release()

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: result.json is there and is whole."""
        try:
            json.loads(self.result.read_bytes())
        except (OSError, ValueError):
            return False
        return True

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl, durably; NaN and infinities are written as texts.

        Raises:
            RunError: It cannot be written.
        """
        line = to_json(spell_non_finite(row)) + b"\n"
        try:
            first = not self.metrics.exists()
            with self.metrics.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if first:
                sync_folder(self.path)
        except OSError as error:
            raise file_error("write", self.metrics, error) from error

    def metrics_length(self) -> int:
        """Bytes of the whole lines of metrics.jsonl; a last line that was cut short is left out."""
        try:
            return self.metrics.read_bytes().rfind(b"\n") + 1
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise file_error("read", self.metrics, error) from error

    def truncate_metrics(self, length: int) -> None:
        """Cut metrics.jsonl back to the length that a checkpoint recorded.

        Raises:
            IntegrityError: Lines that the checkpoint counts are gone.
            RunError: It cannot be written.
        """
        there = self.metrics_length()
        if there < length:
            raise IntegrityError(
                f"{self.metrics} has {there} bytes, the checkpoint counts {length}; "
                "start again with --overwrite or choose another --out"
            )
        if not self.metrics.exists():
            return
        try:
            os.truncate(self.metrics, length)
        except OSError as error:
            raise file_error("write", self.metrics, error) from error

    def replace_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put the epochs of another run, which is kept in place of the first, into metrics.jsonl.

        Raises:
            RunError: It cannot be written.
        """
        self.truncate_metrics(0)
        for row in rows:
            self.append_metrics(dict(row))

    @property
    def files(self) -> tuple[Path, ...]:
        """What `_clear` removes; the settings go last: a clearing cut short is then continued."""
        return (
            self.result,
            self.report,
            self.diagnosis,
            self.model,
            self.predictions,
            self.checkpoints,
            self.metrics,
            self.data_report,
            self.transfer,
            self.env,
            self.config,
        )

    def _create(self, overwrite: bool) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise file_error("create the run folder", self.path, error) from error
        begun = {name for name in names if name != self.lock.name and not is_temporary(name)}
        if COMPARISON_FILES[0] in begun and self.config.name not in begun:
            if not overwrite:
                raise OccupiedError(
                    f"{self.path} holds a comparison; "
                    "add --overwrite to start anew or choose another --out"
                )
            begun -= set(COMPARISON_FILES)
        if begun and not {self.lock.name, self.config.name} <= names:
            raise RunError(
                f"{self.path} has files that belong to no run ({min(begun)}); choose another --out"
            )

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
            holder: dict[str, Json] = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
            # In place: replacing the file would leave the lock on a file without a name.
            self.lock.write_bytes(to_json(holder))
        except Timeout:
            raise RunError(
                f"{self.path} is in use by {_holder(self.lock)}; "
                "wait for it to end or choose another --out"
            ) from None
        except OSError as error:
            self._lock.release()
            raise file_error("lock", self.lock, error) from error

    def _prepare(self, config: dict[str, Any], overwrite: bool, volatile: Set[str]) -> None:
        sweep(self.path)
        if overwrite:
            self._clear()
        if self.config.exists():
            self._compare(config, volatile)
        else:
            write_json(self.config, config)
        self.checkpoints.mkdir(exist_ok=True)
        sweep(self.checkpoints)
        sync_folder(self.path)
        now = environment()
        try:
            recorded = json.loads(self.env.read_bytes())
        except (FileNotFoundError, ValueError):
            write_json(self.env, now)
        else:
            self.environment_changes = tuple(differences(recorded, now))

    def _clear(self) -> None:
        """Remove an earlier run, and a comparison that an earlier version wrote beside it."""
        for path in (*(self.path / name for name in COMPARISON_FILES[::-1]), *self.files):
            discard(path)

    def _compare(self, config: dict[str, Any], volatile: Set[str]) -> None:
        try:
            recorded = json.loads(self.config.read_bytes())
        except ValueError:
            raise RunError(
                f"{self.config} is damaged; start again with --overwrite or choose another --out"
            ) from None
        changes = differences(
            {key: value for key, value in recorded.items() if key not in volatile},
            {key: value for key, value in config.items() if key not in volatile},
        )
        if changes:
            raise OccupiedError(
                f"{self.path} holds a run with other settings ({'; '.join(changes)}); "
                "add --overwrite to start anew or choose another --out"
            )


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Settings that differ, nested ones by their dotted name: "name: old → new"."""
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{prefix}{key}.")
        elif before != after or (key in old) != (key in new) or type(before) is not type(after):
            texts = [
                to_json(side[key]).decode() if key in side else "not set" for side in (old, new)
            ]
            changes.append(f"{prefix}{key}: {texts[0]} → {texts[1]}")
    return changes


def environment() -> dict[str, Json]:
    """Versions, platform and processors, as env.json has them."""
    return {
        "nnatomy": version("nnatomy"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _holder(lock: Path) -> str:
    try:
        holder = json.loads(lock.read_bytes())
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # which has the lock but has not yet written who it is
