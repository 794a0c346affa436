"""Checks of learning rate and batch size."""

from __future__ import annotations

import math
from itertools import pairwise

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import (
    end_loss,
    fact,
    first_update,
    gone,
    known,
    largest_update,
    learned,
    middle,
    noise_scale,
    setting,
    start_loss,
    still_falling,
    update_ratios,
)

FIRST_UPDATE = {"adaptive": 0.2, "plain": 0.75}
"""‖Δw‖ / ‖w‖ of the first step, in the layer where it is largest."""
LARGE_UPDATE = 0.3
"""The same, of the median step."""
SMALL_UPDATE = 2e-3
"""The same, of the largest step measured."""
ADAPTIVE = (
    "adam",
    "rmsprop",
    "adagrad",
    "adadelta",
    "adamw",
    "nadam",
    "radam",
    "adamax",
    "sparseadam",
)
PLAIN = ("sgd", "asgd", "momentum", "nesterov")
"""Of other rules, as L-BFGS, nothing is known of how far a step may go."""
HALF = 0.5
"""Share of the guessing loss gone, below which large steps have done harm."""
FEW_UPDATES = 100
ENOUGH_UPDATES = 20


def learning_rate_too_high(case: Case) -> Finding | None:
    """Steps so large that the loss rises, jumps or ends where it cannot be left.

    Critical where the loss shows it; a warning where only the size of the updates speaks.
    """
    rule = setting(case, "optimizer")
    kind = "adaptive" if rule in ADAPTIVE else "plain"
    first, usual = first_update(case), max(known(update_ratios(case)), default=0.0)
    chance, end = fact(case, "chance_loss"), end_loss(case)
    signs = []
    if len(case.layers) > 1 and (
        rule is None or rule in (*ADAPTIVE, *PLAIN)
    ):  # one layer may start from nothing, and its loss has no traps
        signs = [
            ("first update / weight of a layer", first, FIRST_UPDATE[kind]),
            ("usual update / weight of a layer", usual, LARGE_UPDATE),
        ]
    if chance > 0 and end > start_loss(case):
        signs.append(("loss at the end / loss of guessing", end / chance, 1.5))
    evidence = [
        Evidence(what, value, f"> {limit:g}") for what, value, limit in signs if value > limit
    ]
    if not evidence:
        return None
    shown = bool(case.failure) or end > start_loss(case) or learned(case) < HALF
    return Finding(
        "learning_rate_too_high",
        "critical" if shown else "warning",
        f"The steps are too large: {evidence[0].what} is {evidence[0].value:.2g}.",
        tuple(evidence),
        "Lower the learning rate by a factor of ten or more (lr=auto searches one), or clip "
        "gradients.",
        "O4",
    )


def learning_rate_too_low(case: Case) -> Finding | None:
    """Steps so small that training ends long before it is done."""
    largest, falling = largest_update(case), still_falling(case)
    steps = setting(case, "steps") or 0
    if not (0 < largest < SMALL_UPDATE and steps > ENOUGH_UPDATES and learned(case) < 0.9):
        return None
    return Finding(
        "learning_rate_too_low",
        "warning",
        f"The steps are too small: no step measured changes a layer by more than {largest:.1g} of "
        f"its weights, and after {steps} of them {gone(case)}.",
        (
            Evidence("largest update / weight of a layer", largest, f"< {SMALL_UPDATE:g}"),
            Evidence("share of the guessing loss gone", learned(case), "< 0.9"),
            Evidence("share of the gain in the last fifth", falling, ""),
        ),
        "Raise the learning rate by a factor of ten or more (lr=auto searches one).",
        "O4",
    )


def batch_too_large(case: Case) -> Finding | None:
    """So many records a step that there are too few steps."""
    steps, batch = setting(case, "steps") or 0, setting(case, "batch_size") or 0
    count = fact(case, "records")
    if case.failure or not str(setting(case, "stopped") or "epoch").startswith("epoch"):
        return None  # it had come to rest
    if not (batch >= 0.25 * count and 0 < steps <= FEW_UPDATES and setting(case, "epochs")):
        return None
    if learned(case) > 0.9:
        return None
    were = "was 1 update" if steps == 1 else f"were {steps} updates"
    return Finding(
        "batch_too_large",
        "warning",
        f"With {batch} of {count:.0f} records a step there {were}"
        + (f": {gone(case)}." if gone(case) else "."),
        (
            Evidence("updates", steps, f"<= {FEW_UPDATES}"),
            Evidence("records a step / all", batch / count, ">= 0.25"),
        ),
        _smaller(batch),
        "P4",
    )


def _smaller(batch: int) -> str:
    """What to do about batches that are too large, of which there may be none smaller."""
    if batch <= 16:
        return "Train for many more epochs."
    most = min(128, batch // 2)
    sizes = f"16 to {most}" if most > 16 else f"{most}"
    return f"Use mini-batches of {sizes} records, or train for many more epochs."


def batch_too_small(case: Case) -> Finding | None:
    """So few records a step that the gradient is mostly noise at this learning rate."""
    batch = setting(case, "batch_size") or 0
    by_rule = setting(case, "objective") == "perceptron"  # which learns record by record
    if not 0 < batch <= 2 or by_rule or case.structure.get("batch_norms"):
        return None
    if setting(case, "part_size") and noise_scale(case) < batch:
        return None
    losses = known(case.column("loss"))
    noise = middle([abs(a - b) for a, b in pairwise(losses)])
    if fact(case, "records") <= 8 * batch or learned(case) > 0.97:
        return None
    return Finding(
        "batch_too_small",
        "warning",
        f"With {batch} record{'s' if batch > 1 else ''} a step the gradient is mostly noise"
        + _amount(noise_scale(case)),
        (
            Evidence("records a step", batch, "<= 2"),
            Evidence("gradient noise scale in records", noise_scale(case), ""),
            Evidence("cosine of successive gradients", middle(case.column("cosine")), ""),
            Evidence("change of the loss from step to step", noise, ""),
        ),
        "Use mini-batches of 16 to 128 records.",
        "P4",
    )


def _amount(scale: float) -> str:
    """How much noise there is, as the end of a sentence."""
    if math.isnan(scale):
        return "."
    if math.isinf(scale):
        return ": successive ones agree on nothing."
    return f": it takes {scale:.2g} records until noise and gradient are equally large."


def batch_norm_tiny_batch(case: Case) -> Finding | None:
    """Batch normalization by the statistics of two or three records."""
    batch = setting(case, "part_size") or setting(case, "batch_size") or 0
    if not case.structure.get("batch_norms") or not 0 < batch <= 3:
        return None
    return Finding(
        "batch_norm_tiny_batch",
        "warning",
        f"Batches of {batch} are normalized by their own mean and spread, which say little about "
        "the others'.",
        (Evidence("records a step", batch, "<= 3"),),
        "Use batches of 16 records or more, or leave batch normalization out.",
        "P6",
    )
