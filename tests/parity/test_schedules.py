"""Schedules against torch.optim.lr_scheduler, at every step of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from nnatomy.training.schedules import learning_rate

LR = 0.3


def by_torch(steps: int, build: Callable[[torch.optim.Optimizer], Any]) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = build(optimizer)
    rates = []
    for step in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return rates


def ours(name: str, epochs: int, steps_per_epoch: int) -> list[float]:
    steps = epochs * steps_per_epoch
    rate = learning_rate(name, LR, steps=steps, steps_per_epoch=steps_per_epoch)
    return [rate(step) for step in range(steps)]


def test_step() -> None:
    per_epoch = by_torch(95, lambda o: StepLR(o, step_size=30, gamma=0.1))
    expected = [rate for rate in per_epoch for _ in range(3)]
    assert ours("step", 95, 3) == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(10, 7), (2, 1), (1, 50)])
def test_cosine(epochs: int, steps_per_epoch: int) -> None:
    steps = epochs * steps_per_epoch
    expected = by_torch(steps, lambda o: CosineAnnealingLR(o, T_max=steps - 1, eta_min=0.0))
    assert ours("cosine", epochs, steps_per_epoch) == pytest.approx(expected, abs=1e-9, rel=0)
    assert ours("cosine", epochs, steps_per_epoch)[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(10, 11), (3, 7), (1, 101)])
def test_one_cycle(epochs: int, steps_per_epoch: int) -> None:
    steps = epochs * steps_per_epoch
    # torch counts the warm-up to step pct T - 1; here the peak is at 30 % of the last step.
    share = (0.3 * (steps - 1) + 1) / steps

    def build(optimizer: torch.optim.Optimizer) -> OneCycleLR:
        return OneCycleLR(
            optimizer,
            max_lr=LR,
            total_steps=steps,
            pct_start=share,
            div_factor=25,
            final_div_factor=1e4,
            cycle_momentum=False,
        )

    expected = by_torch(steps, build)
    assert ours("one_cycle", epochs, steps_per_epoch) == pytest.approx(expected, abs=1e-9, rel=0)


def test_constant() -> None:
    assert ours("constant", 3, 4) == [LR] * 12
