"""All trainable parameters of a network as views of one vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError

_ALIGNED = 64
"""Values. On a GPU every parameter begins at a multiple of 256 bytes, as if it were allocated by
itself: convolution kernels read 16 bytes at once and fail at other addresses."""


class FlatParameters:
    """One vector for the parameters and one for their gradients.

    An update rule then costs a handful of calls for the whole network instead of a handful for
    each parameter, which is most of the time of a step for small networks. The network's own
    parameters become views of the vector; `release` makes them independent again.

    Weight matrices and filters come first, so that a penalty on them is one slice. On the CPU they
    lie side by side; on a GPU there are gaps between them, where everything stays 0.

    Args:
        network: Its trainable parameters are moved in place.
        aligned: Each begins at a multiple of so many values; None leaves it to the device.

    Attributes:
        starts: Where each parameter begins.
        resting: Weights (as a mask) that rest for a while and get no penalty; None where all learn.

    Raises:
        SettingError: Parameters differ in type or device, or none can be trained.
    """

    def __init__(self, network: nn.Module, aligned: int | None = None) -> None:
        trainable = [p for p in network.parameters() if p.requires_grad]
        if not trainable:
            raise SettingError("the network has no trainable parameters: unfreeze some")
        if len({(p.dtype, p.device) for p in trainable}) > 1:
            raise SettingError("all trainable parameters must have one type and one device")
        # Stable sort: matrices and filters, then vectors.
        self.parameters = sorted(trainable, key=lambda p: p.dim() < 2)
        like = trainable[0].detach()
        *self.starts, total = _places(self.parameters, aligned)
        self.weights = like.new_zeros(total)
        self.gradient = like.new_zeros(total)
        self.penalized = [*self.starts, total][sum(p.dim() >= 2 for p in trainable)]
        self.resting: Tensor | None = None
        for start, parameter in zip(self.starts, self.parameters, strict=True):
            values = self._view(self.weights, start, parameter)
            values.copy_(parameter.detach())
            parameter.data = values
            parameter.grad = self._view(self.gradient, start, parameter)

    @staticmethod
    def _view(vector: Tensor, start: int, parameter: Tensor) -> Tensor:
        # Filters keep their own strides where they leave no gaps, since they may lie channels last.
        # Matrices are packed row by row, which is what the compiled steps read.
        if parameter.dim() <= 2:
            return vector[start : start + parameter.numel()].view(parameter.shape)
        return vector.as_strided(parameter.shape, torch.empty_like(parameter).stride(), start)

    def penalize(self, l1: float, l2: float, records: int) -> None:
        """Add the gradients of the penalties on the weight matrices.

        They are λ/m w for λ/(2m) Σ w², and λ/(2m) sign w for λ/(2m) Σ |w| (0 at 0).
        """
        weights, gradient = self.weights[: self.penalized], self.gradient[: self.penalized]
        if l2:
            gradient.add_(weights, alpha=l2 / records)
        if l1:
            gradient.add_(weights.sign(), alpha=l1 / (2 * records))
        if self.resting is not None:
            gradient.masked_fill_(self.resting[: self.penalized], 0.0)

    def filled(self, value: Callable[[nn.Parameter], float]) -> Tensor:
        """A vector like the weights with one value for all weights of a parameter.

        Shape: (P,).
        """
        vector = torch.zeros_like(self.weights)
        for start, parameter in zip(self.starts, self.parameters, strict=True):
            vector[start : start + parameter.numel()] = value(parameter)
        return vector

    def packed(self, vector: Tensor) -> Tensor:
        """A vector like the weights without its gaps, which is the same on every device."""
        ends = zip(self.starts, self.parameters, strict=True)
        return torch.cat([vector[start : start + p.numel()] for start, p in ends])

    def spread(self, packed: Tensor) -> Tensor:
        """The vector that `packed` was made from, gaps 0, where the weights are.

        Raises:
            RuntimeError: It is of other parameters.
        """
        parts = torch.split(packed, [p.numel() for p in self.parameters])
        vector = torch.zeros_like(self.weights, dtype=packed.dtype)
        for start, part in zip(self.starts, parts, strict=True):
            vector[start : start + len(part)] = part.to(vector.device)
        return vector

    def release(self) -> None:
        """Give the network parameters of its own again, without gradients."""
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.data = parameter.detach().clone()
                parameter.grad = None


def _places(tensors: Sequence[Tensor], aligned: int | None = None) -> Iterator[int]:
    """Where each begins in one vector, and the length of that."""
    if aligned is None:
        aligned = 1 if all(t.device.type == "cpu" for t in tensors) else _ALIGNED
    return accumulate((math.ceil(t.numel() / aligned) * aligned for t in tensors), initial=0)


class FlatBuffers:
    """The buffers of a network (running averages, counts) as views of one vector for each type.

    A batch that makes the loss non-finite has already spoiled the running averages when that is
    noticed; one copy a step makes it possible to take them back.

    Args:
        network: Its buffers are moved in place.
    """

    def __init__(self, network: nn.Module) -> None:
        self._owned = [
            (module, name, buffer)
            for module in network.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self.values: list[Tensor] = []
        for dtype in dict.fromkeys(buffer.dtype for _, _, buffer in self._owned):
            self.values.append(self._join(dtype))
        self._kept = [vector.clone() for vector in self.values]

    def _join(self, dtype: torch.dtype) -> Tensor:
        members = [entry for entry in self._owned if entry[2].dtype == dtype]
        *starts, total = _places([buffer for _, _, buffer in members])
        vector = members[0][2].new_zeros(total)
        for start, (module, name, buffer) in zip(starts, members, strict=True):
            values = vector[start : start + buffer.numel()].view(buffer.shape)
            setattr(module, name, values.copy_(buffer))
        return vector

    def keep(self) -> None:
        """Remember the present values."""
        for vector, kept in zip(self.values, self._kept, strict=True):
            kept.copy_(vector)

    def take_back(self) -> None:
        """Return to the values remembered last."""
        for vector, kept in zip(self.values, self._kept, strict=True):
            vector.copy_(kept)

    def release(self) -> None:
        """Give the network buffers of its own again."""
        for module, name, _ in self._owned:
            setattr(module, name, getattr(module, name).clone())
