"""Admitting patients: a run counts as ill when it is worse than its healthy twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from bench.clinic import data as records
from bench.clinic.cases import ILLNESSES, Patient, healthy
from bench.clinic.data import Data
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.plan import Plan, Trial, carry_out

STRUCTURAL = {
    "symmetric_start",
    "non_finite",
    "overfitting",
    "inputs_not_scaled",
    "wrong_output",
    "targets_not_scaled",
    "label_noise",
    "leakage",
    "unshuffled",
    "frozen_parameters",
}
"""Illnesses that are there whether or not they lower the score."""
OWN_RECORDS = {"overfitting", "majority_collapse"}
"""Illnesses that come with other records: the twin learns from these too."""
_DRAWS = 24


@dataclass(frozen=True)
class Stay:
    """A patient who was watched.

    Args:
        patient: Whom.
        trial: His run.
        twin: Score of the healthy twin; NaN for the healthy.
        draws: How often he was drawn until he was ill.
    """

    patient: Patient
    trial: Trial
    twin: float
    draws: int = 1


def run(data: Data, plan: Plan) -> Trial:
    """Make a run on the clinic's records."""
    return carry_out(
        plan,
        TensorSamples(data.inputs, data.targets),
        TensorSamples(data.valid_inputs, data.valid_targets),
    )


def as_good(score: float, twin: float) -> bool:
    """Within two points, or 5 %, of the healthy twin."""
    return score >= twin - max(0.02, 0.05 * abs(twin))


@lru_cache(maxsize=64)
def _well(kind: int, seed: int) -> tuple[Patient, float]:
    patient = healthy(records.ALL[kind](seed), seed)
    return patient, run(patient.data, patient.plan).score


def admit(illness: str, number: int, first: int) -> Stay | None:
    """The patient of this number with an illness; None where no draw made him ill.

    Args:
        illness: A name of ILLNESSES.
        number: Which one; the kinds of records take turns.
        first: Seed of the first.
    """
    sicken, kinds = ILLNESSES[illness]
    kind = kinds[number % len(kinds)]
    for draw in range(_DRAWS):
        seed = first + number + 100_000 * draw
        well, twin = _well(records.ALL.index(kind), seed)
        random = np.random.default_rng([seed, 2])
        ill = replace(sicken(well, random), illness=illness)
        trial = run(ill.data, ill.plan)
        if illness in OWN_RECORDS:
            healthy_run = run(ill.data, well.plan)
            if _collapsed(healthy_run):
                continue  # it is no healthier
            twin = healthy_run.score
        elif illness == "label_noise":
            twin = run(_clean_to_learn_from(ill.data, well.data), well.plan).score
        if _is_ill(illness, trial, twin):
            return Stay(ill, trial, twin, draw + 1)
    return None


def _clean_to_learn_from(ill: Data, well: Data) -> Data:
    """Right labels to learn from, the wrong ones to be judged by: what can be reached at most."""
    return replace(ill, targets=well.targets)


def _is_ill(illness: str, trial: Trial, twin: float) -> bool:
    if illness == "majority_collapse" and not _collapsed(trial):
        return False
    if illness == "overfitting":  # it fits, and others do not
        facts = trial.case.facts
        return bool(facts.get("train_score", 0) > facts.get("valid_score", 0) + 0.05)
    return illness in STRUCTURAL or not as_good(trial.score, twin)


def _collapsed(trial: Trial) -> bool:
    """Whether nine answers in ten are the same."""
    return bool(trial.case.facts.get("predicted_share", 0) >= 0.9)


def control(number: int, first: int) -> Stay | None:
    """The healthy run of this number: it reaches what nearest neighbors do, or is drawn anew."""
    for draw in range(_DRAWS):
        seed = first + number + 100_000 * draw
        patient = healthy(records.ALL[number % len(records.ALL)](seed), seed)
        trial = run(patient.data, patient.plan)
        reference = trial.case.facts.get("neighbor_score")
        if reference is None or trial.score >= reference - 0.05:
            return Stay(patient, trial, float("nan"), draw + 1)
    return None
