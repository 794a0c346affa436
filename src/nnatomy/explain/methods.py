"""The ways to explain an image, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nnatomy.errors import SettingError, nearest
from nnatomy.explain.anatomy import NoMapsError
from nnatomy.explain.class_activation import cam
from nnatomy.explain.covering import occlusion
from nnatomy.explain.explanation import Explanation


def grad_cam(network: nn.Module, images: Tensor, target: Any = None) -> Explanation:
    """`cam` by gradients whatever the head; for a linear one it is the exact map over h w."""
    return cam(network, images, target, method="grad-cam")


def _exact(network: nn.Module, images: Tensor, target: Any = None) -> Explanation:
    return cam(network, images, target, method="cam")


def _fitting(network: nn.Module, images: Tensor, target: Any = None) -> Explanation:
    try:
        return cam(network, images, target)
    except NoMapsError:
        return occlusion(network, images, target)


METHODS: dict[str, Callable[..., Explanation]] = {
    "auto": _fitting,
    "cam": _exact,
    "grad-cam": grad_cam,
    "occlusion": occlusion,
}


def explain(
    network: nn.Module, images: Tensor, target: Any = None, *, method: str = "auto"
) -> Explanation:
    """Explain images by the method of this name.

    Args:
        network: Any module from images to class scores.
        images: (N, C, H, W), normalized as the network takes them.
        target: Output to explain, one for all or one for each image; the highest one by default.
        method: "auto" is exact CAM where the head is linear after global pooling, Grad-CAM where
            it is not, and occlusion for networks without maps.

    Raises:
        DataError: The images are no batch that the network can take.
        SettingError: Method or output do not exist, or the method does not fit the network.
    """
    if method not in METHODS:
        raise SettingError(f"method '{method}' is unknown: {nearest(method, METHODS)}")
    return METHODS[method](network, images, target)
