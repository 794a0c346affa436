"""Class activation maps: exact for a linear head, by gradients for any other."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nnatomy.errors import SettingError, nearest
from nnatomy.explain.anatomy import LinearHead, Pass, linear_head, open_pass
from nnatomy.explain.curves import Judge
from nnatomy.explain.explanation import Explanation
from nnatomy.explain.undisturbed import (
    chosen_targets,
    plain_network,
    prepared_images,
    undisturbed,
)

Way = Literal["auto", "cam", "grad-cam"]
_WAYS = ("auto", "cam", "grad-cam")


def cam(
    network: nn.Module, images: Tensor, target: Any = None, *, method: Way = "auto"
) -> Explanation:
    """Map where a network sees a class; no layer has to be named.

    Where the head is linear after global average pooling, exactly (Zhou et al. 2016, Learning
    deep features for discriminative localization, arXiv 1512.04150, equations 1 and 2):

        S_c = Σ_k w_k^c mean(f_k) + b_c;  M_c(x, y) = Σ_k w_k^c f_k(x, y)

    so that mean(M_c) + b_c = S_c. (The paper sums where networks average; M_c is the same.)
    Otherwise Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2):

        α_k = mean(∂S_c/∂A^k);  L_c = ReLU(Σ_k α_k A^k)

    of which the signed sum is kept, see `Explanation.positive`. For a linear head the sum is
    M_c / (h w). The maps are the last ones, of which enough remains to see a place; see
    `nnatomy.explain.anatomy`. One forward pass, and a backward pass through the head for Grad-CAM.
    The network is evaluated, not changed: modes, gradients, hooks and random generators are as
    before.

    Args:
        network: Any module from images to class scores.
        images: Normalized as the network takes them.
        target: Output to explain, one for all or one for each image; the highest one by default.
        method: "cam" or "grad-cam" to have no other.

    Shape: images (N, C, H, W) -> values (N, H, W), maps (N, h, w).

    Raises:
        DataError: The images are no batch that the network can take.
        SettingError: There is no such output, the network has no maps, or exact CAM was asked for
            where the head is not linear.

    Example:
        >>> from nnatomy.models import lenet
        >>> found = cam(lenet((1, 28, 28), 10), torch.rand(2, 1, 28, 28), target=3)
        >>> found.method, found.values.shape
        ('grad-cam', torch.Size([2, 28, 28]))
    """
    if method not in _WAYS:
        raise SettingError(f"method '{method}' is unknown: {nearest(str(method), _WAYS)}")
    network = plain_network(network)
    images = prepared_images(network, images)
    with undisturbed(network):
        passed = open_pass(network, images)
        targets = chosen_targets(passed.outputs, target)
        head = None if method == "grad-cam" else linear_head(passed)
        if head is None and method == "cam":
            raise SettingError(
                f"the head of {type(network).__name__} is not linear after global average pooling: "
                "method 'grad-cam' has no such need, 'auto' finds what fits"
            )
        maps = _gradient_maps(passed, targets) if head is None else _exact_maps(head, targets)
    enlarge = partial(enlarged, size=(images.shape[2], images.shape[3]))
    return Explanation(
        values=enlarge(maps),
        maps=maps,
        target=targets,
        method="grad-cam" if head is None else "cam",
        scores=(passed.outputs if head is None else head.scores).detach(),
        bias=None if head is None else head.biases[targets],
        judge=Judge(network, images, enlarge),
    )


def _exact_maps(head: LinearHead, targets: Tensor) -> Tensor:
    """M_c = Σ_k w_k^c f_k, (N, h, w)."""
    return _weighted(head.weights[targets], head.maps)


def _gradient_maps(passed: Pass, targets: Tensor) -> Tensor:
    """Σ_k α_k A^k with α_k the mean of ∂S_c/∂A^k, (N, h, w)."""
    with torch.enable_grad():
        chosen = passed.outputs.gather(1, targets[:, None]).sum()
    slope = None
    if chosen.requires_grad:
        (slope,) = torch.autograd.grad(chosen, passed.leaf, allow_unused=True)
    if slope is None:
        raise SettingError(
            "no gradient reaches the network's last maps: use nnatomy.explain.occlusion "
            "(--method occlusion)"
        )
    return _weighted(slope.mean((2, 3)), passed.leaf.detach())


def _weighted(weights: Tensor, maps: Tensor) -> Tensor:
    if maps.dtype in (torch.float16, torch.bfloat16):
        weights, maps = weights.float(), maps.float()
    return torch.einsum("nk,nkhw->nhw", weights, maps)


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, h, w) at the size of the images, bilinearly."""
    return interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
