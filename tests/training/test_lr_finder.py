"""The learning-rate range test, where the right answer is known and where it has to work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import SettingError
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import LearningRateCurve, find_learning_rate
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.settings import Settings

FULL = Settings(batch_size=None, optimizer="sgd", device="cpu")


def quadratic(curvature: float) -> tuple[nn.Module, TensorSamples]:
    """½ mean (t - w x)² whose second derivative is `curvature` in every direction."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(64, 5, generator=generator))
    inputs = basis * (64 * curvature) ** 0.5
    torch.manual_seed(0)
    # Some noise, or the descent may meet the bottom to the bit and stay there at any rate.
    targets = inputs @ torch.full((5, 1), 3.0) + 0.1 * torch.randn(64, 1)
    return nn.Linear(5, 1, bias=False), TensorSamples(inputs, targets)


def curve_of(
    net: nn.Module, train: TensorSamples, settings: Settings = FULL, **more: Any
) -> LearningRateCurve:
    return find_learning_rate(
        net, train, objective=OBJECTIVES["squared"], settings=settings, **more
    )


@pytest.mark.parametrize("curvature", [0.1, 1.0, 10.0])
def test_gradient_descent_on_a_bowl_is_stable_below_two_over_the_curvature(
    curvature: float,
) -> None:
    net, train = quadratic(curvature)
    curve = curve_of(net, train, highest=1000.0)
    limit = 2 / curvature
    assert limit / 30 < curve.suggestion < limit
    assert limit < curve.rates[-1] < 30 * limit  # it went on until the loss diverged
    assert len(curve.rates) == len(curve.losses) < 100


def test_rates_rise_exponentially_and_losses_are_smoothed() -> None:
    net, train = quadratic(1.0)
    curve = curve_of(net, train, lowest=1e-5, highest=1e-2, steps=31)
    assert curve.rates == pytest.approx([10 ** (-5 + i / 10) for i in range(31)])
    weight = net.weight.detach().double()
    inputs, targets = train.inputs.double(), train.targets.double()
    mean, expected = 0.0, []
    for i, rate in enumerate(curve.rates):
        error = inputs @ weight.T - targets
        mean = 0.9 * mean + 0.1 * (0.5 * error.square().mean()).item()
        expected.append(mean / (1 - 0.9 ** (i + 1)))
        weight -= rate * (error.T @ inputs) / 64
    assert curve.losses == pytest.approx(expected, rel=1e-5)
    slopes = [expected[i + 1] - expected[i - 1] for i in range(3, 30)]
    steepest = curve.rates[3 + slopes.index(min(slopes))]
    lowest = curve.rates[3 + expected[3:].index(min(expected[3:]))]
    assert curve.suggestion == min(steepest, lowest / 10)


def test_network_and_random_state_are_left_alone() -> None:
    torch.manual_seed(0)
    net = MLP((5,), 1, dropout=0.3, batch_norm=True)
    net.features[1].eval()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    train = quadratic(1.0)[1]
    random_state = torch.get_rng_state()
    curves = [curve_of(net, train, replace(FULL, batch_size=10)) for _ in range(2)]
    assert curves[0] == curves[1]
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert [m.training for m in net.modules()] == modes
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_it_ends_at_the_first_value_that_is_not_finite() -> None:
    net, train = quadratic(1.0)
    curve = curve_of(net, train, highest=1e30, steps=40)
    assert len(curve.rates) < 40
    assert curve.suggestion < 2.0


def digits() -> TensorSamples:
    inputs, targets = load_digits(return_X_y=True)
    return TensorSamples(torch.tensor(inputs / 16, dtype=torch.float32), torch.tensor(targets))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_suggestion_trains_digits_better_than_far_smaller_or_larger(optimizer: str) -> None:
    train = digits()
    settings = Settings(epochs=3, optimizer=optimizer, device="cpu")

    def network() -> nn.Module:
        torch.manual_seed(0)
        return MLP((64,), 10, hidden=(32,))

    curve = find_learning_rate(
        network(), train, objective=OBJECTIVES["cross_entropy"], settings=settings
    )
    smaller, suggested, larger = (
        fit(network(), train, settings=replace(settings, lr=curve.suggestion * factor)).history[-1][
            "loss"
        ]
        for factor in (0.01, 1.0, 100.0)
    )
    assert suggested < 0.75 * smaller
    assert suggested < 0.75 * larger


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"lowest": 0.0}, "lowest must be positive"),
        ({"lowest": 1.0, "highest": 1.0}, "below highest"),
        ({"highest": float("inf")}, "below highest"),
        ({"steps": 19}, "steps must be at least 20"),
        ({"lowest": 1e3, "highest": 1e6}, "diverges at once, at a learning rate of 1.*e"),
    ],
)
def test_unusable_ranges(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        curve_of(*quadratic(1.0), **more)
