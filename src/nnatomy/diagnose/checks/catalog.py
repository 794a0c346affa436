"""Every check by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks import capacity, frozen, gradients, records, steps, units
from nnatomy.diagnose.finding import Finding


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    Args:
        find: Looks for it in the record of a run.
        about: What it is, in a few words.
        lecture: The lecture's item.
        needs: What must be known of a run for it to say anything: "facts.records", "rows.update";
            "|" between things any of which will do.
    """

    find: Callable[[Case], Finding | None]
    about: str
    lecture: str
    needs: tuple[str, ...]


CHECKS: dict[str, Check] = {
    "non_finite": Check(gradients.non_finite, "NaN or infinity, and where it began", "O4", ()),
    "inputs_not_scaled": Check(
        records.inputs_not_scaled, "inputs far from 0 ± 1", "P6", ("facts.input_rms",)
    ),
    "targets_not_scaled": Check(
        records.targets_not_scaled,
        "targets far from 0 ± 1",
        "O3",
        ("facts.task", "facts.objective", "facts.target_std"),
    ),
    "wrong_output": Check(
        records.wrong_output,
        "output unit and loss do not fit",
        "O6",
        ("rows.out_low", "facts.objective"),
    ),
    "leakage": Check(
        records.leakage,
        "an input that tells the answer",
        "O15",
        ("facts.inputs", "facts.single_score", "facts.second_score"),
    ),
    "unshuffled": Check(
        records.unshuffled,
        "records sorted by their answers",
        "P4",
        ("settings.batch_size", "facts.sorted|facts.majority"),
    ),
    "symmetric_start": Check(
        units.symmetric_start, "units that start alike", "P1", ("rows.spread",)
    ),
    "frozen_parameters": Check(
        frozen.frozen_parameters,
        "weights that are frozen or not connected",
        "O10",
        ("structure.frozen",),
    ),
    "batch_norm_tiny_batch": Check(
        steps.batch_norm_tiny_batch,
        "batch normalization over a few records",
        "P6",
        ("settings.batch_size",),
    ),
    "over_regularized": Check(
        capacity.over_regularized,
        "penalty or dropout too strong",
        "P5",
        ("settings.weight_decay|settings.l2", "facts.chance_loss|facts.reference_score"),
    ),
    "too_little_capacity": Check(
        capacity.too_little_capacity,
        "a network too small",
        "O6",
        ("facts.reference_score", "facts.train_score"),
    ),
    "vanishing_gradients": Check(
        gradients.vanishing_gradients,
        "gradients that fade on their way back",
        "O12",
        ("rows.gradient",),
    ),
    "exploding_gradients": Check(
        gradients.exploding_gradients,
        "activations and gradients that grow",
        "P2",
        ("rows.fed_std",),
    ),
    "batch_too_small": Check(
        steps.batch_too_small, "gradients that are mostly noise", "P4", ("settings.batch_size",)
    ),
    "dead_relus": Check(
        units.dead_relus, "units that are zero for every record", "O14", ("rows.fed_dead",)
    ),
    "saturated_units": Check(
        units.saturated_units, "units without slope", "O2", ("rows.fed_saturated",)
    ),
    "learning_rate_too_high": Check(
        steps.learning_rate_too_high,
        "steps that jump or diverge",
        "O4",
        ("rows.update|facts.chance_loss",),
    ),
    "learning_rate_too_low": Check(
        steps.learning_rate_too_low,
        "steps that lead nowhere",
        "O4",
        ("rows.update", "settings.steps", "facts.chance_loss", "rows.loss|history.loss"),
    ),
    "batch_too_large": Check(
        steps.batch_too_large,
        "too few updates",
        "P4",
        ("settings.batch_size", "settings.steps", "settings.epochs", "facts.records"),
    ),
    "label_noise": Check(
        records.label_noise,
        "labels that look wrong",
        "O15",
        ("facts.confidence_auc", "facts.errors", "facts.neighbor_score", "settings.steps"),
    ),
    "overfitting": Check(
        capacity.overfitting,
        "records learned by heart",
        "O15",
        (
            "history.valid_loss",
            "facts.task",
            "facts.train_score",
            "facts.valid_score",
            "facts.chance_loss",
            "rows.loss|history.loss",
        ),
    ),
    "majority_collapse": Check(
        capacity.majority_collapse,
        "one answer for everything",
        "O3",
        ("facts.predicted_share", "facts.balanced", "facts.classes"),
    ),
}
"""In the order in which causes are looked for: what stands earlier explains what stands later."""
