"""The vectorized exponential against the C library's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nnatomy.compilation import compiled
from nnatomy.training.dense_exponential import exponential


@compiled
def exponentials(values: Any, out: Any) -> None:
    for i in range(len(values)):
        out[i] = exponential(values[i])


def computed(values: Any, dtype: Any = np.float32) -> NDArray[Any]:
    numbers = np.array(values, dtype=dtype)
    out = np.empty_like(numbers)
    exponentials(numbers, out)
    return out


def test_within_two_units_in_the_last_place() -> None:
    values = np.linspace(-87, 88.7, 400_001).astype(np.float32)
    exact = np.exp(values.astype(np.float64))
    wrong = np.abs(computed(values) - exact) / np.spacing(exact.astype(np.float32))
    assert wrong.max() <= 2.0
    assert wrong.mean() <= 0.5


@given(st.floats(width=32))
def test_every_number(value: float) -> None:
    (result,) = computed([value])
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(np.float32(value))
    np.testing.assert_allclose(result, expected, rtol=3e-7, atol=3e-45)


def test_at_the_ends() -> None:
    result = computed([np.nan, -np.inf, np.inf, -104.5, 90.0, 0.0, -0.0])
    np.testing.assert_array_equal(result, [np.nan, 0, np.inf, 0, np.inf, 1, 1])


def test_double_precision_is_the_library_s() -> None:
    values = np.linspace(-700, 700, 1001)
    np.testing.assert_array_equal(computed(values, np.float64), [math.exp(v) for v in values])
    assert exponential(1.5) == math.exp(1.5)
