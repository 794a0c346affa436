"""The networks of Oxford's Visual Geometry Group."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.image_network import (
    Stem,
    check_dropout,
    check_sizes,
    check_stem,
    initialize_by_fan_out,
    is_sketch,
    require_side,
)

DEPTHS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),  # column A of table 1
    13: (2, 2, 2, 2, 2),  # B
    16: (2, 2, 3, 3, 3),  # D
    19: (2, 2, 4, 4, 4),  # E
}
"""Convolutions before each pooling, by the number of layers with weights."""
_DOUBLINGS = (0, 1, 2, 3, 3)
_HIDDEN = {"imagenet": 4096, "small": 512}


def stage(inputs: int, outputs: int, depth: int, *, batch_norm: bool) -> list[nn.Module]:
    """3×3 convolutions of stride 1 that keep the side, each with its ReLU.

    Two in a row see 5×5, three 7×7, with fewer weights than one such filter (2.3 of the paper).
    """
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
        inputs = outputs
    return layers


class VGG(nn.Module):
    """Five stages of 3×3 convolutions, each halved by 2×2 max pooling, then three dense layers.

    Source: Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image
    recognition (arXiv 1409.1556), table 1. Batch normalization came later (Ioffe and Szegedy
    2015), and the start of the weights is He's, as in torchvision. With the small stem, after Liu
    and Deng 2015 (Very deep convolutional neural network based image classification using small
    training sample size), the dense layers are 512 wide; the last of the five poolings is a mean
    over the map, and odd sides are halved rounding up, so that 28×28 works.

    Args:
        depths: Convolutions of each of the five stages.
        num_classes: Number of output units K.
        in_channels: Channels C of the images.
        stem: See nnatomy.models.image_network.
        batch_norm: Whether each convolution is normalized.
        width: Maps of the first stage; 64 as published.
        hidden: Width of the two hidden dense layers; None: 4096, 512 with the small stem.
        dropout: Probability of silencing a hidden unit in training.

    Shape: (B, C, H, W) -> (B, K); features (B, 8 width, H/32, W/32), with the small stem H/16,
        W/16; pooled to 7×7, with the small stem to 1×1.

    Raises:
        SettingError: There are not five depths of at least 1, a width is below 1, dropout is
            outside [0, 1), the stem is unknown; in `forward`, the images are smaller than 32×32
            and the stem is not the small one.

    Example:
        network = VGG(DEPTHS[11], num_classes=10, stem="small", width=16)
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Stem = "imagenet",
        batch_norm: bool = False,
        width: int = 64,
        hidden: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_stem(stem)
        hidden = _HIDDEN[stem] if hidden is None else hidden
        check_sizes(
            {
                "num_classes": num_classes,
                "in_channels": in_channels,
                "width": width,
                "hidden": hidden,
            }
        )
        check_dropout("dropout", dropout)
        if len(depths) != len(_DOUBLINGS) or min(depths) < 1:
            raise SettingError(f"depths must be five numbers of at least 1, got {depths}")
        small = stem == "small"
        self.stem, self.least_side = stem, 1 if small else 32
        layers: list[nn.Module] = []
        maps = in_channels
        for depth, doublings in zip(depths, _DOUBLINGS, strict=True):
            layers += stage(maps, width * 2**doublings, depth, batch_norm=batch_norm)
            layers.append(nn.MaxPool2d(2, ceil_mode=small))
            maps = width * 2**doublings
        grid = 1 if small else 7
        self.features = nn.Sequential(*(layers[:-1] if small else layers))
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.head = nn.Sequential(
            nn.Linear(maps * grid * grid, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self._initialize()

    def _initialize(self) -> None:
        initialize_by_fan_out(self.features)
        if is_sketch(self):
            return
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        require_side(images, self.least_side, "VGG", self.stem)
        maps = self.pool(self.features(images))  # B 8w g g
        outputs: Tensor = self.head(maps.flatten(1))
        return outputs


def vgg11(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-11; see VGG."""
    return VGG(
        DEPTHS[11],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg11_bn(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-11 with batch normalization; see VGG."""
    return VGG(
        DEPTHS[11],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        batch_norm=True,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg13(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-13; see VGG."""
    return VGG(
        DEPTHS[13],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg13_bn(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-13 with batch normalization; see VGG."""
    return VGG(
        DEPTHS[13],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        batch_norm=True,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg16(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-16; see VGG."""
    return VGG(
        DEPTHS[16],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg16_bn(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-16 with batch normalization; see VGG."""
    return VGG(
        DEPTHS[16],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        batch_norm=True,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg19(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-19; see VGG."""
    return VGG(
        DEPTHS[19],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def vgg19_bn(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    stem: Stem = "imagenet",
    width: int = 64,
    hidden: int | None = None,
    dropout: float = 0.5,
) -> VGG:
    """VGG-19 with batch normalization; see VGG."""
    return VGG(
        DEPTHS[19],
        num_classes=num_classes,
        in_channels=in_channels,
        stem=stem,
        batch_norm=True,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )
