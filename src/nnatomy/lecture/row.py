"""One line of the lecture table: what a slide prints beside what comes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["agrees", "erratum", "not reproducible here"]
Value = float | int | str | Sequence[float]


@dataclass(frozen=True)
class Row:
    """A number (or a few) of the lecture.

    Args:
        id: Item of the lecture, e.g. "O7".
        what: What it is, in words.
        slide: What the slide prints; None where it prints nothing but a picture or a claim.
        computed: What the software computes; None where it cannot be computed here.
        verdict: Whether they agree; of a check of our own, without a slide, whether it holds.
        reason: Why not, where they do not; how it was computed, where that is not plain.
    """

    id: str
    what: str
    slide: Value | None
    computed: Value | None
    verdict: Verdict
    reason: str = ""


def compare(
    item: str,
    what: str,
    *,
    slide: Value,
    computed: Value,
    tolerance: float = 0.0,
    erratum: str = "",
    reason: str = "",
) -> Row:
    """The row of a printed value: the verdict follows from the numbers.

    Args:
        item: Item of the lecture.
        what: What it is.
        slide: The printed value.
        computed: The value that comes out.
        tolerance: Half a unit of the last printed digit, usually.
        erratum: Why the slide is wrong, where it is known to be. It is used only when the values
            differ.
        reason: How the computed value came about.

    Values that differ without a known erratum are reported as not reproducible here.
    """
    if same(slide, computed, tolerance):
        return Row(item, what, slide, computed, "agrees", reason)
    if erratum:
        return Row(item, what, slide, computed, "erratum", erratum)
    return Row(
        item,
        what,
        slide,
        computed,
        "not reproducible here",
        f"the values differ by more than {tolerance:g}" + (f"; {reason}" if reason else ""),
    )


def claim(
    item: str,
    what: str,
    holds: bool,
    computed: Value,
    *,
    slide: Value | None = None,
    reason: str = "",
) -> Row:
    """The row of a claim without a number, or of one in a picture: it is tried.

    Args:
        item: Item of the lecture.
        what: The claim.
        holds: Whether the computation bears it out.
        computed: What was computed.
        slide: What the slide says, in its words; None for a check of our own.
        reason: How it was computed.
    """
    if holds:
        return Row(item, what, slide, computed, "agrees", reason)
    failed = "the computation does not bear it out" + (f"; {reason}" if reason else "")
    return Row(item, what, slide, computed, "not reproducible here", failed)


def out_of_reach(item: str, what: str, slide: Value, reason: str) -> Row:
    """The row of a printed number that nothing here can compute."""
    return Row(item, what, slide, None, "not reproducible here", reason)


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows say what; those that hold without a slide beside them are counted apart."""
    found = {"agree with the slides": 0, "checks of our own hold": 0}
    found |= {"errata": 0, "not reproducible here": 0}
    for row in rows:
        if row.verdict == "agrees":
            own = row.slide is None
            found["checks of our own hold" if own else "agree with the slides"] += 1
        else:
            wrong = row.verdict == "erratum"
            found["errata" if wrong else "not reproducible here"] += 1
    return found


def same(slide: Value, computed: Value, tolerance: float) -> bool:
    """Whether two values (or all of two rows of values) are within the tolerance."""
    if isinstance(slide, str) or isinstance(computed, str):
        return slide == computed
    if not isinstance(slide, int | float) and not isinstance(computed, int | float):
        return len(slide) == len(computed) and all(
            same(a, b, tolerance) for a, b in zip(list(slide), list(computed), strict=True)
        )
    if not isinstance(slide, int | float) or not isinstance(computed, int | float):
        return False
    return math.isclose(slide, computed, rel_tol=0.0, abs_tol=tolerance * (1 + 1e-9))
