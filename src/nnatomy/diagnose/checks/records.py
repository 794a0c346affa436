"""Checks of what the network is fed and asked for."""

from __future__ import annotations

from collections.abc import Sequence

from nnatomy.diagnose.case import Case, Row
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import fact, gap_of, hidden_layers, known, learned, middle, setting

LARGE, SMALL = 15.0, 0.02
"""Root mean square of the inputs."""
UNEVEN = 50.0
"""Largest spread of a column against the median column's."""
OFF = 15.0
"""Mean of a column against its spread."""
TOLD, ABOVE_CHANCE = 0.985, 0.95
"""Score of one input alone; the same above what naming the most frequent class gets."""
SORTED = 0.5
NARROW = 4
"""Units of a layer up to which a network may be too small to be sure of anything."""
FEWEST_ERRORS, FEWEST_RECORDS = 15, 150
"""From which on labels may be called wrong."""
MEMORIZED = 0.3
"""Training score above validation score of a network that knows its records by heart."""
BLIND = 0.68
"""Area under the curve by which confidence tells right answers from wrong ones."""


def inputs_not_scaled(case: Case) -> Finding | None:
    """Inputs far from mean 0 and spread 1."""
    if case.structure.get("standardized"):
        return None
    signs = (
        ("root mean square of the inputs", fact(case, "input_rms"), LARGE),
        ("largest spread of a column / median", fact(case, "scale_ratio"), UNEVEN),
        ("mean of a column / its spread", fact(case, "offset"), OFF),
    )
    evidence = [Evidence(w, v, f"> {limit:g}") for w, v, limit in signs if v > limit]
    if fact(case, "input_rms") < SMALL:
        evidence.append(Evidence(signs[0][0], fact(case, "input_rms"), f"< {SMALL:g}"))
    if not evidence:
        return None
    return Finding(
        "inputs_not_scaled",
        "warning",
        f"The inputs are not scaled: {evidence[0].what} is {evidence[0].value:.3g}.",
        tuple(evidence),
        "Standardize the inputs: subtract each column's mean, divide by its spread.",
        "P6",
    )


def targets_not_scaled(case: Case) -> Finding | None:
    """Values to be learned that are far from mean 0 and spread 1."""
    if case.facts.get("task") != "regression" or case.facts.get("objective") != "squared":
        return None
    spread, mean = fact(case, "target_std"), abs(fact(case, "target_mean"))
    evidence = [
        Evidence(what, value, f"> {LARGE:g}")
        for what, value in (("spread of the targets", spread), ("mean of the targets", mean))
        if value > LARGE
    ]
    if 0 < spread < SMALL:
        evidence.append(Evidence("spread of the targets", spread, f"< {SMALL:g}"))
    if not evidence:
        return None
    return Finding(
        "targets_not_scaled",
        "warning",
        f"The targets are on a scale of their own: {evidence[0].what} is {evidence[0].value:.3g}, "
        "where an untrained network answers about 0 ± 1.",
        tuple(evidence),
        "Standardize the targets, and the answers back.",
        "O3",
    )


def wrong_output(case: Case) -> Finding | None:
    """An output unit or a loss that does not belong to the task."""
    rows = [row for row in case.rows if row.get("out_low") is not None]
    if not rows:
        return None
    low, high = min(r["out_low"] for r in rows), max(r["out_high"] for r in rows)
    objective = case.facts.get("objective")
    text = str(case.structure.get("mismatch") or "")
    if not text and objective in ("cross_entropy", "binary_cross_entropy"):
        text = _wrong_for_classes(case, rows, low, high)
    elif not text and objective == "squared" and fact(case, "target_std") > 0:
        text = _wrong_for_values(case, rows, low, high)
    if not text:
        return None
    return Finding(
        "wrong_output",
        "critical",
        f"The output unit does not fit the loss: {text}.",
        (Evidence("smallest output", low, ""), Evidence("largest output", high, "")),
        "End the network in a linear layer, of the shape of the targets: the loss applies softmax "
        "or sigmoid itself.",
        "O6",
    )


def _bounds(case: Case, low: float, high: float) -> tuple[bool, bool]:
    """Whether the outputs are cut off at 0, and whether a last sigmoid or tanh bounds them.

    The module registered last need not be the one that answers: the values must look like it.
    """
    last = case.structure.get("last")
    within = low >= 0 if last in ("sigmoid", "softmax") else low >= -1 and last == "tanh"
    return last == "relu" and low >= 0, within and high <= 1


def _wrong_for_classes(case: Case, rows: Sequence[Row], low: float, high: float) -> str:
    cut_off, bounded = _bounds(case, low, high)
    if max(row["out_sum"] for row in rows) < 1e-3 and low >= 0:
        return "the outputs are probabilities already, and the loss applies softmax again"
    if bounded or (low >= 0 and high <= 1 and high - low > 0.2):
        return f"the outputs stay within {low:.2g} to {high:.2g}, where the loss wants any number"
    if cut_off or (low == 0 < high and middle([r["out_zeros"] for r in rows]) > 0.2):
        return "the outputs are cut off at 0, where the loss wants any number"
    return ""


def _wrong_for_values(case: Case, rows: Sequence[Row], low: float, high: float) -> str:
    cut_off, bounded = _bounds(case, low, high)
    below, above = fact(case, "target_low"), fact(case, "target_high")
    zeros = middle([row["out_zeros"] for row in rows])
    moves = middle([row["out_std"] for row in rows]) > 0.05 * fact(case, "target_std")
    if below < 0 and (cut_off or (low == 0 and 0.05 < zeros < 0.99 and moves)):
        return f"the outputs are cut off at 0, the targets go down to {below:.3g}"
    if bounded and (below < low - 0.05 or above > high + 0.05):
        return (
            f"the outputs stay within {low:.2g} to {high:.2g}, the targets go from {below:.3g} to "
            f"{above:.3g}"
        )
    return ""


def unshuffled(case: Case) -> Finding | None:
    """Records that come sorted by their answers."""
    batch, count = setting(case, "batch_size") or 0, fact(case, "records")
    if setting(case, "shuffle") is not False or not 0 < batch < count:
        full = [row for row in case.rows if (row.get("batch") or 0) >= 0.9 * batch]
        shares = known([row.get("target_share") for row in full])
        limit = fact(case, "majority") + 0.4
        if len(shares) < 5 or batch < 8 or not middle(shares) >= limit:
            return None
        evidence = Evidence("share of one class in a batch", middle(shares), f">= {limit:.2g}")
    elif not fact(case, "sorted") >= SORTED:
        return None
    else:
        likeness = fact(case, "sorted")
        evidence = Evidence("likeness of neighboring records", likeness, f"> {SORTED:g}")
    return Finding(
        "unshuffled",
        "critical",
        "The records come sorted by their answers, so that each batch teaches one of them and "
        "unlearns the others.",
        (evidence,),
        "Shuffle the records every epoch.",
        "P4",
    )


def label_noise(case: Case) -> Finding | None:
    """Answers that are wrong in the records: errors do not depend on the network's confidence."""
    confidence, errors = fact(case, "confidence_auc"), fact(case, "errors")
    neighbors = fact(case, "neighbor_score")
    if any(layer.units <= NARROW for layer in hidden_layers(case)):
        return None
    if not (confidence < BLIND and errors >= FEWEST_ERRORS and neighbors < 0.85):
        return None
    guessing = fact(case, "balanced") < 1 / max(1.0, fact(case, "classes")) + 0.05
    if gap_of(case) > MEMORIZED and learned(case) > 0.9:
        return None  # what it knows by heart, right or wrong, tells nothing about other records
    if guessing or fact(case, "records") < FEWEST_RECORDS or (setting(case, "steps") or 0) < 100:
        return None  # nothing learned, or too little to tell
    return Finding(
        "label_noise",
        "warning",
        f"The network errs where it is sure as often as where it is not (area {confidence:.2f}), "
        f"and neighboring records disagree about their class in {1 - neighbors:.0%}: many labels "
        "look wrong, or the inputs do not tell.",
        (
            Evidence(
                "area under the curve of confidence against rightness", confidence, f"< {BLIND:g}"
            ),
            Evidence("neighbors that disagree", 1 - neighbors, "> 0.15"),
        ),
        "Look at the records the network is surely wrong about; stop early; use more dropout or "
        "L2.",
        "O15",
    )


def leakage(case: Case) -> Finding | None:
    """One input tells the answer away."""
    score, second = fact(case, "single_score"), fact(case, "second_score")
    if not (fact(case, "inputs") > 1 and score > TOLD and second < score - 0.02):
        return None
    chance = fact(case, "chance_score", 0.0)  # of naming the most frequent class
    if (score - chance) / max(1e-9, 1 - chance) < ABOVE_CHANCE:
        return None
    column = case.facts.get("single_column")
    return Finding(
        "leakage",
        "warning",
        f"Input {column} alone nearly determines the answer ({score:.3f}; the next best "
        f"{second:.3f}): it may hold what is to be predicted, or simply matter most.",
        (
            Evidence(f"score of input {column} alone", score, f"> {TOLD:g}"),
            Evidence("score of the next best input", second, f"< {score - 0.02:.3g}"),
        ),
        "Leave the input out, if it is not known when the network is to be used.",
        "O15",
    )
