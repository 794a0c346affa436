"""A network of ResNet-18's shape for 32×32 images, width 32: the subject of a benchmark.

Written as torchvision writes it, with activations and sums in place.
"""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016, arXiv 1512.03385, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(maps)))
        outer = self.bn2(self.conv2(inner))
        outer += self.shortcut(maps)
        return self.relu(outer)


class SmallResNet(nn.Module):
    """Stem, four stages of two blocks, global average pooling, linear head."""

    def __init__(self, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        stages = []
        inputs = width
        for number in range(4):
            outputs = width * 2**number
            stages += [Block(inputs, outputs, 1 if number == 0 else 2), Block(outputs, outputs, 1)]
            inputs = outputs
        self.features = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.features(self.stem(images)))
        return self.head(maps.flatten(1))
