"""What a user should know about the columns of a table before trusting what was learned from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data.quality import Finding, counted
from nnatomy.data.schema import TypedColumn
from nnatomy.data.split import Split
from nnatomy.data.task import Task
from nnatomy.types import Label

HUGE = 1e15
LEAK_CORRELATION = 0.999
LEAK_RECORDS_A_LEVEL = 5
"""A column that determines the class betrays it only if its levels repeat this often on average."""
IMBALANCE = 10

_GROUP_NAME = re.compile(
    r"(?:^|[_ ])(?:id|group|patient|subject|user|customer|session|machine|device)s?(?:$|[_ ])", re.I
)
_WEIGHTS = (
    "leaking-column",
    "duplicates-across-splits",
    "shared-groups",
    "class-not-in-train",
    "class-imbalance",
    "tiny-classes",
    "target-chosen",
)


def by_weight(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with those that can spoil a result first; otherwise in the given order."""
    return sorted(
        findings,
        key=lambda f: _WEIGHTS.index(f.code) if f.code in _WEIGHTS else len(_WEIGHTS),
    )


def check_column(typed: TypedColumn) -> list[Finding]:
    """Constant, unused, missing, infinite and huge values of one column."""
    column, name = typed.column, typed.column.name
    findings = list(typed.findings)

    def found(code: str, message: str) -> None:
        findings.append(Finding(code, message, name))

    if column.kind == "constant":
        found("constant-column", f"{name!r} is not used: {column.reason}")
    elif column.kind in ("id", "text"):
        advice = f"if it is meaningful, give {name!r} the kind number or category"
        found(f"{column.kind}-column", f"{name!r} is not used: {column.reason}; {advice}")
    else:
        count = int(typed.missing.sum())
        if count:
            share = f"missing cells of {name!r}: {count} of {len(typed.values)}"
            filled = "unknown" if column.kind == "category" else "the training mean"
            found("missing-values", f"{share}; encoded as {filled}")
    if column.kind in ("number", "boolean"):
        sizes = np.abs(np.asarray(typed.values, dtype=np.float64))
        infinite, huge = int(np.isinf(sizes).sum()), int((sizes > HUGE).sum())
        if infinite:
            message = f"{counted(infinite, 'infinite cell')} of {name!r}, taken as missing"
            found("infinite", message)
        if huge > infinite:
            what = counted(huge - infinite, "value")
            message = f"{what} of {name!r} beyond ±1e15: wrong units or codes?"
            found("huge-values", message)
    return findings


def check_leak(
    typed: TypedColumn, rows: NDArray[np.int64], answers: NDArray[Any], task: Task
) -> Finding | None:
    """Whether one column gives the target away.

    Args:
        typed: The column.
        rows: (n,) records that are used.
        answers: (n,) class indices or values of these records.
        task: What is to be learned.
    """
    name, values = typed.column.name, typed.values[rows]
    if task.kind == "regression":
        if typed.column.kind == "category":
            return None
        correlation = _correlation(np.asarray(values, dtype=np.float64), answers)
        if abs(correlation) <= LEAK_CORRELATION:
            return None
        how = f"its correlation with {task.target!r} is {correlation:.4f}"
    else:
        if typed.unique > len(values) / LEAK_RECORDS_A_LEVEL:
            return None
        levels, _ = pd.factorize(values, use_na_sentinel=False)
        pairs = np.unique(levels * len(task.classes) + answers)
        if len(pairs) > len(np.unique(levels)) or len(pairs) < 2:
            return None
        how = f"each of its {len(pairs)} values belongs to a single class of {task.target!r}"
    message = f"{name!r} may give the answer away: {how}; drop it if it is not known beforehand"
    return Finding("leaking-column", message, name)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 3:
        return 0.0
    x, y = (_unit(v[both]) for v in (x, y))
    return float(x @ y)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values without their mean, as a vector of length 1 (or 0)."""
    largest = float(np.abs(values).max())
    centered = values / (largest or 1.0)
    centered = centered - centered.mean()
    return np.asarray(centered / (float(np.linalg.norm(centered)) or 1.0))


def check_classes(counts: Mapping[Label, int], target: str) -> list[Finding]:
    """Classes that are too small, or far smaller than the largest one."""
    findings = []
    tiny = [repr(label) for label, count in counts.items() if count < 2]
    if tiny:
        what = counted(len(tiny), "class", "classes")
        message = f"{what} of {target!r} with one record only, kept in train: {_few(tiny)}"
        findings.append(Finding("tiny-classes", message, target))
    small, large = min(counts.values()), max(counts.values())
    if large > IMBALANCE * small:
        message = (
            f"the classes of {target!r} are unbalanced: {small} to {large} records; "
            "judge by balanced accuracy, and consider class weights"
        )
        findings.append(Finding("class-imbalance", message, target))
    return findings


def check_duplicate_columns(digests: Mapping[str, str]) -> list[Finding]:
    """Columns with the same values as an earlier one, by the digests of their values."""
    first: dict[str, str] = {}
    findings = []
    for name, digest in digests.items():
        twin = first.setdefault(digest, name)
        if twin != name:
            message = f"{name!r} has the same values as {twin!r}; one of them is enough"
            findings.append(Finding("duplicate-columns", message, name))
    return findings


def check_twins(hashes: NDArray[np.uint64], split: Split, grouped: bool) -> list[Finding]:
    """Held-out records whose features are exactly those of a training record.

    Args:
        hashes: Hash of the features of every used record.
        split: The sets.
        grouped: Whether the user has named a group column already.
    """
    known = np.unique(hashes[split.train])
    counts = {
        name: int(np.isin(hashes[part], known).sum())
        for name, part in (("valid", split.valid), ("test", split.test))
    }
    if not any(counts.values()):
        return []
    advice = (
        "check the group column" if grouped else "name a group column (--group) that unites them"
    )
    message = (
        f"{counts['valid']} validation and {counts['test']} test records with an exact twin in "
        f"train, which flatters the result; {advice}, or remove repeated records"
    )
    return [Finding("duplicates-across-splits", message, "train")]


def speaks_of_identity(name: str) -> bool:
    """Whether a column is called like one that tells to whom or to what a record belongs."""
    return _GROUP_NAME.search(name) is not None


def check_shared_groups(name: str, values: NDArray[Any], split: Split) -> list[Finding]:
    """Whether a column of identities has values on both sides of a split.

    Args:
        name: Name of the column.
        values: Typed values of every used record.
        split: The sets.
    """
    codes, _ = pd.factorize(values)
    held_out = codes[np.concatenate([split.valid, split.test])]
    shared = int((np.isin(held_out, codes[split.train]) & (held_out >= 0)).sum())
    if not shared:
        return []
    message = (
        f"held-out records whose {name!r} is that of a training record: {shared}; "
        f"if these belong together, split by it (--group {name!r})"
    )
    return [Finding("shared-groups", message, name)]


def check_class_cover(answers: NDArray[np.int64], split: Split, task: Task) -> list[Finding]:
    """Classes that are held out but never trained."""
    absent = Counter(answers.tolist()).keys() - set(answers[split.train].tolist())
    if not absent:
        return []
    labels = _few([repr(task.classes[i]) for i in sorted(absent)])
    message = f"no training record has the class {labels} of {task.target!r}; it cannot be learned"
    return [Finding("class-not-in-train", message, task.target)]


def _few(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (", …" if len(texts) > 5 else "")
