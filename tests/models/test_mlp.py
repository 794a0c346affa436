"""The layers of an MLP against a forward pass written out in NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.models.mlp import MLP
from nnatomy.models.summary import count_parameters
from nnatomy.nn.residual import Residual


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


def dense(network: MLP) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@pytest.mark.parametrize(
    ("inputs", "hidden", "shortcuts"),
    [
        (6, (5, 5), [False, True]),
        (6, (5, 5, 4, 4, 4), [False, True, False, True, True]),
        (6, (6, 3), [True, False]),
    ],
)
def test_residual_forward_by_hand(
    inputs: int, hidden: tuple[int, ...], shortcuts: list[bool]
) -> None:
    torch.manual_seed(0)
    network = MLP((inputs,), 2, hidden=hidden, activation="tanh", residual=True).double()
    values = torch.randn(9, inputs).double()
    h = values.numpy()
    *layers, head = dense(network)
    for layer, shortcut in zip(layers, shortcuts, strict=True):
        g = np.tanh(h @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
        h = h + g if shortcut else g
    expected = h @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    np.testing.assert_allclose(network(values).detach().numpy(), expected, atol=1e-12)


def test_normalization_and_dropout_are_within_the_branch() -> None:
    network = MLP(4, 2, hidden=(3, 3), batch_norm=True, dropout=0.5, residual=True)
    kinds = [type(layer).__name__ for layer in network.features]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Residual"]
    assert isinstance(network.features[4], Residual)
    assert [type(layer).__name__ for layer in network.features[4].branch] == kinds[:4]


def test_a_shortcut_costs_no_parameter_and_no_random_number() -> None:
    built = []
    for residual in (False, True):
        torch.manual_seed(3)
        built.append(MLP(4, 2, hidden=(5, 5, 5), init="he_normal", residual=residual))
    plain, network = built
    assert count_parameters(plain) == count_parameters(network)
    for a, b in zip(plain.parameters(), network.parameters(), strict=True):
        assert torch.equal(a, b)
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert (plain(inputs) - network(inputs)).abs().max() > 0.01


def test_names_of_saved_networks() -> None:
    plain = ["features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias"]
    head = ["head.weight", "head.bias"]
    assert list(MLP(4, 2, hidden=(5, 5)).state_dict()) == [*plain, *head]
    within = ["features.2.branch.0.weight", "features.2.branch.0.bias"]
    assert list(MLP(4, 2, hidden=(5, 5), residual=True).state_dict()) == [
        *plain[:2],
        *within,
        *head,
    ]


def share_of_the_first_gradient(activation: str, residual: bool) -> float:
    """The norm of the first layer's gradient over that of the last hidden one's."""
    torch.manual_seed(0)
    network = MLP(8, 3, hidden=(16,) * 30, activation=activation, residual=residual)
    generator = torch.Generator().manual_seed(1)
    outputs = network(torch.randn(32, 8, generator=generator))
    targets = torch.randint(3, (32,), generator=generator)
    nn.functional.cross_entropy(outputs, targets).backward()
    first, *_, last, _head = dense(network)
    return (first.weight.grad.norm() / last.weight.grad.norm()).item()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_gradient_reaches_the_first_of_thirty_layers(activation: str) -> None:
    assert share_of_the_first_gradient(activation, residual=False) < 1e-4
    assert share_of_the_first_gradient(activation, residual=True) > 0.01


@pytest.mark.parametrize(
    ("inputs", "hidden", "named"),
    [(4, (100,), "layers 100 after 4"), (4, (8, 4, 8), "layers 8, 4, 8 after"), (4, (), "none")],
)
def test_a_shortcut_around_nothing_is_refused(
    inputs: int, hidden: tuple[int, ...], named: str
) -> None:
    with pytest.raises(SettingError, match=f"{named}.*two successive ones the same width"):
        MLP(inputs, 2, hidden=hidden, residual=True)
