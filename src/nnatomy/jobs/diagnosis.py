"""What was wrong with a training run: watched while it goes on, kept in its folder, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.unjudged import unjudged
from nnatomy.errors import IntegrityError, RunError
from nnatomy.training.atomic import (
    file_error,
    read_non_finite,
    spell_non_finite,
    to_json,
    write_bytes,
)

FILE = "diagnosis.json"
_BRIEF = ("check", "severity", "cause", "symptom", "remedy", "lecture")
_FORM: dict[str, type] = {
    "layers": list,
    "structure": dict,
    "settings": dict,
    "facts": dict,
    "rows": list,
    "history": list,
    "failure": str,
}


def diagnosis_of(case: Case) -> dict[str, Any]:
    """The content of diagnosis.json of a run that has ended.

    Args:
        case: Its record.

    Returns:
        The case with everything that was measured, the findings on it, and by check what was
        missing to judge it; NaN and infinities are texts.
    """
    findings = [finding.to_json() for finding in findings_of(case)]
    lacking = {check: list(words) for check, words in unjudged(case).items()}
    content: dict[str, Any] = spell_non_finite(
        {"case": case.to_json(), "findings": findings, "not_judged": lacking}
    )
    return content


def write_diagnosis(path: Path, content: Mapping[str, Any]) -> None:
    """Write diagnosis.json, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    write_bytes(path, to_json(dict(content)) + b"\n")


def brief(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings of a diagnosis without their evidence, as result.json has them."""
    return [{name: finding[name] for name in _BRIEF} for finding in content["findings"]]


def findings(run_folder: str | Path) -> list[Finding]:
    """What is wrong with a training run, causes first; an empty list for a healthy one.

    The findings are computed anew from the measurements in the run folder.

    Args:
        run_folder: Folder of a run that has finished, or that broke off at a NaN.

    Raises:
        RunError: The folder is no run, or its run was not watched to its end.
        IntegrityError: Its diagnosis.json is damaged.
    """
    return findings_of(read_case(run_folder))


def read_case(run_folder: str | Path) -> Case:
    """Everything that was measured of a run; raises as `findings`."""
    folder = Path(run_folder)
    path = folder / FILE
    _check(folder)
    try:
        values = read_non_finite(json.loads(path.read_bytes())["case"])
        for name, kind in _FORM.items():
            if not isinstance(values[name], kind):
                raise TypeError(f"'{name}' is no {kind.__name__}")
        if not all(isinstance(row, dict) for row in [*values["rows"], *values["history"]]):
            raise TypeError("a row holds no values by name")
        return Case.from_json(values)
    except OSError as error:
        raise file_error("read", path, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{path} is damaged ({error}); train the run again with --overwrite"
        ) from None


def _check(folder: Path) -> None:
    """Say what to do where there is nothing to read."""
    if not (folder / "config.json").is_file():
        raise RunError(
            f"{folder} is no run folder: it has no config.json; name a folder that nnatomy train "
            "has written"
        )
    if (folder / FILE).exists():
        return
    if (folder / "result.json").exists():
        raise RunError(
            f"{folder} has no {FILE}: an older version of nnatomy trained it, without measuring; "
            "train it again with --overwrite"
        )
    raise RunError(
        f"{folder} has no {FILE}: its run has not come to an end; run the same command again to go "
        "on"
    )
