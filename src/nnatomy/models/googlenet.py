"""GoogLeNet: inception modules, and auxiliary heads that help to train it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.image_network import (
    Stem,
    check_dropout,
    check_sizes,
    check_stem,
    is_sketch,
    require_side,
    scaled,
)
from nnatomy.types import Answers

MODULES: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Table 1 of the paper: filters "1×1", "3×3 reduce", "3×3", "5×5 reduce", "5×5", "pool proj"."""

_HEADS_AFTER, _HEAD_GRID = ("4a", "4d"), 4
_SPREAD = 0.01
"""Standard deviation of the weights at the start, with batch normalization."""
_LEAST_SIDE = {
    ("imagenet", True): 15,
    ("imagenet", False): 31,
    ("small", True): 4,
    ("small", False): 8,
}


def has_room_for_heads(side: int, stem: Stem) -> bool:
    """Whether the maps that the auxiliary heads read are 4×4 or larger.

    Args:
        side: The shorter one of the images.
        stem: The network's stem.
    """
    halved = side if stem == "small" else (side + 1) // 2  # the first filters round up
    return halved // (4 if stem == "small" else 8) >= _HEAD_GRID


class FilterBank(nn.Sequential):
    """Convolution, batch normalization where there is any, ReLU.

    Args:
        inputs: Maps that come in.
        outputs: Filters.
        kernel: Their side; odd. At stride 1 the side of the maps is kept.
        stride: Step of the filters.
        batch_norm: Normalize the maps (with ε = 0.001); without it filters have biases.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int = 1, batch_norm: bool
    ) -> None:
        convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, bias=not batch_norm
        )
        parts: OrderedDict[str, nn.Module] = OrderedDict(conv=convolution)
        if batch_norm:
            parts["bn"] = norm = nn.BatchNorm2d(outputs, eps=0.001)
            norm.get_buffer("running_var").fill_(inputs * kernel**2 * _SPREAD**2 / 2)
        parts["relu"] = nn.ReLU(inplace=True)
        super().__init__(parts)


class Inception(nn.Module):
    """Filters of several sizes side by side, the larger ones on maps reduced by 1×1 filters.

    Source: Szegedy et al. 2015 (arXiv 1409.4842), figure 2b.

    Args:
        inputs: Maps that come in.
        filters: Six numbers in the order of MODULES.
        wide: Side of the filters of the third branch: 5 in the paper.
        batch_norm: See FilterBank.

    Shape: (B, inputs, H, W) -> (B, "1×1" + "3×3" + "5×5" + "pool proj", H, W).
    """

    def __init__(self, inputs: int, filters: Sequence[int], *, wide: int, batch_norm: bool) -> None:
        super().__init__()
        ones, reduce3, threes, reduce5, fives, projected = filters

        def bank(maps: int, outputs: int, kernel: int) -> FilterBank:
            return FilterBank(maps, outputs, kernel=kernel, batch_norm=batch_norm)

        self.branch1 = bank(inputs, ones, 1)
        self.branch2 = nn.Sequential(bank(inputs, reduce3, 1), bank(reduce3, threes, 3))
        self.branch3 = nn.Sequential(bank(inputs, reduce5, 1), bank(reduce5, fives, wide))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), bank(inputs, projected, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """The maps of the four branches, one after the other."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(maps) for branch in branches], 1)


class AuxiliaryHead(nn.Module):
    """A small classifier on the maps of an intermediate layer.

    Source: Szegedy et al. 2015 (arXiv 1409.4842), section 5. There the maps, 14×14, are pooled by
    5×5 windows with stride 3; here, as in torchvision, any maps are averaged down to 4×4.

    Args:
        inputs: Maps that come in.
        num_classes: Number of output units K.
        width: Width of the network, 64 as published, when there are 128 filters and 1024 units.
        dropout: Probability of silencing one of these units in training.
        batch_norm: See FilterBank.

    Shape: (B, inputs, h, w) -> (B, K).
    """

    def __init__(
        self, inputs: int, num_classes: int, *, width: int, dropout: float, batch_norm: bool
    ) -> None:
        super().__init__()
        filters, units = scaled(128, width), scaled(1024, width)
        self.pool = nn.AdaptiveAvgPool2d(_HEAD_GRID)
        self.conv = FilterBank(inputs, filters, kernel=1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(filters * _HEAD_GRID**2, units)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(units, num_classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        hidden = self.relu(self.fc1(self.conv(self.pool(maps)).flatten(1)))
        outputs: Tensor = self.fc2(self.dropout(hidden))
        return outputs


class GoogLeNet(nn.Module):
    """A stem, nine inception modules, the mean of each map, one dense layer.

    Source: Szegedy et al. 2015, Going deeper with convolutions (arXiv 1409.4842), table 1 and
    figure 3. There are two forms:

    - batch_norm=True, torchvision's: every convolution is normalized, the third branch has 3×3
      filters where the paper has 5×5, the last max pooling has 2×2 windows, and all weights start
      from N(0, 0.01²) cut off at ±2. Running variances start at what such weights give, n_in
      0.01²/2 for rectified inputs, and not at 1, which would hide in evaluation what the first
      hundred steps have learned.
    - batch_norm=False, the paper's: biases, 5×5 filters, response normalization after the first
      pooling and before the second, 3×3 windows. The weights start from U(±sqrt(3/n_in)) and the
      filters' biases at 0.2, as in Caffe's network of that name.

    In training the network answers with `Answers`: its outputs and those of the auxiliary heads,
    which nothing else uses. With the small stem the first filters are 3×3 of stride 1 and the
    first pooling is left out.

    Args:
        num_classes: Number of output units K.
        in_channels: Channels C of the images.
        stem: See nnatomy.models.image_network.
        batch_norm: Which of the two forms.
        wide: Side of the filters of the third branch; None: 3 with batch normalization, else 5.
        auxiliary: Whether there are auxiliary heads.
        width: Filters of the first convolution; all others are in proportion.
        dropout: Probability of silencing a pooled map in training.
        auxiliary_dropout: The same for the hidden units of the auxiliary heads.

    Shape: (B, C, H, W) -> (B, K); features (B, 16 width, H/32, W/32), with the small stem H/8,
        W/8.

    Raises:
        SettingError: A width is below 1, `wide` is even, a probability is outside [0, 1), the
            stem is unknown; in `forward`, the images are too small.

    Example:
        network = GoogLeNet(10, stem="small", width=16)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        stem: Stem = "imagenet",
        batch_norm: bool = True,
        wide: int | None = None,
        auxiliary: bool = True,
        width: int = 64,
        dropout: float = 0.2,
        auxiliary_dropout: float = 0.7,
    ) -> None:
        super().__init__()
        check_stem(stem)
        wide = (3 if batch_norm else 5) if wide is None else wide
        check_sizes({"num_classes": num_classes, "in_channels": in_channels, "width": width})
        check_dropout("dropout", dropout)
        check_dropout("auxiliary_dropout", auxiliary_dropout)
        if wide < 1 or wide % 2 == 0:
            raise SettingError(f"wide must be odd and positive, got {wide}")
        self.stem = stem
        self.least_side = _LEAST_SIDE[stem, batch_norm]
        self.features = nn.Sequential(_stem(in_channels, width, stem, batch_norm))
        self.auxiliary = nn.ModuleDict()
        maps = scaled(192, width)
        for name, filters in MODULES.items():
            if name in ("4a", "5a"):
                self.features.add_module(f"maxpool{int(name[0]) - 1}", _pool(name, batch_norm))
            narrow = [scaled(f, width) for f in filters]
            module = Inception(maps, narrow, wide=wide, batch_norm=batch_norm)
            self.features.add_module(f"inception{name}", module)
            maps = narrow[0] + narrow[2] + narrow[4] + narrow[5]
            if auxiliary and name in _HEADS_AFTER:
                self.auxiliary[f"inception{name}"] = AuxiliaryHead(
                    maps,
                    num_classes,
                    width=width,
                    dropout=auxiliary_dropout,
                    batch_norm=batch_norm,
                )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(maps, num_classes))
        self._initialize(batch_norm)

    def _initialize(self, batch_norm: bool) -> None:
        if is_sketch(self):
            return
        for module in self.modules():
            if not isinstance(module, nn.Conv2d | nn.Linear):
                continue
            if batch_norm:
                nn.init.trunc_normal_(module.weight, 0.0, _SPREAD, -2.0, 2.0)
                continue
            bound = (3.0 / module.weight[0].numel()) ** 0.5
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.2 if isinstance(module, nn.Conv2d) else 0.0)

    def forward(self, images: Tensor) -> Tensor | Answers:
        """Pre-activations of the output units; in training also of the auxiliary heads."""
        require_side(images, self.least_side, "GoogLeNet", self.stem)
        if not (self.training and self.auxiliary):
            return self._answer(self.features(images))
        maps, asides = images, []
        for name, layer in self.features.named_children():
            maps = layer(maps)
            if name in self.auxiliary:
                asides.append(self.auxiliary[name](maps))
        return Answers(self._answer(maps), tuple(asides))

    def _answer(self, maps: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.pool(maps).flatten(1))
        return outputs


def _stem(
    in_channels: int, width: int, stem: Stem, batch_norm: bool
) -> OrderedDict[str, nn.Module]:
    small = stem == "small"
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=FilterBank(
            in_channels,
            width,
            kernel=3 if small else 7,
            stride=1 if small else 2,
            batch_norm=batch_norm,
        )
    )
    if not small:
        parts["maxpool1"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    if not batch_norm:
        parts["norm1"] = nn.LocalResponseNorm(5)
    parts["conv2"] = FilterBank(width, width, kernel=1, batch_norm=batch_norm)
    parts["conv3"] = FilterBank(width, scaled(192, width), kernel=3, batch_norm=batch_norm)
    if not batch_norm:
        parts["norm2"] = nn.LocalResponseNorm(5)
    parts["maxpool2"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    return parts


def _pool(before: str, batch_norm: bool) -> nn.MaxPool2d:
    """3×3 windows, but 2×2 before module 5a in torchvision's form."""
    window = 2 if batch_norm and before == "5a" else 3
    return nn.MaxPool2d(window, stride=2, ceil_mode=True)
