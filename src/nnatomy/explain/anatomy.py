"""The last maps of a network and its linear head, found without being named."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.explain.undisturbed import called

_AVERAGING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d)
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 3e-4}
_COARSE = 3e-2


class NoMapsError(SettingError):
    """A network without maps: nothing in it has rows and columns."""


@dataclass(frozen=True)
class LastLinear:
    """The dense layer that was called last, with what it was fed and what it gave.

    Shape: fed (N, C), gave (N, K).
    """

    layer: nn.Linear
    fed: Tensor
    gave: Tensor


@dataclass(frozen=True)
class Pass:
    """One forward pass, opened at the last maps: from there on the graph is recorded.

    Args:
        outputs: (N, K).
        leaf: (N, C, h, w) the maps as they left their module; gradients are taken by them.
        maps: (N, C, h, w) the same after what was done to them in place.
        linear: The last dense layer, or None.
    """

    outputs: Tensor
    leaf: Tensor
    maps: Tensor
    linear: LastLinear | None


@dataclass(frozen=True)
class LinearHead:
    """Global average pooling and a dense layer: S_c = Σ_k w_k^c mean(f_k) + b^c.

    Shape: maps (N, C, h, w), weights (K, C), biases (K,), scores (N, K).
    """

    maps: Tensor
    weights: Tensor
    biases: Tensor
    scores: Tensor


def last_maps(network: nn.Module, images: Tensor) -> nn.Module:
    """The module that gives the last maps before the head.

    It is the part `features` of networks that have the parts `features` and `head`. Of others it is
    seen in a pass of one image: the last module whose output has four axes and more than one
    place, average poolings left aside. Maps that a network's own forward puts together outside
    any module are not seen; their last branch stands for them, and is never taken for exact CAM.

    Raises:
        NoMapsError: No module gives maps.
    """
    parts = dict(network.named_children())
    if "features" in parts and "head" in parts:
        return parts["features"]
    seen: list[tuple[nn.Module, int]] = []

    def see(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            seen.append((module, output.shape[2] * output.shape[3]))

    with ExitStack() as hooks:
        for module in network.modules():
            if module is not network and not isinstance(module, _AVERAGING):
                hooks.enter_context(module.register_forward_hook(see))
        called(network, images[:1])
    if not seen:
        raise _no_maps(network)
    wide = [module for module, places in seen if places > 1]
    return wide[-1] if wide else seen[-1][0]


def open_pass(network: nn.Module, images: Tensor) -> Pass:
    """Run images through a network; gradients by its last maps can be taken from the result.

    Up to the maps nothing is recorded, so that a gradient costs the head only.

    Raises:
        NoMapsError: It has no maps.
        DataError: It cannot take the images.
    """
    place = last_maps(network, images)
    opened: list[tuple[Tensor, Tensor]] = []
    dense: list[LastLinear] = []

    def open_graph(_: nn.Module, _fed: Any, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            return None
        torch.set_grad_enabled(True)  # until the block that surrounds the pass ends
        leaf = output.detach().requires_grad_()
        opened[:] = [(leaf, leaf.clone())]  # a copy: the head may write to what it is given
        dense.clear()
        return opened[0][1]

    def hear(layer: nn.Module, fed: tuple[Any, ...], gave: Any) -> None:
        if fed and isinstance(fed[0], Tensor) and isinstance(layer, nn.Linear):
            dense[:] = [LastLinear(layer, fed[0].detach(), gave.detach())]

    with ExitStack() as hooks:
        hooks.enter_context(torch.no_grad())  # puts the mode back
        hooks.enter_context(place.register_forward_hook(open_graph))
        for module in network.modules():
            if isinstance(module, nn.Linear):
                hooks.enter_context(module.register_forward_hook(hear))
        outputs = called(network, images)
    if not opened:
        raise _no_maps(network)
    leaf, maps = opened[0]
    return Pass(outputs, leaf, maps.detach(), dense[0] if dense else None)


def linear_head(passed: Pass) -> LinearHead | None:
    """Pooling and head, where the numbers of the pass show that they are an average and a sum.

    What the dense layer was fed must be the mean of the maps (or of their positive part, where a
    ReLU stands between), and what it gave the outputs (or their softmax). So it does not matter how
    a network spells its pooling, and dropout between, which evaluation passes through, is no
    obstacle. None where it is not so.
    """
    last, outputs = passed.linear, passed.outputs.detach()
    maps = passed.maps
    if last is None or not _gives(last.gave, outputs):
        count = outputs.shape[1]
        if not _same(maps.mean((2, 3)), outputs):
            return None
        return LinearHead(maps, torch.eye(count).to(outputs), outputs.new_zeros(count), outputs)
    layer = last.layer
    biases = outputs.new_zeros(outputs.shape[1]) if layer.bias is None else layer.bias.detach()
    if not _same(maps.mean((2, 3)), last.fed):
        maps = maps.relu()
        if not _same(maps.mean((2, 3)), last.fed):
            return None
    return LinearHead(maps, layer.weight.detach(), biases, last.gave)


def _gives(scores: Tensor, outputs: Tensor) -> bool:
    if scores.shape != outputs.shape:
        return False
    forms = (scores, scores.log_softmax(1), scores.softmax(1))
    return any(_same(form, outputs) for form in forms)


def _same(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    share = _TOLERANCE.get(expected.dtype, _COARSE)
    largest = float(expected.abs().max())
    return torch.allclose(found, expected, rtol=share, atol=share * largest)


def _no_maps(network: nn.Module) -> NoMapsError:
    return NoMapsError(
        f"{type(network).__name__} has no maps: no part of it gives channels of rows and columns; "
        "nnatomy.explain.occlusion (--method occlusion) needs none"
    )
