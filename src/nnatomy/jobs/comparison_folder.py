"""The folder of a comparison: a page and a JSON file, never over another's work unasked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnatomy.errors import OccupiedError, RunError
from nnatomy.jobs.comparison import Comparison
from nnatomy.training.atomic import is_temporary, to_json, write_bytes, write_json
from nnatomy.training.run_folder import COMPARISON_FILES, RunFolder, differences

_FACTS, _PAGE = COMPARISON_FILES


class ComparisonFolder:
    """Where a comparison is written.

    Args:
        path: The folder; it may be missing.
        overwrite: An earlier run or comparison in it is replaced.

    Raises:
        RunError: It is a file, or has files that belong to neither a run nor a comparison.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = path, overwrite
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file: name a folder with --out")
        run = RunFolder(path)
        self._of_run = {file.name for file in (*run.files, run.lock)}
        strange = self._names() - self._of_run - set(COMPARISON_FILES)
        if _FACTS not in self._names():
            strange |= self._names() & {_PAGE}
        if strange:
            raise RunError(
                f"{path} has files that belong to no comparison ({min(strange)}); "
                "choose another --out"
            )

    @property
    def page(self) -> Path:
        """The page."""
        return self.path / _PAGE

    def check(self, config: dict[str, Any], fingerprint: str) -> None:
        """Refuse a folder that holds something else than an earlier start of this comparison.

        Args:
            config: What is compared.
            fingerprint: Of the data.

        Raises:
            OccupiedError: It holds a run, or a comparison of other settings or data.
        """
        if self.overwrite:
            return
        held = self._held(config, fingerprint)
        if held:
            raise OccupiedError(
                f"{self.path} holds {held}; add --overwrite to start anew or choose another --out"
            )

    def write(self, comparison: Comparison) -> None:
        """Write the facts and the page; with `overwrite` what was there is removed before.

        Raises:
            RunError: The folder cannot be written, or a run holds it.
        """
        page = comparison.html().encode()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self._names() & (self._of_run - {"LOCK"}):
                RunFolder.clear(self.path)
            write_json(self.path / _FACTS, comparison.to_json())
            write_bytes(self.page, page)
        except OSError as error:
            reason = error.strerror or error
            raise RunError(
                f"{self.path} cannot be written: {reason}; name another with --out"
            ) from None

    def _names(self) -> set[str]:
        if not self.path.is_dir():
            return set()
        return {entry.name for entry in self.path.iterdir() if not is_temporary(entry.name)}

    def _held(self, config: dict[str, Any], fingerprint: str) -> str:
        """What else it holds, in words."""
        if self._names() & (self._of_run - {"LOCK"}):
            return "a training run"
        if _FACTS not in self._names():
            return ""
        try:
            earlier = json.loads((self.path / _FACTS).read_bytes())
            before = {**earlier["config"], "data": earlier["data"]["fingerprint"]}
        except (OSError, ValueError, KeyError, TypeError):
            return "another comparison"
        now = json.loads(to_json({**config, "data": fingerprint}))
        changes = differences(before, now)
        return f"another comparison ({'; '.join(changes)})" if changes else ""
