"""Quantities read off the record of a run."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from diagnose.cases import spoiled
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.probe import Probe
from nnatomy.diagnose.record import record
from nnatomy.diagnose.signs import noise_scale
from nnatomy.training.fit import fit
from nnatomy.training.settings import Settings


def measured(*pairs: tuple[float, float], batch: int = 4) -> float:
    """The noise scale of rows with (noise, power)."""
    case = spoiled()
    rows = [{"noise": noise, "power": power, "batch": batch} for noise, power in pairs]
    return noise_scale(type(case)(**(vars(case) | {"rows": rows})))


def test_noise_scale_by_hand() -> None:
    # 4 · (2 + 6) / (1 + 3); the first third of the rows does not count.
    assert measured((100, 1), (2, 1), (6, 3)) == pytest.approx(8)
    assert measured((1, 0), (1, -1)) == math.inf
    assert math.isnan(measured())


def test_noise_scale_of_a_problem_whose_noise_is_known() -> None:
    # y = w x with x = 1 and y = 3 + noise of variance 4 around it: the gradient of a record at
    # w = 0 is -y, so that tr Σ / |G|² = 4 / 9, and steps of 1e-9 leave w there.
    targets = 3 + 2 * torch.randn(4096, 1, generator=torch.Generator().manual_seed(0))
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    probe = Probe(2)
    settings = Settings(epochs=4, batch_size=8, lr=1e-9, optimizer="sgd", device="cpu")
    session = fit(
        network,
        TensorSamples(torch.ones(4096, 1), targets),
        objective="squared",
        settings=settings,
        observers=[probe],
    )
    expected = (targets.var() / targets.mean() ** 2).item()
    assert noise_scale(record(session, probe)) == pytest.approx(expected, rel=0.1)
