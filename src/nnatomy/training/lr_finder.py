"""A learning rate to start with, found by one short run on a copy of the network."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import nn

from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.training.devices import seeded, thread_count
from nnatomy.training.objectives import Objective
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.types import Batch, Samples

_SMOOTHING = 0.9
_DIVERGED = 4.0
_SKIPPED_SHARE = 0.1
_FEWEST_STEPS = 20
_REACH = 0.1
"""Share of the steps to either side over which a slope is taken: from one step to the next, small
batches make the loss jump more than learning lowers it."""


@dataclass(frozen=True)
class LearningRateCurve:
    """The loss while the learning rate rises.

    Args:
        rates: Learning rate of each step, up to the divergence of the loss.
        losses: Smoothed training loss before each step.
        suggestion: The rate around which the smoothed loss fell most steeply, within bounds.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_learning_rate(
    network: nn.Module,
    train: Samples,
    *,
    objective: Objective,
    settings: Settings,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> LearningRateCurve:
    """The learning-rate range test: one mini-batch a step, the rate rising exponentially.

    η_i = lowest (highest / lowest)^(i / (steps - 1)); the loss is smoothed by
    a_i = 0.9 a_{i-1} + 0.1 L_i, s_i = a_i / (1 - 0.9^(i+1)); the run ends when s_i > 4 min s or
    something is not finite. The suggestion is the η_i where (s_{i+1} - s_{i-1}) / (log η_{i+1} -
    log η_{i-1}) is lowest, but at most a tenth of the η_i with the lowest loss, beyond which a
    chance fall of a noisy loss may lie. The first tenth of the steps, where the mean is still of
    few batches, counts for neither. The network and the caller's random state are left alone.

    Source: Smith 2017, Cyclical learning rates (arXiv 1506.01186, 3.3); the smoothing, the end at
    four times the lowest loss and the steepest point follow the fastai library.

    Args:
        network: Where the run starts; a copy is trained.
        train: Training records, read again from the beginning when they run out.
        objective: What is made small.
        settings: Optimizer, batch size, penalty and seed; its learning rate and schedule play no
            part.
        lowest: First learning rate.
        highest: Last learning rate.
        steps: Steps from one to the other.

    Raises:
        SettingError: The range is empty, there are too few steps, or the loss diverges at once.
    """
    if not (0 < lowest < highest and math.isfinite(highest)):
        raise SettingError(f"lowest must be positive and below highest, got {lowest}, {highest}")
    if steps < _FEWEST_STEPS:
        raise SettingError(f"steps must be at least {_FEWEST_STEPS}, got {steps}")
    skipped = int(_SKIPPED_SHARE * steps)
    rates = [lowest * (highest / lowest) ** (i / (steps - 1)) for i in range(steps)]
    with seeded(settings.seed):
        whole = replace(settings, warm_up=0)  # the rate has to suit all that will be trained
        session = Session(copy.deepcopy(network), train, None, objective, whole)
        with thread_count(session.threads):
            losses = _ramp(session, rates, skipped)
    if len(losses) < skipped + 3:
        raise SettingError(
            f"the loss diverges at once, at a learning rate of {rates[len(losses)]:.2g}: lower "
            f"lowest below {lowest:g}, or look at the records"
        )
    rates = rates[: len(losses)]
    return LearningRateCurve(tuple(rates), tuple(losses), _steepest(rates, losses, skipped, steps))


def _ramp(session: Session, rates: list[float], skipped: int) -> list[float]:
    """Smoothed losses of the steps before the divergence."""
    session.rate = rates.__getitem__
    session.parts.enter(0)
    losses: list[float] = []
    mean = 0.0
    for batch in _endless(session):
        try:
            loss = session.learn(batch).item()
        except NonFiniteError:
            return losses
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smooth = mean / (1 - _SMOOTHING**session.step)
        if len(losses) > skipped and smooth > _DIVERGED * min(losses[skipped:]):
            return losses
        losses.append(smooth)
        if session.step == len(rates):
            break
    return losses


def _endless(session: Session) -> Iterator[Batch]:
    while True:
        yield from session.batches()
        session.epoch += 1
        session.consumed = 0


def _steepest(rates: list[float], losses: list[float], skipped: int, steps: int) -> float:
    last = len(losses) - 1
    reach = max(1, min(round(_REACH * steps), (last - skipped) // 2))

    def slope(i: int) -> float:
        one, other = i - reach, i + reach
        return (losses[other] - losses[one]) / math.log(rates[other] / rates[one])

    steepest = rates[min(range(skipped + reach, last - reach + 1), key=slope)]
    lowest = rates[min(range(skipped, len(losses)), key=losses.__getitem__)]
    return min(steepest, lowest / 10)
