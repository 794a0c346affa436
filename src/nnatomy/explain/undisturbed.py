"""Looking at a network without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from nnatomy.errors import DataError, SettingError


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Evaluate a network inside the block; afterwards nothing tells that it was.

    Inside, every module is in evaluation mode, no graph is recorded, and what is drawn is drawn
    from generators that are put back. The modes of all modules come back as they were, also where
    the block raises.
    """
    modes = [(module, module.training) for module in network.modules()]
    devices = sorted({t.get_device() for t in _tensors(network) if t.is_cuda})
    try:
        network.eval()
        with (
            torch.random.fork_rng(devices=devices),
            torch.inference_mode(False),
            torch.no_grad(),
        ):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def plain_network(network: nn.Module) -> nn.Module:
    """The network itself where it comes wrapped by torch.compile, whose graphs hear no hooks."""
    inner = getattr(network, "_orig_mod", network)
    assert isinstance(inner, nn.Module)
    return inner


def prepared_images(network: nn.Module, images: Tensor) -> Tensor:
    """The images where and as the network computes; those that it cannot take are refused.

    Shape: (N, C, H, W).

    Raises:
        DataError: They are no batch of images, there is none, or they are whole numbers.
    """
    images = torch.as_tensor(images)
    if images.dim() != 4 or not images.numel():
        raise DataError(
            f"images of shape {tuple(images.shape)} cannot be explained: give a batch of one image "
            "or more, (N, channels, height, width)"
        )
    if not images.is_floating_point():
        raise DataError(
            f"images are {images.dtype}: give them as the network takes them, normalized floats"
        )
    first = next((t for t in _tensors(network) if t.is_floating_point()), images)
    return images.detach().to(first.device, first.dtype)


def called(network: nn.Module, images: Tensor) -> Tensor:
    """The network's scores (N, K) of images.

    Raises:
        DataError: It cannot take them, or a score is NaN or infinite.
        SettingError: What it gives is not one row of scores an image.
    """
    try:
        outputs = network(images)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        shape = "×".join(map(str, images.shape[1:]))
        raise DataError(f"the network cannot take images of {shape}: {reason}") from error
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or len(outputs) != len(images):
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise SettingError(
            f"the network gives {found} for {len(images)} images: only networks with one row of "
            "class scores an image are explained"
        )
    strange = (~outputs.isfinite().all(1)).nonzero().flatten().tolist()
    if strange:
        raise DataError(
            f"the scores of image {strange[0]} are not finite: look for NaN in the image and in "
            "the weights"
        )
    return outputs


def chosen_targets(outputs: Tensor, target: object) -> Tensor:
    """The output to explain for each image, (N,) int64; the highest one where target is None.

    Args:
        outputs: (N, K) scores.
        target: One index for all images, or one for each.

    Raises:
        SettingError: An index is no whole number, or there is no such output.
    """
    count, outputs_there = outputs.shape
    if target is None:
        return outputs.detach().argmax(1)
    try:
        chosen = torch.as_tensor(target, device=outputs.device)
    except (TypeError, ValueError, RuntimeError):
        raise SettingError(f"target {target!r} is no index of an output") from None
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise SettingError(f"target must be whole numbers, got {chosen.dtype}")
    if chosen.shape not in ((), (count,)):
        raise SettingError(
            f"target has shape {tuple(chosen.shape)}: give one index, or one for each of the "
            f"{count} images"
        )
    wrong = chosen[(chosen < 0) | (chosen >= outputs_there)]
    if wrong.numel():
        raise SettingError(
            f"target {int(wrong.flatten()[0])} does not exist: the network has outputs 0 to "
            f"{outputs_there - 1}"
        )
    return chosen.long().expand(count).clone()


def probabilities_of(outputs: Tensor) -> Tensor:
    """Class probabilities (N, K): softmax, unless the network gives probabilities already.

    A network with a single output has no classes; its output stays as it is.
    """
    outputs = outputs.detach().float()
    if outputs.shape[1] == 1:
        return outputs
    sums = outputs.sum(1)
    if bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        return outputs
    return outputs.softmax(1)


def versions(network: nn.Module, images: Tensor) -> list[tuple[int, int]]:
    """What changes as soon as somebody writes to the weights or to the images."""
    every = [*_tensors(network), images]
    return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in every]


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
