"""Learning-rate schedules as functions of the step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.errors import SettingError
from nnatomy.training.schedules import SCHEDULES, learning_rate


@given(
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(0, 60),
    st.integers(1, 9),
    st.integers(0, 2000),
)
def test_rates_stay_between_zero_and_the_highest(
    name: str, epochs: int, per_epoch: int, step: int
) -> None:
    rate = learning_rate(name, 0.5, steps=epochs * per_epoch, steps_per_epoch=per_epoch)
    assert 0.0 <= rate(step) <= 0.5 * (1 + 1e-12)


def test_one_cycle_by_hand() -> None:
    rate = learning_rate("one_cycle", 1.0, steps=101, steps_per_epoch=101)
    found = [rate(0), rate(15), rate(30), rate(65), rate(100)]
    # Half-way along a cosine lies the mean of its ends.
    expected = [0.04, (0.04 + 1) / 2, 1.0, (1 + 4e-6) / 2, 4e-6]
    assert found == pytest.approx(expected, abs=1e-12)


def test_steps_beyond_the_plan_keep_the_last_rate() -> None:
    rate = learning_rate("one_cycle", 1.0, steps=10, steps_per_epoch=5)
    assert rate(10) == rate(9) == rate(1000)


def test_unknown_schedule_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"'cosin' is unknown: did you mean 'cosine'\?"):
        learning_rate("cosin", 0.1, steps=1, steps_per_epoch=1)
