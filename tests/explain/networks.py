"""Networks that are explained: with the shared names, with none, with every kind of head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from families import NARROW
from nnatomy.models.catalog import build_network
from nnatomy.nn.initialization import initialize

CLASSES = 4


def stage(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Pooled(nn.Module):
    """The shared parts; global average pooling, dropout, a linear head."""

    def __init__(self, width: int = 8, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            stage(channels, width),
            nn.MaxPool2d(2),
            stage(width, 2 * width),
            nn.MaxPool2d(2),
            stage(2 * width, 2 * width),
            stage(2 * width, 2 * width),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(2 * width, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.features(images)))


class Certain(Pooled):
    """It gives probabilities, not scores."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(1)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x))
        y += self.downsample(x)
        return self.relu(y)


class TheirResNet(nn.Module):
    """torchvision's names: conv1 … layer2, avgpool, fc."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.layer1, self.layer2 = Block(8, 12), Block(12, 16)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class TheirDenseNet(nn.Module):
    """features and classifier, with the last ReLU and the pooling outside of any module."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.inplace = inplace
        self.features = nn.Sequential(stage(3, 8, 2), nn.Conv2d(8, 12, 1), nn.BatchNorm2d(12))
        self.classifier = nn.Linear(12, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.features(x), inplace=self.inplace)
        return functional.log_softmax(self.classifier(x.mean((2, 3))), dim=1)


class ClassMaps(nn.Module):
    """One map a class, averaged: no dense layer at all (Lin et al. 2013)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            stage(3, 8, 2), nn.Conv2d(8, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Flattened(nn.Module):
    """A head of two dense layers on flattened maps, with the shared names."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(stage(3, 8, 2), stage(8, 8, 2))
        self.pool = nn.Identity()
        self.head = nn.Sequential(
            nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.Linear(16, 4)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.features(images)))


class TheirVgg(nn.Module):
    """features, avgpool, classifier: pooled to 2×2, then dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(stage(3, 8, 2), stage(8, 8, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(32, 16), nn.ReLU(True), nn.Linear(16, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))


LINEAR = {
    "parts": Pooled,
    "parts, softmax": Certain,
    "resnet's names": TheirResNet,
    "densenet's names, in place": TheirDenseNet,
    "densenet's names": lambda: TheirDenseNet(inplace=False),
    "class maps": ClassMaps,
}
OTHERS = {"parts, flattened": Flattened, "vgg's names": TheirVgg}
IMAGE_NETWORKS = ["lenet", *NARROW]
SIDE = 32


def images(count: int = 3, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, SIDE, SIDE, generator=generator)


def ready(network: nn.Module, channels: int = 3) -> nn.Module:
    """Statistics of normalizations and biases away from their neutral values."""
    generator = torch.Generator().manual_seed(1)
    network.eval()(images(2, channels))  # lazy layers get their sizes
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                tensor.data.uniform_(-0.3, 0.3, generator=generator)
            for tensor in (module.running_var, module.weight):
                tensor.data.uniform_(0.7, 1.4, generator=generator)
        elif isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.data.uniform_(-1, 1, generator=generator)
    return network


def made(name: str) -> nn.Module:
    """A network of this file, or of the catalog."""
    torch.manual_seed(0)
    own = {**LINEAR, **OTHERS}
    if name in own:
        return ready(own[name]())
    network = build_network(name, (3, SIDE, SIDE), CLASSES, NARROW.get(name, {}))
    if name in NARROW:  # their published starts leave the maps of a narrow network constant
        initialize(network, "he_normal")
    return ready(network)
