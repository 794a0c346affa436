"""From diagnosis.json to the facts about a training that a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnatomy.report.wording import finite

MOST_DRAWN = 8
"""Layers whose curves a figure can name; a deeper network shows as many, evenly spaced."""
_DIGITS = 5
_RELU = ("relu", "")
_BOUNDED = ("sigmoid", "tanh", "")


def health_of(diagnosis: Mapping[str, Any]) -> dict[str, Any]:
    """The part of diagnosis.json that a report needs, small enough to be embedded.

    Args:
        diagnosis: The file's content.

    Returns:
        findings, not_judged and attempts: as in the file; looks: how often the run was measured;
        layer_count; and measured: the steps, and by quantity a list of the layers drawn (name,
        values by step): ratio (‖Δw‖ / ‖w‖ of a step), gradient (‖∂J/∂W‖), dead and saturated
        (shares of what a layer is fed by ReLU, and by sigmoid or tanh units). A value that is not
        known is None.
    """
    case = diagnosis.get("case") or {}
    rows: Sequence[Mapping[str, Any]] = case.get("rows") or []
    layers: Sequence[Mapping[str, Any]] = case.get("layers") or []
    every = range(len(layers))
    chosen = {
        "ratio": [(i, _ratios(rows, i)) for i in _spaced(every)],
        "gradient": [(i, _values(rows, "gradient", i)) for i in _spaced(every)],
        "dead": [(i, _values(rows, "fed_dead", i)) for i in _fed(layers, _RELU)],
        "saturated": [(i, _values(rows, "fed_saturated", i)) for i in _fed(layers, _BOUNDED)],
    }
    measured: dict[str, Any] = {
        name: [{"layer": str(layers[i].get("name")), "values": values} for i, values in found]
        for name, found in chosen.items()
    }
    return {
        "findings": list(diagnosis.get("findings") or []),
        "not_judged": dict(diagnosis.get("not_judged") or {}),
        "attempts": list(diagnosis.get("attempts") or []),
        "looks": len(rows),
        "layer_count": len(layers),
        "measured": {"steps": [row.get("step") for row in rows], **measured},
    }


def _spaced(places: Sequence[int]) -> list[int]:
    """At most as many as can be drawn, the first and the last among them."""
    if len(places) <= MOST_DRAWN:
        return list(places)
    return [places[k * (len(places) - 1) // (MOST_DRAWN - 1)] for k in range(MOST_DRAWN)]


def _fed(layers: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[int]:
    """Layers behind the first that are fed by such units."""
    return _spaced([i for i, layer in enumerate(layers) if i and layer.get("fed_by") in kinds])


def _values(rows: Sequence[Mapping[str, Any]], name: str, layer: int) -> list[float | None]:
    return [_rounded(_at(row, name, layer)) for row in rows]


def _ratios(rows: Sequence[Mapping[str, Any]], layer: int) -> list[float | None]:
    pairs = [(_at(row, "update", layer), _at(row, "weight", layer)) for row in rows]
    return [_rounded(u / w) if u is not None and w else None for u, w in pairs]


def _at(row: Mapping[str, Any], name: str, layer: int) -> float | None:
    values = row.get(name) or ()
    return finite(values[layer]) if layer < len(values) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
