"""Small networks of the five convolutional families, for what is checked of each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nnatomy import models
from nnatomy.models.resnet import BasicBlock, Bottleneck
from nnatomy.nn.initialization import initialize

OUTPUTS, CHANNELS = 5, 2


def short_googlenet(**settings: object) -> nn.Module:
    """GoogLeNet with three of its nine modules: those with auxiliary heads, and the next."""
    module = sys.modules["nnatomy.models.googlenet"]
    kept = {name: module.MODULES[name] for name in ("4a", "4d", "5a")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MODULES", kept)
        return models.googlenet(**settings)


_shape = {"num_classes": OUTPUTS, "in_channels": CHANNELS}
_small, _imagenet = _shape | {"stem": "small"}, _shape | {"stem": "imagenet"}

SMALL: dict[str, Callable[[], nn.Module]] = {
    "alexnet": partial(models.alexnet, width=4, hidden=16, **_small),
    "vgg": partial(models.vgg11_bn, width=4, hidden=16, **_small),
    "googlenet": partial(short_googlenet, width=4, **_small),
    "resnet": partial(models.ResNet, BasicBlock, (1, 1, 1, 1), width=4, **_small),
    "densenet": partial(models.DenseNet, (2, 1, 1), growth=4, **_small),
}
"""One of each family, narrow, with the small stem. Where layers repeat there are fewer of them than
in published networks: every kind of layer, in time for a test."""

IMAGENET: dict[str, Callable[[], nn.Module]] = {
    "alexnet": partial(models.alexnet, width=4, hidden=16, **_imagenet),
    "vgg": partial(models.vgg11, width=4, hidden=16, **_imagenet),
    "googlenet": partial(short_googlenet, width=4, batch_norm=False, **_imagenet),
    "resnet": partial(models.ResNet, Bottleneck, (1, 1), width=4, **_imagenet),
    "densenet": partial(models.DenseNet, (1, 1), growth=4, **_imagenet),
}
"""One of each family with the ImageNet stem, and with what those above do not have: biases in the
place of batch normalization, the paper's form of GoogLeNet, bottlenecks."""


def started(build: Callable[[], nn.Module]) -> nn.Module:
    """A network in evaluation mode whose outputs depend on its images.

    The published starts leave the outputs of narrow networks nearly constant.
    """
    torch.manual_seed(0)
    network = build()
    initialize(network, "he_normal")
    return lived(network)


def lived(network: nn.Module) -> nn.Module:
    """Batch normalization away from its start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0.0, 0.1)
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.7, 1.5)
    return network.eval()


def images(side: int, count: int = 2) -> Tensor:
    """Noise.

    Shape: (count, CHANNELS, side, side).
    """
    return torch.randn(count, CHANNELS, side, side, generator=torch.Generator().manual_seed(3))
