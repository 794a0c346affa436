"""One layer of neurons."""

from __future__ import annotations

import torch

from nnatomy.models.perceptron import LogisticUnit, Perceptron


def test_pre_activation_is_bias_plus_weighted_sum() -> None:
    network = Perceptron(2, 1)
    assert network(torch.randn(4, 2)).tolist() == [[0.0]] * 4  # starts at zero
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[2.0, -1.0]]))
        network.head.bias.fill_(0.5)
    assert network(torch.tensor([[1.0, 3.0], [2.0, 1.0]])).tolist() == [[-0.5], [3.5]]


def test_images_are_flattened() -> None:
    assert Perceptron((3, 2, 2), 4).head.in_features == 12


def test_logistic_unit_gives_pre_activations_and_has_the_same_parts() -> None:
    network = LogisticUnit((3,), 2)
    with torch.no_grad():
        network.head.bias.fill_(-7.0)
    assert network(torch.zeros(1, 3)).tolist() == [[-7.0, -7.0]]
    assert list(network.state_dict()) == list(Perceptron((3,), 2).state_dict())
