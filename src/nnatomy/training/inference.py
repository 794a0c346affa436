"""Outputs of a network for many records."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from nnatomy.types import Batch, Samples

_VALUES = 200_000
"""Input values of a batch, about 64 images of 32×32: half as many cost up to 10 %, an eighth 18 to
57 %."""
_MOST, _LEAST = 1024, 8


def has_filters(network: nn.Module) -> bool:
    """Whether the network convolves images."""
    return any(isinstance(module, nn.Conv2d) for module in network.modules())


def suits_channels_last(network: nn.Module) -> bool:
    """Whether the network convolves images, so that a channels-last layout pays.

    Not where a 1×1 convolution has a stride: channels last, PyTorch's CPU kernels write beyond
    their memory in its backward pass (2.13, oneDNN; seen with up to eight channels), and the
    process dies.
    """
    filters = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return bool(filters) and not any(
        set(layer.kernel_size) == {1} and max(layer.stride) > 1 for layer in filters
    )


def place(batch: Batch, device: torch.device, channels_last: bool) -> Batch:
    """The batch on the device, images with their channels last in memory."""
    inputs, targets, weights = batch
    if channels_last and inputs.dim() == 4:
        inputs = inputs.to(device, memory_format=torch.channels_last)
    else:
        inputs = inputs.to(device)
    return Batch(inputs, targets.to(device), None if weights is None else weights.to(device))


def outputs_of(
    network: nn.Module, samples: Samples, *, stop: Callable[[], bool] | None = None
) -> tuple[Tensor, Tensor]:
    """Run every record through the network in evaluation mode.

    The network's modes are as before afterwards.

    Args:
        network: On any one device.
        samples: The records.
        stop: Asked between batches; when it says True the outputs so far are returned.

    Shape: -> outputs (N, ...), targets (N, ...), both on the network's device.
    """
    return evaluate(network, samples, stop=stop)[:2]


@torch.no_grad()
def evaluate(
    network: nn.Module, samples: Samples, *, stop: Callable[[], bool] | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`outputs_of` with the weights of the records, None where they have none.

    Shape: -> outputs (N, ...), targets (N, ...), weights (N,).
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    channels_last = suits_channels_last(network)
    modes = [(module, module.training) for module in network.modules()]
    outputs, targets, weights = [], [], []
    size = max(_LEAST, min(_MOST, _VALUES // max(1, prod(samples.input_shape))))
    try:
        network.eval()
        for batch in samples.batches(None, size):
            batch = place(batch, device, channels_last)
            outputs.append(network(batch.inputs))
            targets.append(batch.targets)
            if batch.weights is not None:
                weights.append(batch.weights)
            if stop is not None and stop():
                break
    finally:
        for module, mode in modes:
            module.training = mode
    return _joined(outputs), _joined(targets), _joined(weights) if weights else None


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
