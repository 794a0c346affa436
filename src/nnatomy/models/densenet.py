"""Densely connected networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nnatomy.models.image_network import (
    Stem,
    check_dropout,
    check_sizes,
    check_stem,
    is_sketch,
    require_side,
)

_BOTTLENECK = 4
_COMPRESSION = 2


class DenseLayer(nn.Sequential):
    """x -> [x, H(x)] with H: BN-ReLU-Conv 1×1 to 4 k maps, BN-ReLU-Conv 3×3 to k maps.

    Source: Huang et al. 2017 (arXiv 1608.06993), equation 2, bottleneck layers.

    Args:
        inputs: Maps that come in: those of the block's input and of all layers before.
        growth: k, the maps that are added.
        dropout: Probability of silencing an added value in training.

    Shape: (B, inputs, H, W) -> (B, inputs + k, H, W).
    """

    def __init__(self, inputs: int, growth: int, *, dropout: float = 0.0) -> None:
        inner = _BOTTLENECK * growth
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            norm1=nn.BatchNorm2d(inputs),
            relu1=nn.ReLU(inplace=True),
            conv1=nn.Conv2d(inputs, inner, 1, bias=False),
            norm2=nn.BatchNorm2d(inner),
            relu2=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(inner, growth, 3, padding=1, bias=False),
        )
        if dropout:
            parts["dropout"] = nn.Dropout(dropout)
        super().__init__(parts)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps that came in and the k new ones."""
        new: Tensor = super().forward(maps)  # type: ignore[no-untyped-call]
        return torch.cat([maps, new], 1)


def dense_block(inputs: int, growth: int, depth: int, *, dropout: float) -> nn.Sequential:
    """Layers of which each reads the maps of all before it.

    Shape: (B, inputs, H, W) -> (B, inputs + depth k, H, W).
    """
    return nn.Sequential(
        OrderedDict(
            (f"denselayer{i + 1}", DenseLayer(inputs + i * growth, growth, dropout=dropout))
            for i in range(depth)
        )
    )


def transition(inputs: int) -> nn.Sequential:
    """BN-ReLU-Conv 1×1 to half the maps (compression θ = ½), 2×2 mean pooling.

    Shape: (B, inputs, H, W) -> (B, inputs // 2, H // 2, W // 2).
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            norm=nn.BatchNorm2d(inputs),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(inputs, inputs // _COMPRESSION, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, the mean of each map, one dense layer.

    Source: Huang et al. 2017, Densely connected convolutional networks (arXiv 1608.06993), table
    1 (DenseNet-BC). With the small stem the first filters are 3×3 of stride 1, without pooling,
    as in its CIFAR networks, which have three blocks where these have four.

    Args:
        depths: Layers of each block.
        num_classes: Number of output units K.
        in_channels: Channels C of the images.
        stem: See nnatomy.models.image_network.
        growth: k, the maps that each layer adds.
        width: Filters of the stem; None: 2 k, as published.
        dropout: Probability of silencing an added value in training.

    Shape: (B, C, H, W) -> (B, K); features (B, M, H/32, W/32), with the small stem H/8, W/8.

    Raises:
        SettingError: A width is below 1, dropout is outside [0, 1),
            the stem is unknown; in `forward`, the images are smaller than 29×29, or 8×8 with the
            small stem.

    Example:
        network = DenseNet((2, 2, 2, 2), num_classes=10, stem="small", growth=8)
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Stem = "imagenet",
        growth: int = 32,
        width: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_stem(stem)
        maps = 2 * growth if width is None else width
        check_sizes(
            {
                "num_classes": num_classes,
                "in_channels": in_channels,
                "growth": growth,
                "width": maps,
            }
        )
        check_dropout("dropout", dropout)
        halvings = len(depths) - 1
        self.stem = stem
        self.least_side = 2**halvings if stem == "small" else 4 * 2**halvings - 3
        self.features = nn.Sequential(_stem(in_channels, maps, stem))
        for block, depth in enumerate(depths, start=1):
            layers = dense_block(maps, growth, depth, dropout=dropout)
            self.features.add_module(f"denseblock{block}", layers)
            maps += depth * growth
            if block < len(depths):
                self.features.add_module(f"transition{block}", transition(maps))
                maps //= _COMPRESSION
        self.features.add_module("norm5", nn.BatchNorm2d(maps))
        self.features.add_module("relu5", nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(maps, num_classes)
        self._initialize()

    def _initialize(self) -> None:
        if is_sketch(self):
            return
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        require_side(images, self.least_side, "DenseNet", self.stem)
        maps = self.pool(self.features(images))  # B M 1 1
        outputs: Tensor = self.head(maps.flatten(1))
        return outputs


def _stem(in_channels: int, width: int, stem: Stem) -> OrderedDict[str, nn.Module]:
    if stem == "small":
        return OrderedDict(conv0=nn.Conv2d(in_channels, width, 3, padding=1, bias=False))
    return OrderedDict(
        conv0=nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(width),
        relu0=nn.ReLU(inplace=True),
        pool0=nn.MaxPool2d(3, stride=2, padding=1),
    )


def densenet121(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    growth: int = 32,
    width: int | None = None,
    dropout: float = 0.0,
) -> DenseNet:
    """DenseNet-121; see DenseNet."""
    return DenseNet(
        (6, 12, 24, 16),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        growth=growth,
        width=width,
        dropout=dropout,
    )


def densenet169(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    growth: int = 32,
    width: int | None = None,
    dropout: float = 0.0,
) -> DenseNet:
    """DenseNet-169; see DenseNet."""
    return DenseNet(
        (6, 12, 32, 32),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        growth=growth,
        width=width,
        dropout=dropout,
    )


def densenet201(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    growth: int = 32,
    width: int | None = None,
    dropout: float = 0.0,
) -> DenseNet:
    """DenseNet-201; see DenseNet."""
    return DenseNet(
        (6, 12, 48, 32),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        growth=growth,
        width=width,
        dropout=dropout,
    )


def densenet264(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    growth: int = 32,
    width: int | None = None,
    dropout: float = 0.0,
) -> DenseNet:
    """DenseNet-264; see DenseNet."""
    return DenseNet(
        (6, 12, 64, 48),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        growth=growth,
        width=width,
        dropout=dropout,
    )
