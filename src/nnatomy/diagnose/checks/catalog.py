"""Every check by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks import capacity, gradients, records, steps, units
from nnatomy.diagnose.finding import Finding


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    Args:
        find: Looks for it in the record of a run.
        about: What it is, in a few words.
        lecture: The lecture's item.
    """

    find: Callable[[Case], Finding | None]
    about: str
    lecture: str


CHECKS: dict[str, Check] = {
    "non_finite": Check(gradients.non_finite, "NaN or infinity, and where it began", "O4"),
    "inputs_not_scaled": Check(records.inputs_not_scaled, "inputs far from 0 ± 1", "P6"),
    "targets_not_scaled": Check(records.targets_not_scaled, "targets far from 0 ± 1", "O3"),
    "wrong_output": Check(records.wrong_output, "output unit and loss do not fit", "O6"),
    "leakage": Check(records.leakage, "an input that tells the answer", "O15"),
    "unshuffled": Check(records.unshuffled, "records sorted by their answers", "P4"),
    "symmetric_start": Check(units.symmetric_start, "units that start alike", "P1"),
    "frozen_parameters": Check(
        units.frozen_parameters, "weights that are frozen or not connected", "O10"
    ),
    "batch_norm_tiny_batch": Check(
        steps.batch_norm_tiny_batch, "batch normalization over a few records", "P6"
    ),
    "over_regularized": Check(capacity.over_regularized, "penalty or dropout too strong", "P5"),
    "too_little_capacity": Check(capacity.too_little_capacity, "a network too small", "O6"),
    "vanishing_gradients": Check(
        gradients.vanishing_gradients, "gradients that fade on their way back", "O12"
    ),
    "exploding_gradients": Check(
        gradients.exploding_gradients, "activations and gradients that grow", "P2"
    ),
    "batch_too_small": Check(steps.batch_too_small, "gradients that are mostly noise", "P4"),
    "dead_relus": Check(units.dead_relus, "units that are zero for every record", "O14"),
    "saturated_units": Check(units.saturated_units, "units without slope", "O2"),
    "learning_rate_too_high": Check(
        steps.learning_rate_too_high, "steps that jump or diverge", "O4"
    ),
    "learning_rate_too_low": Check(steps.learning_rate_too_low, "steps that lead nowhere", "O4"),
    "batch_too_large": Check(steps.batch_too_large, "too few updates", "P4"),
    "label_noise": Check(records.label_noise, "labels that look wrong", "O15"),
    "overfitting": Check(capacity.overfitting, "records learned by heart", "O15"),
    "majority_collapse": Check(capacity.majority_collapse, "one answer for everything", "O3"),
}
"""In the order in which causes are looked for: what stands earlier explains what stands later."""
