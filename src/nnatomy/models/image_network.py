"""What the networks for images share: stems, the least image, He's initialization by fan-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from torch import Tensor, fx, nn

from nnatomy.errors import SettingError, nearest

Stem = Literal["imagenet", "small"]
"""The first layers: "imagenet", as published for 224×224, which takes a quarter of the side before
the first block; "small", for images up to 64×64, which keeps the side."""

SMALL_SIDE = 64
"""The largest side for which the small stem is chosen."""


def stem_for(input_shape: tuple[int, ...]) -> Stem:
    """The stem that suits images of this shape: by their shorter side.

    >>> stem_for((3, 32, 32)), stem_for((3, 224, 224))
    ('small', 'imagenet')
    """
    return "small" if min(input_shape[1:]) <= SMALL_SIDE else "imagenet"


def check_stem(stem: str) -> None:
    """Refuse an unknown stem.

    Raises:
        SettingError: The name is unknown.
    """
    if stem not in get_args(Stem):
        raise SettingError(f"stem '{stem}' is unknown: {nearest(stem, get_args(Stem))}")


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse numbers of filters, units or maps below 1.

    Args:
        sizes: Each under the name of its setting.

    Raises:
        SettingError: Names the setting.
    """
    for name, size in sizes.items():
        if size < 1:
            raise SettingError(f"{name} must be at least 1, got {size}")


def check_dropout(name: str, probability: float) -> None:
    """Refuse a probability of silencing that is outside [0, 1).

    Raises:
        SettingError: Names the setting.
    """
    if not 0.0 <= probability < 1.0:
        raise SettingError(f"{name} must be at least 0 and below 1, got {probability}")


def scaled(filters: int, width: int) -> int:
    """A published number of filters in a network whose first width is `width` instead of 64.

    >>> scaled(192, 64), scaled(192, 8), scaled(16, 1)
    (192, 24, 1)
    """
    return max(1, round(filters * width / 64))


def require_side(images: Tensor, least: int, network: str, stem: str) -> None:
    """Refuse images whose maps would shrink to nothing.

    Args:
        images: (B, C, H, W).
        least: The smallest side that reaches the last layer.
        network: Name for the message.
        stem: The network's stem.

    Raises:
        SettingError: The shorter side is below `least`.
    """
    _require_side(images, least, network, stem)


def _require_side(images: Tensor, least: int, network: str, stem: str) -> None:
    height, width = images.shape[-2:]
    if height < least or width < least:
        raise SettingError(too_small(height, width, least, network, stem))


# One step for those who trace networks, where sizes are not known. It has to be called from here:
# fx replaces names of this module only.
fx.wrap("_require_side")


def too_small(height: int, width: int, least: int, network: str, stem: str) -> str:
    """What is wrong with an image of this size, and the way out."""
    way_out = "enlarge the images"
    if stem == "imagenet":
        way_out += ", or take stem='small', which is made for sides up to 64"
    return (
        f"images of {height}×{width} are too small for {network} with the {stem} stem, which "
        f"needs {least}×{least} or more: {way_out}"
    )


def is_sketch(network: nn.Module) -> bool:
    """Whether the parameters have sizes only (device "meta"), so that there is nothing to draw.

    Drawing from a normal distribution there would import torch's compiler, for two seconds.
    """
    return any(parameter.is_meta for parameter in network.parameters())


def initialize_by_fan_out(network: nn.Module) -> None:
    """Filters ~ N(0, 2 / n_out) with n_out = filters × kernel area; their biases 0.

    Keeps the variance of the gradient from layer to layer. Source: He et al. 2015, Delving deep
    into rectifiers (arXiv 1502.01852), equation 14; torchvision's start of VGG and ResNet.

    Args:
        network: Its convolutions are drawn anew, in place.
    """
    if is_sketch(network):
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
