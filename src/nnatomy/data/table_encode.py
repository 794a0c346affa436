"""Typed columns turned into network inputs, with statistics of the training records only.

- number: (x - mean) / std, clipped to ±1000. A missing one is the mean; when training had missing
  ones, a second input 0/1 says so.
- boolean: 0 or 1. Missing ones as for numbers, with the share of ones in place of the mean.
- date: days since the first training date, standardised like a number; month, weekday and hour as
  sine and cosine when they vary in training, both 0 for a missing date.
- category: one 0/1 input a level, and one for "unknown".

A level seen once in training, and a missing cell, are the "unknown" that is trained. When training
has neither, the input would stay untrained: it is left out, and an unseen level is encoded by the
training share of each level, which is what mean filling is for a number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data.quality import Finding
from nnatomy.data.schema import Column
from nnatomy.data.table_cells import Floats, Objects

CLIP = 1e3
"""Standardised values are clipped to ±CLIP: no honest value is a thousand deviations away, and a
single one would outweigh everything else in a gradient."""

MIN_LEVEL_COUNT = 2
"""Training records that a category level needs for an input of its own."""

_PERIODS = (("month", 12.0), ("weekday", 7.0), ("hour", 24.0))
_EXAMPLES = 5

Inputs: TypeAlias = NDArray[np.float32]


@dataclass
class Tally:
    """What happened while encoding: counts by (event, column), and examples of unknown levels."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """One finding an event and column."""
        return [
            Finding(event, _EVENTS[event].format(count, column, self._shown(column)), column)
            for (event, column), count in sorted(self.counts.items())
            if count
        ]

    def _shown(self, column: str) -> str:
        return ", ".join(repr(text) for text in self.examples.get(column, []))


_EVENTS = {
    "unknown-category": "records with a level of {1!r} that training lacks or has once: {0} ({2})",
    "filled-missing": "records without {1!r}, never missing in training: {0}; filled with the mean",
    "infinite": "infinite cells of {1!r}, taken as missing: {0}",
    "clipped-values": "values of {1!r} over 1000 deviations from the mean, clipped there: {0}",
}


@dataclass(frozen=True)
class NumberCode:
    """Standardisation of one column: (x - shift) / scale, `fill` (standardised) where missing."""

    name: str
    shift: float
    scale: float
    fill: float = 0.0
    indicator: bool = False

    @classmethod
    def fit(cls, column: Column, values: Floats) -> NumberCode:
        """Mean and standard deviation of the training values, computed in float64."""
        known = values[np.isfinite(values)]
        indicator = len(known) < len(values)
        if column.kind == "boolean":
            share = float(known.mean()) if len(known) else 0.0
            return cls(column.name, 0.0, 1.0, share, indicator)
        mean, std = mean_and_std(known)
        return cls(column.name, mean, std, 0.0, indicator)

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return 2 if self.indicator else 1

    def write(self, values: Floats, out: Inputs, tally: Tally) -> None:
        """Encode values (n,) into `out` (n, width)."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (values - self.shift) / self.scale
        far = np.abs(scaled) > CLIP
        if far.any():
            tally.counts["clipped-values", self.name] += int((far & np.isfinite(values)).sum())
            np.clip(scaled, -CLIP, CLIP, out=scaled)
        missing = ~np.isfinite(values)
        if missing.any():
            tally.counts["infinite", self.name] += int(np.isinf(values).sum())
            scaled[missing] = self.fill
            if not self.indicator:
                tally.counts["filled-missing", self.name] += int(missing.sum())
        out[:, 0] = scaled
        if self.indicator:
            out[:, 1] = missing

    def treatment(self) -> str:
        """What is done to the column, in words."""
        what = (
            "0 and 1"
            if (self.shift, self.scale) == (0.0, 1.0)
            else (f"standardised: mean {self.shift:.6g}, deviation {self.scale:.6g}")
        )
        return what + ("; missing: the mean, and an input that says so" * self.indicator)


@dataclass(frozen=True)
class DateCode:
    """A date as standardised days since `first`, and the cycles that vary in training.

    Args:
        name: Name of the column.
        first: First training date, in days since 1970-01-01.
        days: Standardisation of the days since then.
        cycles: Which of month, weekday and hour are inputs.
    """

    name: str
    first: float
    days: NumberCode
    cycles: tuple[str, ...]

    @classmethod
    def fit(cls, column: Column, values: Floats) -> DateCode:
        """First date, statistics of the days and varying cycles of the training values."""
        known = values[np.isfinite(values)]
        first = float(known.min()) if len(known) else 0.0
        cycles = [name for name, _ in _PERIODS if len(np.unique(_phase(known, name))) > 1]
        return cls(column.name, first, NumberCode.fit(column, values - first), tuple(cycles))

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return self.days.width + 2 * len(self.cycles)

    def write(self, values: Floats, out: Inputs, tally: Tally) -> None:
        """Encode days since 1970-01-01 (n,) into `out` (n, width)."""
        self.days.write(values - self.first, out[:, : self.days.width], tally)
        missing = ~np.isfinite(values)
        filled = np.where(missing, 0.0, values)
        for i, (name, period) in enumerate((n, p) for n, p in _PERIODS if n in self.cycles):
            angle = _phase(filled, name) * (2 * math.pi / period)
            column = self.days.width + 2 * i
            out[:, column] = np.where(missing, 0.0, np.sin(angle))
            out[:, column + 1] = np.where(missing, 0.0, np.cos(angle))

    def treatment(self) -> str:
        """What is done to the column, in words."""
        first = np.datetime64(round(self.first * 86400), "s")
        return ", ".join([f"days since {first}, {self.days.treatment()}", *self.cycles])


@dataclass(frozen=True)
class CategoryCode:
    """One-hot code of a category.

    Args:
        name: Name of the column.
        levels: Levels that have an input of their own.
        shares: Training share of each level.
        unknown: Whether a last input stands for rare and missing levels; else these are encoded
            by `shares`.
    """

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    unknown: bool

    @classmethod
    def fit(cls, column: Column, values: Objects) -> CategoryCode:
        """Levels that occur at least twice among the training values."""
        counts = Counter(values.tolist())
        del counts[None]
        frequent = sorted(level for level, n in counts.items() if n >= MIN_LEVEL_COUNT)
        shares = tuple(counts[level] / len(values) for level in frequent)
        unknown = sum(counts[level] for level in frequent) < len(values)
        return cls(column.name, tuple(frequent), shares, unknown)

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return len(self.levels) + self.unknown

    def write(self, values: Objects, out: Inputs, tally: Tally) -> None:
        """Encode level texts (n,) into `out` (n, width)."""
        codes = pd.Index(self.levels, dtype=object).get_indexer(pd.Index(values, dtype=object))
        known = codes >= 0
        out[:] = 0.0
        rows = np.flatnonzero(known)
        out[rows, codes[rows]] = 1.0
        if known.all():
            return
        if self.unknown:
            out[~known, -1] = 1.0
        else:
            out[~known] = np.array(self.shares, np.float32)
        strange = [value for value in values[~known] if value is not None]
        tally.counts["unknown-category", self.name] += len(strange)
        if not self.unknown:
            tally.counts["filled-missing", self.name] += int((~known).sum()) - len(strange)
        shown = tally.examples.setdefault(self.name, [])
        shown += [text for text in dict.fromkeys(strange) if text not in shown]
        del shown[_EXAMPLES:]

    def treatment(self) -> str:
        """What is done to the column, in words."""
        rest = "one for rare and missing ones" if self.unknown else "unseen ones: training shares"
        return f"one 0/1 input for each of {len(self.levels)} levels; {rest}"


Code: TypeAlias = NumberCode | DateCode | CategoryCode


@dataclass(frozen=True)
class Encoder:
    """The codes of the feature columns, in the order of the network's inputs."""

    codes: tuple[Code, ...]

    @property
    def width(self) -> int:
        """Number of network inputs."""
        return sum(code.width for code in self.codes)

    def encode(self, values: Sequence[Floats | Objects], tally: Tally) -> Inputs:
        """Encode typed columns (each (n,)) into inputs (n, width)."""
        out = np.empty((len(values[0]), self.width), np.float32)
        start = 0
        for code, column in zip(self.codes, values, strict=True):
            code.write(column, out[:, start : start + code.width], tally)  # type: ignore[arg-type]
            start += code.width
        return out

    def to_json(self) -> list[dict[str, Any]]:
        """The codes as JSON-able values; floats keep all their digits."""
        return [{"code": type(code).__name__, **asdict(code)} for code in self.codes]

    @classmethod
    def from_json(cls, values: Sequence[Mapping[str, Any]]) -> Encoder:
        """The inverse of `to_json`."""
        return cls(tuple(_code_from_json(dict(value)) for value in values))


def fit_code(column: Column, values: Floats | Objects) -> Code:
    """Fit the code of one column on its training values."""
    if column.kind == "category":
        return CategoryCode.fit(column, np.asarray(values, dtype=object))
    floats = np.asarray(values, dtype=np.float64)
    return (DateCode if column.kind == "date" else NumberCode).fit(column, floats)


def mean_and_std(values: Floats) -> tuple[float, float]:
    """Mean and population standard deviation of finite values; a deviation of 0 becomes 1.

    The values are divided by a power of two first, so that the squares of huge ones stay finite.
    """
    if not len(values) or values.min() == values.max():
        return (float(values[0]) if len(values) else 0.0), 1.0
    _, exponent = math.frexp(float(np.abs(values).max()))
    mean = math.ldexp(float(np.ldexp(values, -exponent).mean()), exponent)
    std = math.ldexp(float(np.ldexp(values, -exponent).std()), exponent)
    return mean, std or 1.0


def _phase(days: Floats, cycle: str) -> Floats:
    """Month 0-11, weekday 0-6 (Monday is 0) or hour 0-23 of days since 1970-01-01."""
    if cycle == "weekday":
        return np.mod(np.floor(days) + 3.0, 7.0)
    if cycle == "hour":
        return np.floor(np.mod(days, 1.0) * 24.0 + 1e-9)
    months = np.floor(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return np.mod(months, 12).astype(np.float64)


def _code_from_json(value: dict[str, Any]) -> Code:
    kind = value.pop("code")
    if kind == "NumberCode":
        return NumberCode(**value)
    if kind == "DateCode":
        days = NumberCode(**value.pop("days"))
        return DateCode(days=days, cycles=tuple(value.pop("cycles")), **value)
    levels, shares = tuple(value.pop("levels")), tuple(value.pop("shares"))
    return CategoryCode(levels=levels, shares=shares, **value)
