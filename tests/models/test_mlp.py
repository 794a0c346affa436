"""The layers of an MLP against a forward pass written out in NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.models.mlp import MLP


@pytest.mark.parametrize("hidden", [(), (5,), (7, 4, 3)])
def test_forward_by_hand(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = MLP((6,), 2, hidden=hidden, activation="tanh").double()
    inputs = torch.randn(9, 6).double()
    h = inputs.numpy()
    for layer in [m for m in network.features if isinstance(m, nn.Linear)]:
        h = np.tanh(h @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
    expected = h @ network.head.weight.detach().numpy().T + network.head.bias.detach().numpy()
    np.testing.assert_allclose(network(inputs).detach().numpy(), expected, atol=1e-12)
    sizes = [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]
    assert sizes == list(pairwise([6, *hidden, 2]))


def test_images_are_read_row_by_row() -> None:
    torch.manual_seed(0)
    image = MLP((2, 3, 4), 5)
    torch.manual_seed(0)
    rows = MLP(24, 5)
    inputs = torch.randn(3, 2, 3, 4)
    assert torch.equal(image(inputs), rows(inputs.reshape(3, 24)))


def test_order_of_parts_within_a_layer() -> None:
    network = MLP(4, 2, hidden=(3,), batch_norm=True, dropout=0.5, activation="elu")
    kinds = [type(layer).__name__ for layer in network.features]
    assert kinds == ["Linear", "BatchNorm1d", "ELU", "Dropout"]


def test_dropout_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    network = MLP(1, 1, hidden=(4000,), activation="identity", dropout=0.4, init="zeros")
    nn.init.ones_(network.features[0].bias)
    nn.init.constant_(network.head.weight, 1 / 4000)
    output = network(torch.zeros(1, 1)).item()
    # Sum of 4000 variables that are 1/0.6 with probability 0.6: mean 1, sd 0.0129.
    assert output != 1.0
    assert output == pytest.approx(1.0, abs=0.065)
    assert network.eval()(torch.zeros(1, 1)).item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("settings", [{"hidden": (3, 0)}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_unusable_sizes(settings: dict) -> None:
    with pytest.raises(SettingError):
        MLP(4, 2, **settings)
