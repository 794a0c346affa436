"""Residual networks and their plain twins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from nnatomy.models.image_network import (
    Stem,
    check_sizes,
    check_stem,
    initialize_by_fan_out,
)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the side (at stride 1); batch normalization brings the bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """x itself where the shapes agree, else a 1×1 projection: option B of the paper, 3.3.

    A 1×1 convolution with a stride looks at every second pixel only. These are taken out before
    it: the same numbers, and no strided 1×1 convolution, in whose backward pass PyTorch's CPU
    kernels for channels-last maps write where they must not (seen in 2.13 with few channels).
    """
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    parts: list[tuple[str, nn.Module]] = [("sample", nn.AvgPool2d(1, stride))] if stride > 1 else []
    parts += [("0", _convolution(inputs, outputs, 1)), ("1", nn.BatchNorm2d(outputs))]
    return nn.Sequential(OrderedDict(parts))


class BasicBlock(nn.Module):
    """y = relu(F(x) + x) with F: 3×3 convolution, ReLU, 3×3 convolution, each normalized.

    Source: He et al. 2016 (arXiv 1512.03385), figure 2 and equations 1 and 2.

    Args:
        inputs: Maps that come in.
        width: Maps that go out.
        stride: Of the first convolution.
        skip: Whether x is added; a plain block computes relu(F(x)).

    Shape: (B, inputs, H, W) -> (B, width, ceil(H / stride), ceil(W / stride)).
    """

    expansion = 1

    def __init__(self, inputs: int, width: int, *, stride: int = 1, skip: bool = True) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride) if skip else None
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps after the block."""
        change = self.relu1(self.bn1(self.conv1(maps)))
        change = self.bn2(self.conv2(change))
        if self.downsample is not None:
            change = change + self.downsample(maps)
        outputs: Tensor = self.relu2(change)
        return outputs


class Bottleneck(nn.Module):
    """y = relu(F(x) + x) with F: 1×1 to `width` maps, 3×3, 1×1 to four times as many.

    Source: He et al. 2016 (arXiv 1512.03385), figure 5. The stride is in the 3×3 convolution, as
    in torchvision, where the paper has it in the first 1×1.

    Args:
        inputs: Maps that come in.
        width: Maps of the 3×3 convolution.
        stride: Of the 3×3 convolution.
        skip: Whether x is added.

    Shape: (B, inputs, H, W) -> (B, 4 width, ceil(H / stride), ceil(W / stride)).
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, *, stride: int = 1, skip: bool = True) -> None:
        super().__init__()
        outputs = self.expansion * width
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = _convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride) if skip else None
        self.relu3 = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps after the block."""
        change = self.relu1(self.bn1(self.conv1(maps)))
        change = self.relu2(self.bn2(self.conv2(change)))
        change = self.bn3(self.conv3(change))
        if self.downsample is not None:
            change = change + self.downsample(maps)
        outputs: Tensor = self.relu3(change)
        return outputs


class ResNet(nn.Module):
    """A stem, four groups of residual blocks, the mean of each map, one dense layer.

    The side halves and the width doubles from group to group; there is no hidden dense layer.
    Source: He et al. 2016, Deep residual learning for image recognition (arXiv 1512.03385),
    table 1. The small stem is the one of its CIFAR networks (4.2): 3×3, stride 1, no pooling.

    Args:
        block: BasicBlock or Bottleneck.
        depths: Blocks in each group.
        num_classes: Number of output units K.
        in_channels: Channels C of the images.
        stem: See nnatomy.models.image_network.
        width: Maps of the first group; 64 as published.
        skip: False gives the plain network of the same depth and width, which has no shortcuts.

    Shape: (B, C, H, W) -> (B, K) for any H and W; features (B, 8 width · expansion, H/32, W/32),
        with the small stem H/8, W/8.

    Raises:
        SettingError: A width is below 1, the stem is unknown.

    Example:
        network = ResNet(BasicBlock, (2, 2, 2, 2), num_classes=10, stem="small", width=16)
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Stem = "imagenet",
        width: int = 64,
        skip: bool = True,
    ) -> None:
        super().__init__()
        check_stem(stem)
        check_sizes({"num_classes": num_classes, "in_channels": in_channels, "width": width})
        self.features = nn.Sequential(_stem(in_channels, width, stem))
        maps = width
        for group, depth in enumerate(depths):
            blocks = []
            for position in range(depth):
                stride = 2 if group > 0 and position == 0 else 1
                blocks.append(block(maps, width * 2**group, stride=stride, skip=skip))
                maps = width * 2**group * block.expansion
            self.features.add_module(f"layer{group + 1}", nn.Sequential(*blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(maps, num_classes)
        initialize_by_fan_out(self)

    def forward(self, images: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        maps = self.pool(self.features(images))  # B C 1 1
        outputs: Tensor = self.head(maps.flatten(1))
        return outputs


def _stem(in_channels: int, width: int, stem: Stem) -> OrderedDict[str, nn.Module]:
    small = stem == "small"
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=_convolution(in_channels, width, 3 if small else 7, 1 if small else 2),
        bn1=nn.BatchNorm2d(width),
        relu=nn.ReLU(inplace=True),
    )
    if not small:
        parts["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return parts


def resnet18(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-18 (two convolutions a block); see ResNet."""
    return ResNet(
        BasicBlock,
        (2, 2, 2, 2),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
    )


def resnet34(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-34 (two convolutions a block); see ResNet."""
    return ResNet(
        BasicBlock,
        (3, 4, 6, 3),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
    )


def resnet50(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-50 (three convolutions a block); see ResNet."""
    return ResNet(
        Bottleneck,
        (3, 4, 6, 3),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
    )


def resnet101(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-101 (three convolutions a block); see ResNet."""
    return ResNet(
        Bottleneck,
        (3, 4, 23, 3),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
    )


def resnet152(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-152 (three convolutions a block); see ResNet."""
    return ResNet(
        Bottleneck,
        (3, 8, 36, 3),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
    )


def plain18(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-18 without its shortcuts: the plain network it was compared with (figure 4)."""
    return ResNet(
        BasicBlock,
        (2, 2, 2, 2),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        skip=False,
    )


def plain34(
    num_classes: int = 1000, in_channels: int = 3, *, stem: Stem = "imagenet", width: int = 64
) -> ResNet:
    """ResNet-34 without its shortcuts: the plain network it was compared with (figure 4)."""
    return ResNet(
        BasicBlock,
        (3, 4, 6, 3),
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        skip=False,
    )
