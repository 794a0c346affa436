"""The exponential function on vector units, for the compiled steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from nnatomy.compilation import compiled_in_order

_PER_LN2 = np.float32(1.442695041)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST, _HIGHEST = np.float32(-104.0), np.float32(89.0)  # exp is 0 below and infinite above


@compiled_in_order
def exponential_single(value: Any) -> Any:
    """e^x in single precision, by operations that a processor does on many numbers at once.

    x = k ln 2 + r with |r| ≤ ln 2 / 2; e^x = 2^k e^r, where e^r is a polynomial. 2^k is written
    into the exponents of two numbers, since one alone cannot hold the smallest results.
    The scheme is that of W. J. Cody and W. Waite, Software Manual for the Elementary Functions,
    1980, ch. 6; the coefficients are those of expf in S. Moshier's Cephes library.
    """
    x = _LOWEST if value < _LOWEST else value  # in this order a NaN stays one
    x = _HIGHEST if x > _HIGHEST else x
    k = np.floor(x * _PER_LN2 + np.float32(0.5))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1)
    power = np.int32(k)
    half = power >> 1
    one, other = np.int32((half + 127) << 23), np.int32((power - half + 127) << 23)
    return p * one.view(np.float32) * other.view(np.float32)


def exponential(value: Any) -> Any:
    """e^x of one number in compiled code: vectorized in single precision, else the C library's."""
    return math.exp(value)


@overload(exponential, strict=False)  # annotations need not match
def _exponential_of(value: Any) -> Callable[[Any], Any]:
    if value == types.float32:
        return lambda value: exponential_single(value)  # noqa: PLW0108 - Numba wants plain Python
    return lambda value: math.exp(value)  # noqa: PLW0108
