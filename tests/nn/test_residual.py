"""The identity shortcut: a sum forward, a one in the slope backward."""

from __future__ import annotations

import torch
from torch import nn

from nnatomy.nn.residual import Residual


def test_a_sum_forward_and_backward() -> None:
    layer = Residual(nn.Sequential(nn.Linear(3, 3), nn.Tanh())).double()
    x = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -0.25]]).double()
    weight = torch.tensor([[0.5, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 2.0]]).double()
    with torch.no_grad():
        layer.branch[0].weight.copy_(weight)
        layer.branch[0].bias.copy_(torch.tensor([0.25, 0.0, -1.0]))
    pre = x * torch.tensor([0.5, -1.0, 2.0]) + torch.tensor([0.25, 0.0, -1.0])
    torch.testing.assert_close(layer(x), x + torch.tanh(pre))
    slope = 1 + (1 - torch.tanh(pre[0]) ** 2) * torch.tensor([0.5, -1.0, 2.0])
    jacobian = torch.autograd.functional.jacobian(lambda row: layer(row[None])[0], x[0])
    torch.testing.assert_close(jacobian, torch.diag(slope.detach()))


def test_a_branch_that_lets_nothing_through_leaves_the_identity() -> None:
    dead = nn.Linear(4, 4)
    nn.init.zeros_(dead.weight)
    nn.init.constant_(dead.bias, -1.0)
    layer = Residual(nn.Sequential(dead, nn.ReLU()))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.equal(layer(x), x)
    layer(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(5, 4))


def test_images_keep_their_shape() -> None:
    torch.manual_seed(0)
    branch = nn.Conv2d(2, 2, 3, padding=1)
    images = torch.randn(3, 2, 5, 4)
    assert torch.equal(Residual(branch)(images) - images, (images + branch(images)) - images)
    assert Residual(branch)(images).shape == images.shape
