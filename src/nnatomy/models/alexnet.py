"""AlexNet."""

from __future__ import annotations

from torch import Tensor, nn

from nnatomy.models.image_network import (
    Stem,
    check_dropout,
    check_sizes,
    check_stem,
    require_side,
    scaled,
)

_GRID = {"imagenet": 6, "small": 4}
_HIDDEN = {"imagenet": 4096, "small": 512}


class AlexNet(nn.Module):
    """Five convolutions, the first with 11×11 filters, overlapping max pooling, three dense layers.

    Source: Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks
    (arXiv 1404.5997), footnote 1, the form that torchvision has: the network of Krizhevsky,
    Sutskever and Hinton 2012 in one column, with 64 instead of 96 first filters and without
    response normalization. With the small stem the first filters are 3×3 of stride 1 and the
    poolings pad, so that 32×32 reaches the dense layers, 512 wide, as 4×4.

    Args:
        num_classes: Number of output units K.
        in_channels: Channels C of the images.
        stem: See nnatomy.models.image_network.
        width: Filters of the first convolution; the others are in proportion.
        hidden: Width of the two hidden dense layers; None: 4096, 512 with the small stem.
        dropout: Probability of silencing an input of the two hidden layers in training.

    Shape: (B, C, H, W) -> (B, K); features (B, 4 width, about H/32, W/32), with the small stem
        H/8, W/8; pooled to 6×6, with the small stem to 4×4.

    Raises:
        SettingError: A width is below 1, dropout is outside [0, 1), the stem is unknown; in
            `forward`, the images are smaller than 63×63 and the stem is not the small one.

    Example:
        network = AlexNet(10, stem="small", width=16)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        stem: Stem = "imagenet",
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
        small, grid = stem == "small", _GRID[stem]
        self.stem, self.least_side = stem, 1 if small else 63
        first, second, third, fourth = (scaled(f, width) for f in (64, 192, 384, 256))
        padding = 1 if small else 0
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first, 3, padding=1)
            if small
            else nn.Conv2d(in_channels, first, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=padding),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=padding),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fourth, fourth, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=padding),
        )
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(fourth * grid * grid, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        require_side(images, self.least_side, "AlexNet", self.stem)
        maps = self.pool(self.features(images))  # B 4w g g
        outputs: Tensor = self.head(maps.flatten(1))
        return outputs
