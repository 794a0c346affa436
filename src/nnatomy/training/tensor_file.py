"""Tensors as the bytes of a safetensors file, and back."""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nnatomy.errors import IntegrityError


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file; tensors may be of any device, memory order and sharing.

    Each is written as a row-major copy of its own, since the format has neither strides nor
    shared memory.
    """
    plain = {}
    for name, tensor in tensors.items():
        copy = torch.empty(tensor.shape, dtype=tensor.dtype)
        plain[name] = copy.copy_(tensor.detach())
    return safetensors.torch.save(plain)


def decode_tensors(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU and row-major.

    Raises:
        IntegrityError: The bytes are not a safetensors file of exactly the length it states.
    """
    try:
        return dict(sorted(safetensors.torch.load(data).items()))
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise IntegrityError(f"not a valid safetensors file: {error}") from error
