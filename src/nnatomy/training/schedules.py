"""How the learning rate varies over the steps of a run."""

from __future__ import annotations

import math
from collections.abc import Callable

from nnatomy.errors import SettingError, nearest

_STEP_DECAY = 0.1
_STEP_EPOCHS = 30
_WARM_SHARE = 0.3
_START_FACTOR = 1 / 25
_END_FACTOR = 1 / 25e4


def _constant(_progress: float, _epoch: int) -> float:
    """η_t = η."""
    return 1.0


def _step(_progress: float, epoch: int) -> float:
    """η_t = η 0.1^floor(epoch / 30). Source: He et al. 2016, 3.4 (tenfold drops)."""
    return float(_STEP_DECAY ** (epoch // _STEP_EPOCHS))


def _cosine(progress: float, _epoch: int) -> float:
    """η_t = η (1 + cos(π t / T)) / 2. Source: Loshchilov and Hutter 2017, arXiv 1608.03983."""
    return (1.0 + math.cos(math.pi * progress)) / 2.0


def _one_cycle(progress: float, _epoch: int) -> float:
    """Up from η/25 to η in the first 30 %, then down to η/250000, both along a cosine.

    Source: Smith and Topin 2018, arXiv 1708.07120. The momentum is left alone.
    """
    if progress <= _WARM_SHARE:
        return _between(_START_FACTOR, 1.0, progress / _WARM_SHARE)
    return _between(1.0, _END_FACTOR, (progress - _WARM_SHARE) / (1.0 - _WARM_SHARE))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


SCHEDULES: dict[str, Callable[[float, int], float]] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def learning_rate(
    name: str, lr: float, *, steps: int, steps_per_epoch: int
) -> Callable[[int], float]:
    """The learning rate as a function of the step number, counted from 0.

    Args:
        name: A name of SCHEDULES.
        lr: The highest learning rate η.
        steps: Steps of the whole run, T + 1.
        steps_per_epoch: Steps of one epoch.

    Raises:
        SettingError: The name is unknown.
    """
    if name not in SCHEDULES:
        raise SettingError(f"schedule '{name}' is unknown: {nearest(name, SCHEDULES)}")
    factor = SCHEDULES[name]
    if factor is _constant:
        return lambda _step_number: lr
    last = max(1, steps - 1)
    return lambda step: lr * factor(min(step, last) / last, step // steps_per_epoch)
