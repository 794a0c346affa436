"""The convolutional network against its printed parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnatomy.models.lenet import LeNet, convolution_stage


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_a_stage_halves_the_map_rounded_up(size: int) -> None:
    maps = convolution_stage(2, 3, 5, "relu")(torch.randn(4, 2, size, size + 1))
    assert maps.shape == (4, 3, -(-size // 2), -(-(size + 1) // 2))


def test_convolution_by_hand() -> None:
    torch.manual_seed(0)
    network = LeNet((2, 6, 6), 3, channels=(4,), kernel=3).double()
    weight = network.features[0][0].weight.detach()  # 4 2 3 3
    image = torch.randn(2, 6, 6).double()
    padded = nn.functional.pad(image, (1, 1, 1, 1))
    expected = torch.zeros(4, 6, 6).double()
    for k in range(4):
        for i in range(6):
            for j in range(6):
                expected[k, i, j] = (weight[k] * padded[:, i : i + 3, j : j + 3]).sum()
    found = network.features[0][0](image[None])[0]
    torch.testing.assert_close(found.detach(), expected)


@pytest.mark.parametrize(("side", "grid"), [(8, 2), (16, 4), (20, 4), (64, 4)])
def test_large_images_cost_no_large_layer(side: int, grid: int) -> None:
    network = LeNet((1, side, side), 2)
    assert network.head[2].in_features == 64 * grid * grid
    assert isinstance(network.pool, nn.Identity) == (side <= 16)
    assert network(torch.randn(2, 1, side, side)).shape == (2, 2)


def test_settings_reach_the_parts() -> None:
    network = LeNet(
        (3, 9, 9), 2, channels=(5, 6, 7), kernel=5, hidden=11, activation="gelu", dropout=0.1
    )
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size) for c in convolutions] == [
        (3, 5, (5, 5)),
        (5, 6, (5, 5)),
        (6, 7, (5, 5)),
    ]
    assert sum(isinstance(m, nn.GELU) for m in network.modules()) == 4
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.1, 0.1]
    assert network.head[2].out_features == 11
