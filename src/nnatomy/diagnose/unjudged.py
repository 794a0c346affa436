"""Which checks could not say anything about a run, and what they would have had to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks.capacity import (
    LEAST_DROPOUT,
    LEAST_PENALTY,
    NARROWEST,
    penalty,
    strongest_dropout,
)
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.checks.records import FEWEST_ERRORS, FEWEST_RECORDS
from nnatomy.diagnose.signs import fact, hidden_fed, hidden_layers, setting

_RECORDS = "training records"
_MATCHED = "inputs and targets that match record by record"
WORDS: Mapping[str, str] = {
    "facts.objective": "known loss",
    "facts.task": _RECORDS,
    "facts.input_rms": _RECORDS,
    "facts.target_std": _RECORDS,
    "facts.inputs": _RECORDS,
    "facts.records": _RECORDS,
    "facts.classes": _RECORDS,
    "facts.single_score": "records with one answer each",
    "facts.second_score": "records with one answer each",
    "facts.neighbor_score": "comparison with neighbors and trees",
    "facts.reference_score": "comparison with neighbors and trees",
    "facts.chance_loss": "loss of guessing",
    "facts.train_score": "answers to training records",
    "facts.balanced": "answers to training records",
    "facts.predicted_share": "answers to training records",
    "facts.confidence_auc": "answers to training records",
    "facts.errors": "answers to training records",
    "facts.valid_score": "answers to validation records",
    "facts.sorted": "known order of the records",
    "settings.batch_size": "batch size",
    "settings.epochs": "number of epochs",
    "settings.steps": "number of steps",
    "settings.weight_decay": "optimizer",
    "structure.frozen": "gradients",
    "rows.gradient": "gradients",
    "rows.update": "measured updates",
    "rows.spread": "initial weights",
    "rows.fed_std": "activations",
    "rows.fed_dead": "activations",
    "rows.fed_saturated": "activations",
    "rows.out_low": "outputs",
    "rows.loss": "losses",
    "history.valid_loss": "validation records",
}
"""What a need is called; of one that several things satisfy, the first is named."""


def unjudged(case: Case) -> dict[str, tuple[str, ...]]:
    """The checks that could not say anything, in the order of the catalog.

    Args:
        case: The record of a run.

    Returns:
        By the name of the check, what was missing. A check that does not apply, as that of dead
        ReLUs to a network without any, is judged; an empty dict where everything was known.
    """
    found = {}
    for name, check in CHECKS.items():
        lacking = [need for need in check.needs if not _is_known(case, need)]
        if lacking and APPLIES.get(name, _always)(case) and check.find(case) is None:
            found[name] = tuple(dict.fromkeys(_words(case, need) for need in lacking))
    return found


def _is_known(case: Case, need: str) -> bool:
    """Whether one of the things that satisfy a need is there."""
    return any(_has(case, *one.split(".", 1)) for one in need.split("|"))


def _has(case: Case, part: str, name: str) -> bool:
    if part == "rows":
        count = sum(_is_number(value) for value in case.column(name))
        # Compiled networks are heard once at most, and not what becomes of them.
        return count > (name.startswith("fed_") and len(case.rows) > 1)
    if part == "history":
        return bool(case.curve(name))
    values: Mapping[str, object] = getattr(case, part)
    if name == "chance_loss" and case.facts.get("weighted"):
        return False
    return values.get(name) not in (None, "")


def _is_number(value: object) -> bool:
    """A number, or a list with one of any layer."""
    return any(v is not None for v in value) if isinstance(value, list | tuple) else True


def _words(case: Case, need: str) -> str:
    """What a need is called, by what stands behind it: without records nothing is known of them."""
    first = need.split("|")[0]
    if first == "facts.valid_score" and not case.curve("valid_loss"):
        first = "history.valid_loss"
    by_records = first.startswith("facts.") and first not in (
        "facts.objective",
        "facts.valid_score",
    )
    if by_records and not _heard_of(case, first):
        return _MATCHED if case.facts.get("unmatched") else _RECORDS
    if by_records and case.facts.get("not_finite"):
        return "records that are finite throughout"
    if first == "facts.chance_loss" and not case.facts.get("objective"):
        first = "facts.objective"
    return WORDS[first]


def _heard_of(case: Case, name: str) -> bool:
    """Whether there were records, or the targets alone where these will do."""
    targets = name == "facts.chance_loss" and case.facts.get("task") is not None
    return targets or case.facts.get("records") is not None


def _always(_case: Case) -> bool:
    return True


def _classes(case: Case) -> bool:
    return case.facts.get("task") in (None, "classification")


def _scaled_inputs(case: Case) -> bool:
    return not (case.structure.get("standardized") or case.facts.get("words"))


def _values(case: Case) -> bool:
    known = case.facts.get("task"), case.facts.get("objective") or None
    return known[0] in (None, "regression") and known[1] in (None, "squared")


def _output(case: Case) -> bool:
    objective = case.facts.get("objective") or "cross_entropy"
    return objective in ("cross_entropy", "binary_cross_entropy", "squared")


def _several_batches(case: Case) -> bool:
    return not (setting(case, "batch_size") or 0) >= fact(case, "records")


def _narrow(case: Case) -> bool:
    units = [layer.units for layer in hidden_layers(case)]
    return bool(units) and min(units) <= NARROWEST


def _regularized(case: Case) -> bool:
    unknown = setting(case, "weight_decay") is None and setting(case, "l2") is None
    strong = strongest_dropout(case) >= LEAST_DROPOUT or penalty(case) >= LEAST_PENALTY
    return unknown or strong


def _by_batches(case: Case) -> bool:
    by_rule = setting(case, "objective") == "perceptron"
    return not (by_rule or case.structure.get("batch_norms"))


def _many_errors(case: Case) -> bool:
    """Enough of them to ask whether the labels are wrong."""
    facts = case.facts
    few = fact(case, "errors", FEWEST_ERRORS) < FEWEST_ERRORS
    few = few or ("confidence_auc" in facts and facts["confidence_auc"] is None)  # or few are right
    small = fact(case, "records", FEWEST_RECORDS) < FEWEST_RECORDS
    return _classes(case) and not few and not small


APPLIES: Mapping[str, Callable[[Case], bool]] = {
    "inputs_not_scaled": _scaled_inputs,
    "targets_not_scaled": _values,
    "wrong_output": _output,
    "leakage": lambda case: fact(case, "inputs", 2.0) > 1,
    "unshuffled": _several_batches,
    "symmetric_start": lambda case: any(layer.units > 1 for layer in case.layers[:-1]),
    "batch_norm_tiny_batch": lambda case: bool(case.structure.get("batch_norms")),
    "over_regularized": _regularized,
    "too_little_capacity": _narrow,
    "vanishing_gradients": lambda case: len(case.layers) >= 3,
    "exploding_gradients": lambda case: len(case.layers) >= 2,
    "batch_too_small": _by_batches,
    "dead_relus": lambda case: bool(hidden_fed(case, "relu", "")),
    "saturated_units": lambda case: bool(hidden_fed(case, "sigmoid", "tanh", "")),
    "label_noise": _many_errors,
    "majority_collapse": _classes,
}
"""Whether a check has to do with a run at all, as far as is known; the others always have."""
