"""A part of the clinic: every illness once, and as many healthy runs."""

from __future__ import annotations

import pytest
from bench.clinic.cases import ILLNESSES
from bench.clinic.ward import Stay, admit, as_good, control

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import findings_of, heal
from nnatomy.diagnose.checks.catalog import CHECKS

FIRST = 90_000
"""Seeds that no threshold was chosen on, nor any published figure."""


def ill(illness: str) -> Stay:
    """The first who is worse than his healthy twin."""
    stays = (admit(illness, number, FIRST) for number in range(8))
    return next(stay for stay in stays if stay is not None)


def test_every_illness_has_a_check() -> None:
    assert set(ILLNESSES) == set(CHECKS)


@pytest.mark.parametrize("illness", ILLNESSES)
def test_a_patient_is_diagnosed(illness: str) -> None:
    found = [finding.check for finding in findings_of(ill(illness).trial.case)]
    assert illness in found


def test_healthy_runs_raise_no_alarm() -> None:
    stays = [control(number, FIRST) for number in range(6)]
    alarms = [stay for stay in stays if stay is not None and findings_of(stay.trial.case)]
    assert len(alarms) <= 1


@pytest.mark.parametrize("illness", ["symmetric_start", "dead_relus", "vanishing_gradients"])
def test_a_patient_is_healed(illness: str) -> None:
    stay = ill(illness)
    own = stay.patient.data
    healing = heal(
        stay.trial,
        TensorSamples(own.inputs, own.targets),
        TensorSamples(own.valid_inputs, own.valid_targets),
    )
    assert as_good(healing.after.score, stay.twin)
    assert any(attempt.kept for attempt in healing.attempts)
