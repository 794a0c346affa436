"""Quantities that several checks read off the record of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, Literal

from nnatomy.diagnose.case import Case, Layer, Row

_SMALL = 0.2
"""Of ‖w‖ / sqrt(units), where the usual initializations give 0.6 to 1.4."""
Part = Literal["all", "first", "early", "late"]


def fact(case: Case, name: str, default: float = math.nan) -> float:
    """A number about records or answers; `default` where it is not known.

    What guessing costs is not known where records have weights, which the loss counts.
    """
    value = case.facts.get(name)
    if name == "chance_loss" and case.facts.get("weighted"):
        return default
    return default if value is None else float(value)


def setting(case: Case, name: str) -> Any:
    """A training setting; None where it is not known."""
    return case.settings.get(name)


def known(values: Sequence[Any]) -> list[float]:
    """Those that are finite numbers."""
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def middle(values: Sequence[Any], default: float = math.nan) -> float:
    """The median of those that are finite; `default` of none."""
    numbers = known(values)
    return median(numbers) if numbers else default


def of_layers(case: Case, name: str, layers: Sequence[int], *, part: Part = "all") -> list[float]:
    """A quantity that is measured by layer: the median over the rows, for each layer asked for.

    Args:
        case: The record.
        name: Of the quantity, e.g. "gradient".
        layers: Positions of layers.
        part: Look at the first row, or the first or last third of the rows only.

    Returns:
        NaN for a layer that was never measured, as one that is not called; nothing of no rows.
    """
    rows = case.column(name)
    third = max(1, len(rows) // 3)
    parts = {"all": rows, "first": rows[:1], "early": rows[:third], "late": rows[-third:]}
    rows = parts[part]
    return [middle([row[i] for row in rows]) for i in layers] if rows else []


def update_ratios(case: Case) -> list[float]:
    """‖Δw‖ / ‖w‖ of one step for each layer, the median over the steps measured."""
    ratios = [_updates(case, row) for row in case.rows if row.get("update")]
    return [middle(own) for own in zip(*ratios, strict=True)]


def _updates(case: Case, row: Row) -> list[float]:
    """‖Δw‖ / ‖w‖ of each layer; weights that start near zero count as small ones, not as none."""
    found = []
    for layer, update, weight in zip(
        case.layers, row.get("update") or (), row.get("weight") or (), strict=False
    ):
        found.append(update / max(weight, _SMALL * math.sqrt(layer.units)))
    return found


def first_update(case: Case) -> float:
    """‖Δw‖ / ‖w‖ of the first step measured, in the layer where it is largest."""
    return max(known(_updates(case, case.rows[0])), default=0.0) if case.rows else 0.0


def largest_update(case: Case) -> float:
    """The largest ‖Δw‖ / ‖w‖ of all steps measured, over all layers."""
    return max(known([u for row in case.rows for u in _updates(case, row)]), default=0.0)


def end_loss(case: Case) -> float:
    """The training loss over the last epochs."""
    losses = case.curve("loss") or known(case.column("loss"))
    return middle(losses[-3:])


def gap_of(case: Case) -> float:
    """Training score minus validation score; NaN where either is not known."""
    return fact(case, "train_score") - fact(case, "valid_score")


def noise_scale(case: Case) -> float:
    """How many records' gradients it takes until their noise is as large as what they agree on.

    tr Σ / |G|², from successive batches of the last two thirds of the run; infinite where these
    agree on nothing, NaN where nothing was measured.
    Source: McCandlish et al. 2018, An empirical model of large-batch training, eq. 2.8.
    """
    rows = [row for row in case.rows if row.get("noise") is not None and row.get("batch")]
    rows = rows[len(rows) // 3 :]
    if not rows:
        return math.nan
    noise = sum(row["noise"] * row["batch"] for row in rows)
    power = sum(row["power"] for row in rows)
    return float(noise / power) if power > 0 else math.inf


def start_loss(case: Case) -> float:
    """The loss of the first step."""
    losses = known(case.column("loss")) or case.curve("loss")
    return losses[0] if losses else math.nan


def learned(case: Case) -> float:
    """How much of the loss of guessing is gone at the end: 0 nothing, 1 all, below 0 it grew.

    All is what the right answers would save, which cost something where labels are smoothed.
    """
    chance = fact(case, "chance_loss")
    most = chance - fact(case, "perfect_loss", 0.0)
    return (chance - end_loss(case)) / most if most > 0 else math.nan


def gone(case: Case) -> str:
    """`learned` in words, as the end of a sentence; "" where it is not known."""
    share = learned(case)
    if math.isnan(share):
        return ""
    return f"{max(0.0, share):.0%} of the guessing loss is gone"


def hidden_layers(case: Case) -> list[Layer]:
    """All but the last and those that are known to answer, as the heads of a network."""
    heads = case.structure.get("heads") or ()
    return [layer for layer in case.layers[:-1] if layer.name not in heads]


def still_falling(case: Case) -> float:
    """What the last fifth of the epochs brought, as a share of all that was gained.

    0.2 where the loss falls in a straight line, 0 where it has come to rest.
    """
    losses = case.curve("loss")
    if len(losses) < 5:
        return math.nan
    fifth = max(1, len(losses) // 5)
    gained = max(losses[0], start_loss(case)) - min(losses)
    late = middle(losses[-2 * fifth : -fifth]) - middle(losses[-fifth:])
    return late / gained if gained > 0 else 0.0


def hidden_fed(case: Case, *kinds: str) -> list[int]:
    """Positions of layers that are fed by one of these activations."""
    return [i for i, layer in enumerate(case.layers) if i > 0 and layer.fed_by in kinds]


def worst_of(shares: Sequence[float], places: Sequence[int]) -> tuple[float, int] | None:
    """The largest of the shares that are known, and the position of its layer; None of none."""
    pairs = [(s, i) for s, i in zip(shares, places, strict=False) if math.isfinite(s)]
    return max(pairs, key=lambda pair: pair[0], default=None)
