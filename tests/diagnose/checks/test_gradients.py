"""Checks of gradients speak just beyond their limits and not within."""

from __future__ import annotations

import math
from typing import Any

from diagnose.cases import LAYERS, E, assert_limit, limits, spoiled
from nnatomy.diagnose.checks.gradients import BLOWN_UP, HUGE_LOSS, VANISHED, vanishing_gradients


def fading(ratio: float) -> dict[str, Any]:
    """Gradients that are, per weight, this share of the last layers' in the first one."""
    sizes = [math.sqrt(layer.parameters) for layer in LAYERS]
    each = [ratio, 1.0, 0.5]
    return {"rows": {"gradient": [g * s for g, s in zip(each, sizes, strict=True)]}}


@limits(
    ("vanishing_gradients", fading(VANISHED * (1 - E)), fading(VANISHED * (1 + E))),
    (
        "exploding_gradients",
        {"first": {"fed_std": [2, 1, 2 * BLOWN_UP + E]}},
        {"first": {"fed_std": [2, 1, 2 * BLOWN_UP - E]}},
    ),
    (
        "exploding_gradients",
        {"first": {"loss": HUGE_LOSS + E}, "facts": {"classes": 2}},
        {"first": {"loss": HUGE_LOSS - E}, "facts": {"classes": 2}},
    ),
    ("non_finite", {"failure": "it began in layer 'mid'. The weights were not changed."}, {}),
    ("non_finite", {"facts": {"not_finite": 1}}, {"facts": {"not_finite": 0}}),
)
def test_limits(check: str, beyond: Any, within: Any) -> None:
    assert_limit(check, beyond, within)


def test_no_gradient_at_all_is_another_illness() -> None:
    assert vanishing_gradients(spoiled(**fading(0.0))) is None
    assert vanishing_gradients(spoiled(layers=LAYERS[:2])) is None
