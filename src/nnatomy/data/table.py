"""From a table to training samples: read, check, split, encode, and report what was done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from nnatomy.data import table_quality
from nnatomy.data.prepared import Prepared
from nnatomy.data.quality import DataReport, Finding, Rejected
from nnatomy.data.samples import TensorSamples
from nnatomy.data.schema import (
    ROW_NUMBER,
    Kind,
    Schema,
    TypedColumn,
    check_kinds,
    infer_column,
    read_column,
    varying,
)
from nnatomy.data.split import Split, SplitPlan, split_records
from nnatomy.data.table_cells import Floats, Objects
from nnatomy.data.table_codec import TableCodec, TypedReader, encode_rows
from nnatomy.data.table_encode import Code, Encoder, Tally, fit_code, mean_and_std
from nnatomy.data.table_file import STREAM_BYTES, AnyTable, open_table
from nnatomy.data.table_target import Answers, find_answers, has_decimal_commas, reject
from nnatomy.data.task import Task
from nnatomy.data.task_inference import choose_target
from nnatomy.errors import DataError, nearest

__all__ = ["TableCodec", "prepare_table"]

_HASH_FACTOR = np.uint64(1_000_003)


@dataclass
class _Profile:
    """What is known of the columns; the passes over the table fill it."""

    reader: TypedReader
    features: list[str] = field(default_factory=list)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(1, np.uint64))
    findings: list[Finding] = field(default_factory=list)

    def add(self, typed: TypedColumn, role: str | None) -> None:
        """Take down one column; `role` says what it is for when it is no feature."""
        name = typed.column.name
        hashes = _hash(typed.values)
        self.digests[name] = hashlib.sha256(hashes.tobytes()).hexdigest()
        used = role is None and typed.column.is_used
        self.entries[name] = {
            "name": name,
            "kind": typed.column.kind,
            "reason": typed.column.reason,
            "used": used,
            "missing": int(typed.missing.sum()),
            "unique": typed.unique,
            "treatment": "not used" if role is None else role,
        }
        if role is None:
            self.reader.remember(typed)
            self.findings += table_quality.check_column(typed)
        elif role != "target":  # the target is read by rules of its own
            self.findings += typed.findings
        if used:
            self.features.append(name)
            self.hashes = self.hashes * _HASH_FACTOR ^ hashes

    def fingerprint(self) -> str:
        """sha256 over the names and values of all columns."""
        return hashlib.sha256(repr(list(self.digests.items())).encode()).hexdigest()


def prepare_table(
    source: Any,
    *,
    target: str | None = None,
    task: str | None = None,
    kinds: Mapping[str, Kind] | None = None,
    plan: SplitPlan | None = None,
    scratch: Path | None = None,
    stream_bytes: int = STREAM_BYTES,
    like: TableCodec | None = None,
) -> Prepared:
    """Read, check, split and encode a table.

    Args:
        source: A `Table`, or what `read_table` takes.
        target: Column to be learned; by default one with a usual name, else the last one.
        task: "classification" or "regression"; inferred by default.
        kinds: What columns hold, where the inference is wrong.
        plan: How to split.
        scratch: Folder for the encoded records of a table that is too large for memory; their
            file has no name and vanishes with the process. By default the system's own.
        stream_bytes: Unpacked size from which a Parquet file is read in parts.
        like: Of an earlier network, whose columns the table must have: its codes are used instead
            of new ones.

    Raises:
        DataError: The table cannot be used; the message says what to change.
        SettingError: The task or the plan is not usable.
    """
    plan, kinds = _named(plan or SplitPlan()), {str(k): kind for k, kind in (kinds or {}).items()}
    table = open_table(source, stream_bytes)
    _check_names(table, kinds, plan)
    name, why = choose_target(table.names, target)
    if name in kinds:
        raise DataError(f"kinds: {name!r} is the target; give the task instead of its kind")
    order, usable, rejected = _order(table, name, plan, kinds)
    found, answers = find_answers(table, name, task, usable)
    split = _split(found, answers, order, plan)
    roles = {name: "target", plan.group: "group", plan.time: "time"}
    profile = _profile(table, kinds, roles, answers.rows[split.train])
    if like is not None:
        _order_like(profile, like)
    codec = _fit(profile, found, answers, split, like)
    if plan.group is None:
        _check_identities(profile, answers.rows, split)
    tally = Tally()
    parts = (split.train, split.valid, split.test)
    positions = np.concatenate(parts)
    inputs = encode_rows(profile.reader, codec.encoder, answers.rows[positions], tally, scratch)
    train, valid, test = _cut(inputs, codec.encode_target(answers.values[positions]), parts)
    report = DataReport(table.origin, "table", profile.fingerprint())
    report.read = len(table) + len(table.rejected)
    report.used = len(answers.rows)
    report.splits = {"train": len(train), "valid": len(valid), "test": len(test)}
    report.split_method = split.method
    report.target, notes = _describe_target(found, answers, split, why, chosen=target is None)
    report.columns = list(profile.entries.values())
    report.rejected = [*table.rejected, *rejected, *answers.rejected]
    encoding = [finding for finding in tally.findings() if finding.code != "infinite"]
    twins = table_quality.check_twins(profile.hashes[answers.rows], split, plan.group is not None)
    report.findings = table_quality.by_weight(
        [*table.findings, *answers.findings, *notes, *twins, *profile.findings, *encoding]
    )
    test_rows = answers.rows[split.test]
    names = [f"{table.unit} {table.lines[row]}" for row in test_rows]

    def show(i: int) -> dict[str, Any]:
        return {"name": names[i], "row": table.row(int(test_rows[i]))}

    return Prepared(train, valid, test, codec, report, (codec.encoder.width,), names, show)


def _named(plan: SplitPlan) -> SplitPlan:
    """The plan with names as texts: columns of a frame may have numbers for names."""
    group, time = (None if name is None else str(name) for name in (plan.group, plan.time))
    return replace(plan, group=group, time=time)


def _check_names(table: AnyTable, kinds: Mapping[str, Kind], plan: SplitPlan) -> None:
    check_kinds(kinds, table.names)
    for role, name in (("group", plan.group), ("time", plan.time)):
        if name is not None and name not in table.names:
            raise DataError(f"there is no {role} column {name!r}; {nearest(name, table.names)}")


def _order(
    table: AnyTable, target: str, plan: SplitPlan, kinds: Mapping[str, Kind]
) -> tuple[NDArray[Any] | None, NDArray[np.bool_], list[Rejected]]:
    """Values of the group or time column, the rows that have one, and the other rows."""
    name = plan.group or plan.time
    if name is None:
        return None, np.ones(len(table), dtype=bool), []
    if name == target:
        raise DataError(f"{name!r} cannot both be the target and decide the split")
    typed = infer_column(
        table.column(name),
        name,
        is_text=table.is_text,
        kind=kinds.get(name),
        commas_elsewhere=has_decimal_commas(table),
    )
    if plan.time:
        _check_time(typed)
    reason = f"no value in the {'group' if plan.group else 'time'} column {name!r}"
    rejected = reject(table, np.flatnonzero(typed.missing), reason)
    return typed.values, ~typed.missing, rejected


def _check_time(typed: TypedColumn) -> None:
    name = typed.column.name
    if typed.values.dtype != np.float64:
        raise DataError(f"the time column {name!r} holds neither numbers nor dates")
    if any(finding.code == "ambiguous-dates" for finding in typed.findings):
        raise DataError(
            f"the dates of the time column {name!r} may be day/month or month/day, and the split "
            "would mix past and future if guessed wrong: write them as 2024-12-31"
        )


def _split(task: Task, answers: Answers, order: NDArray[Any] | None, plan: SplitPlan) -> Split:
    chosen = None if order is None else order[answers.rows]
    if plan.group and chosen is not None:
        chosen = pd.factorize(chosen)[0]
    return split_records(
        len(answers.rows),
        plan,
        labels=answers.values if task.kind == "classification" else None,
        groups=chosen if plan.group else None,
        times=chosen if plan.time else None,
    )


def _profile(
    table: AnyTable,
    kinds: Mapping[str, Kind],
    roles: Mapping[str | None, str],
    train: NDArray[np.int64],
) -> _Profile:
    """Find out what every column holds, one column at a time.

    Args:
        table: The table.
        kinds: What the user says the columns hold.
        roles: What columns are for that are no features.
        train: Positions of the training rows: a feature must have two values there.
    """
    profile = _Profile(TypedReader(table), hashes=np.zeros(len(table), np.uint64))
    commas = has_decimal_commas(table)
    for name in table.names:
        typed = infer_column(
            table.column(name),
            name,
            is_text=table.is_text,
            kind=kinds.get(name),
            commas_elsewhere=commas,
        )
        profile.add(varying(typed, train), roles.get(name))
    if not profile.features:
        _use_counts(profile, train)
    digests = {name: profile.digests[name] for name in profile.features}
    profile.findings += table_quality.check_duplicate_columns(digests)
    return profile


def _use_counts(profile: _Profile, train: NDArray[np.int64]) -> None:
    """Where nothing else can be learned from, take columns that run like row numbers as amounts."""
    for name, entry in list(profile.entries.items()):
        is_count = entry["kind"] == "id" and entry["reason"] == ROW_NUMBER
        if not is_count or name not in profile.reader.columns:
            continue
        if table_quality.speaks_of_identity(name):
            continue
        told = replace(profile.reader.columns[name], kind="number")
        typed = read_column(profile.reader.table.column(name), told)
        profile.findings = [f for f in profile.findings if f.where != name]
        profile.add(varying(typed, train), None)
        message = f"{name!r} runs like a row number and is used, as there is no other column"
        profile.findings.append(Finding("row-number-used", message, name))


def _hash(values: Floats | Objects) -> NDArray[np.uint64]:
    if values.dtype == np.float64:
        values = values + 0.0  # one zero
        values[np.isnan(values)] = np.nan  # one NaN
    else:
        values = np.where(pd.isna(values), "\0", values)
    return np.asarray(pd.util.hash_array(values), dtype=np.uint64)


def _order_like(profile: _Profile, like: TableCodec) -> None:
    """Put the features into the order of an earlier network's inputs, which must be the same."""
    wanted = {column.name: column.kind for column in like.schema.columns}
    origin = profile.reader.table.origin
    for name in wanted:
        if name not in profile.features:
            hint = nearest(name, profile.features)
            raise DataError(
                f"{origin}: the earlier network was fed the column {name!r}, which is not there or "
                f"not used; {hint}"
            )
        kind = profile.reader.columns[name].kind
        if kind != wanted[name]:
            raise DataError(
                f"{origin}: {name!r} holds a {kind}, for the earlier network it was a "
                f"{wanted[name]}: --kind {name}={wanted[name]}"
            )
    for name in profile.features:
        if name not in wanted:
            raise DataError(
                f"{origin}: the earlier network was not fed the column {name!r}: leave it out of "
                f"the table, or --kind {name}=id"
            )
    profile.features[:] = list(wanted)


def _fit(
    profile: _Profile, task: Task, answers: Answers, split: Split, like: TableCodec | None
) -> TableCodec:
    """Fit the codes of the features on the training rows; look for leaks in the used rows."""
    known = {} if like is None else {code.name: code for code in like.encoder.codes}
    if not profile.features:
        table = profile.reader.table
        hint = "; ".join(finding.message for finding in profile.findings[:3])
        raise DataError(f"{table.origin} has no column to learn from: {hint}")
    train = answers.rows[split.train]
    codes: list[Code] = []
    for name in profile.features:
        column, entry = profile.reader.columns[name], profile.entries[name]
        typed = TypedColumn(column, profile.reader.values(name), entry["unique"])
        codes.append(known.get(name) or fit_code(column, typed.values[train]))
        entry["treatment"] = codes[-1].treatment()
        leak = table_quality.check_leak(typed, answers.rows, answers.values, task)
        profile.findings += [leak] if leak else []
    columns = tuple(profile.reader.columns[name] for name in profile.features)
    is_number = task.kind == "regression"
    mean, std = mean_and_std(answers.values[split.train]) if is_number else (0.0, 1.0)
    return TableCodec(task, Schema(columns), Encoder(tuple(codes)), mean, std)


def _check_identities(profile: _Profile, rows: NDArray[np.int64], split: Split) -> None:
    for name in filter(table_quality.speaks_of_identity, profile.reader.columns):
        values = profile.reader.values(name)[rows]
        profile.findings += table_quality.check_shared_groups(name, values, split)


def _cut(
    inputs: NDArray[np.float32], targets: torch.Tensor, parts: tuple[NDArray[np.int64], ...]
) -> tuple[TensorSamples, TensorSamples, TensorSamples]:
    """The sets as views of the records, which lie set by set."""
    sizes = [len(part) for part in parts]
    pieces = zip(
        torch.split(torch.from_numpy(inputs), sizes), torch.split(targets, sizes), strict=True
    )
    train, valid, test = (TensorSamples(x, y) for x, y in pieces)
    return train, valid, test


def _describe_target(
    task: Task, answers: Answers, split: Split, why: str, *, chosen: bool
) -> tuple[dict[str, Any], list[Finding]]:
    """The target's entry in the report, and what should be known about it."""
    entry: dict[str, Any] = {"name": task.target, "task": task.kind, "reason": task.reason}
    entry["chosen"] = why
    findings = []
    if chosen:
        message = f"{task.target!r} was taken as the target: {why}; name another one if it is not"
        findings.append(Finding("target-chosen", message, task.target))
    if task.kind == "regression":
        values = answers.values
        entry["values"] = {
            "min": float(values.min()),
            "mean": mean_and_std(values)[0],
            "std": mean_and_std(values)[1],
            "max": float(values.max()),
        }
        return entry, findings
    counts = np.bincount(answers.values, minlength=len(task.classes)).tolist()
    by_label = dict(zip(task.classes, counts, strict=True))
    entry["classes"] = {str(label): count for label, count in by_label.items()}
    findings += table_quality.check_classes(by_label, task.target)
    findings += table_quality.check_class_cover(answers.values, split, task)
    return entry, findings
