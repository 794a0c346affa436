"""Weights start with the moments that the papers give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.nn.initialization import FORMULAS, INITIALIZATIONS, initialize

FAN_IN, FAN_OUT = 400, 600
COUNT = FAN_IN * FAN_OUT


def drawn(scheme: str) -> nn.Linear:
    torch.manual_seed(5)
    layer = nn.Linear(FAN_IN, FAN_OUT)
    nn.init.ones_(layer.bias)
    initialize(layer, scheme)
    return layer


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("normal", 0.01**2),
        ("uniform", 0.1**2 / 12),
        ("lecun_normal", 1 / FAN_IN),
        ("lecun_uniform", 1 / FAN_IN),
        ("xavier_forward_normal", 1 / FAN_IN),
        ("xavier_forward_uniform", 1 / FAN_IN),
        ("lecun", 1 / FAN_IN),
        ("xavier", 2 / (FAN_IN + FAN_OUT)),
        ("he", 2 / FAN_IN),
        ("xavier_normal", 2 / (FAN_IN + FAN_OUT)),
        ("xavier_uniform", 2 / (FAN_IN + FAN_OUT)),
        ("he_normal", 2 / FAN_IN),
        ("he_uniform", 2 / FAN_IN),
    ],
)
def test_variance_is_that_of_the_paper(scheme: str, variance: float) -> None:
    weight = drawn(scheme).weight.double()
    # Five standard errors: of the mean sd/sqrt(n), of the variance at most var sqrt(2/n).
    assert abs(weight.mean().item()) < 5 * (variance / COUNT) ** 0.5
    assert weight.var().item() == pytest.approx(variance, rel=5 * (2 / COUNT) ** 0.5)


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        ("uniform", 0.05),
        ("lecun_uniform", (3 / FAN_IN) ** 0.5),
        ("xavier_uniform", (6 / (FAN_IN + FAN_OUT)) ** 0.5),
        ("he_uniform", (6 / FAN_IN) ** 0.5),
    ],
)
def test_uniform_schemes_fill_their_interval(scheme: str, bound: float) -> None:
    largest = drawn(scheme).weight.abs().max().item()
    assert 0.999 * bound < largest <= bound * (1 + 1e-6)


@pytest.mark.parametrize("scheme", ["normal", "lecun_normal", "xavier_normal", "he_normal"])
def test_normal_schemes_have_normal_tails(scheme: str) -> None:
    weight = drawn(scheme).weight
    beyond = (weight.abs() > 2 * weight.std()).double().mean().item()
    assert beyond == pytest.approx(0.0455, abs=0.003)  # 2 (1 - Φ(2)); 0 for a uniform draw


def test_orthogonal_columns() -> None:
    weight = drawn("orthogonal").weight.detach().double()
    torch.testing.assert_close(
        weight.T @ weight, torch.eye(FAN_IN).double(), atol=1e-4, rtol=0, check_dtype=False
    )


def test_zeros() -> None:
    assert not drawn("zeros").weight.any()


@pytest.mark.parametrize("scheme", INITIALIZATIONS)
def test_biases_start_at_zero(scheme: str) -> None:
    assert not drawn(scheme).bias.any()


@pytest.mark.parametrize(("scheme", "gain"), [("he_normal", 2.0), ("lecun_normal", 1.0)])
def test_fan_in_of_filters_counts_their_window(scheme: str, gain: float) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(50, 200, 3, bias=False)
    initialize(layer, scheme)
    assert layer.weight.var().item() == pytest.approx(gain / (50 * 9), rel=0.03)


def test_other_layers_keep_their_parameters() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    initialize(network, "zeros")
    assert not network[0].weight.any()
    assert network[1].weight.tolist() == [1.0, 1.0, 1.0]


def test_default_changes_nothing() -> None:
    layer = nn.Linear(4, 4)
    before = layer.weight.clone(), layer.bias.clone()
    initialize(layer, "default")
    assert torch.equal(layer.weight, before[0])
    assert torch.equal(layer.bias, before[1])


def test_unknown_scheme_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"'xavier_norm' is unknown: did you mean 'xavier_nor"):
        initialize(nn.Linear(2, 2), "xavier_norm")


def test_constant_weights_are_all_alike() -> None:
    assert drawn("constant").weight.unique().tolist() == pytest.approx([0.1])


def test_every_scheme_has_a_formula() -> None:
    assert set(FORMULAS) == {"default", *INITIALIZATIONS}
