"""Checks of records and answers speak just beyond their limits and not within."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from diagnose.cases import LAYERS, E, assert_limit, limits, spoiled
from nnatomy.diagnose.checks.records import (
    BLIND,
    LARGE,
    NARROW,
    OFF,
    SMALL,
    SORTED,
    TOLD,
    UNEVEN,
    inputs_not_scaled,
)


def facts(**values: Any) -> dict[str, Any]:
    return {"facts": values}


def values(*, last: str = "Linear", low: float = -1.0, zeros: float = 0.5, **own: Any) -> Any:
    """A run on numbers in place of classes."""
    own = {"target_std": 1.0, "target_mean": 0.0, "target_low": -1.0, "target_high": 1.0, **own}
    known = {"task": "regression", "objective": "squared", **own}
    rows = {"out_low": low, "out_high": 1.0, "out_zeros": zeros}
    return {"facts": known, "rows": rows, "structure": {"last": last}}


def outputs(low: float, high: float, total: float = 1.0, zeros: float = 0.0) -> dict[str, Any]:
    return {"rows": {"out_low": low, "out_high": high, "out_sum": total, "out_zeros": zeros}}


def ended(last: str, low: float, high: float) -> dict[str, Any]:
    return {**outputs(low, high), "structure": {"last": last}}


def order(share: float, batch: int = 32) -> dict[str, Any]:
    settings = {"shuffle": None, "batch_size": batch}
    return {"settings": settings, "rows": {"target_share": share, "batch": batch}}


def in_order(likeness: float, batch: int = 32) -> dict[str, Any]:
    settings = {"shuffle": False, "batch_size": batch}
    return {"settings": settings, **facts(sorted=likeness)}


def noise(*, steps: int = 400, units: int = NARROW + 1, **changes: Any) -> dict[str, Any]:
    found = {"confidence_auc": 0.6, "errors": 15, "neighbor_score": 0.8, **changes}
    layers = (replace(LAYERS[0], units=units), *LAYERS[1:])
    return {"facts": found, "settings": {"steps": steps}, "layers": layers}


@limits(
    ("inputs_not_scaled", facts(input_rms=LARGE + E), facts(input_rms=LARGE - E)),
    ("inputs_not_scaled", facts(input_rms=SMALL - E), facts(input_rms=SMALL + E)),
    ("inputs_not_scaled", facts(scale_ratio=UNEVEN + E), facts(scale_ratio=UNEVEN - E)),
    ("inputs_not_scaled", facts(offset=OFF + E), facts(offset=OFF - E)),
    ("targets_not_scaled", values(target_std=LARGE + E), values(target_std=LARGE - E)),
    ("targets_not_scaled", values(target_mean=-LARGE - E), values(target_mean=E - LARGE)),
    ("targets_not_scaled", values(target_std=SMALL - E), values(target_std=SMALL + E)),
    ("targets_not_scaled", values(target_std=SMALL - E), values(target_std=0.0)),
    ("wrong_output", outputs(0.0, 2.0, 1e-3 - E), outputs(0.0, 2.0, 1e-3 + E)),
    ("wrong_output", outputs(0.0, 1.0), outputs(0.0, 1.0 + E)),
    ("wrong_output", outputs(0.0, 1.0), outputs(-E, 1.0)),
    ("wrong_output", outputs(0.0, 3.0, zeros=0.2 + E), outputs(0.0, 3.0, zeros=0.2 - E)),
    ("wrong_output", ended("relu", 0.0, 3.0), ended("leaky_relu", 0.0, 3.0)),
    ("wrong_output", ended("relu", 0.0, 3.0), ended("relu", -E, 3.0)),  # others answer
    ("wrong_output", ended("tanh", -1.0, 1.0), ended("tanh", -1.0 - E, 1.0)),
    ("wrong_output", ended("sigmoid", 0.0, 0.1), ended("sigmoid", 0.0, 1.0 + E)),
    ("wrong_output", values(last="relu", low=0.0), values(last="relu", low=-E)),
    ("wrong_output", values(last="relu", low=0.0), values(last="relu", low=0.0, target_low=0.1)),
    ("wrong_output", {"structure": {"mismatch": "shapes"}}, {}),
    ("wrong_output", values(low=0.0, target_low=-E), values(low=0.0, target_low=0.0)),
    ("wrong_output", values(low=0.0, zeros=0.05 + E), values(low=0.0, zeros=0.05 - E)),
    ("wrong_output", values(low=0.0, zeros=0.99 - E), values(low=0.0, zeros=0.99 + E)),
    (
        "wrong_output",
        values(last="tanh", target_high=1.05 + E),
        values(last="tanh", target_high=1.05 - E),
    ),
    (
        "wrong_output",
        values(last="sigmoid", low=0.1, target_low=0.05 - E),
        values(last="sigmoid", low=0.1, target_low=0.05 + E),
    ),
    ("unshuffled", in_order(SORTED), in_order(SORTED - E)),
    ("unshuffled", in_order(SORTED), in_order(math.nan)),
    ("unshuffled", order(1.0), {**order(1.0), **facts(majority=None)}),
    ("unshuffled", in_order(SORTED), in_order(SORTED, batch=640)),
    ("unshuffled", order(0.8 + E), order(0.8 - E)),
    ("unshuffled", order(1.0, 8), order(1.0, 7)),
    ("label_noise", noise(confidence_auc=BLIND - E), noise(confidence_auc=BLIND)),
    ("label_noise", noise(), noise(errors=14)),
    ("label_noise", noise(neighbor_score=0.85 - E), noise(neighbor_score=0.85)),
    ("label_noise", noise(balanced=1 / 3 + 0.05 + E), noise(balanced=1 / 3 + 0.05 - E)),
    ("label_noise", noise(records=150), noise(records=149)),
    ("label_noise", noise(steps=100), noise(steps=99)),
    ("label_noise", noise(), noise(units=NARROW)),
    (
        "label_noise",
        noise(train_score=1.0, valid_score=0.7 + E),
        noise(train_score=1.0, valid_score=0.7 - E),
    ),
    ("leakage", facts(single_score=TOLD + E), facts(single_score=TOLD)),
    (
        "leakage",
        facts(single_score=1.0, second_score=0.98 - E),
        facts(single_score=1.0, second_score=0.98 + E),
    ),
)
def test_limits(check: str, beyond: Any, within: Any) -> None:
    assert_limit(check, beyond, within)


def test_inputs_that_the_network_standardizes_are_scaled() -> None:
    assert (
        inputs_not_scaled(spoiled(facts={"input_rms": 1e6}, structure={"standardized": True}))
        is None
    )
