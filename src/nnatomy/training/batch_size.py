"""How many records a step takes."""

from __future__ import annotations

from math import prod

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nnatomy.errors import DataError, SettingError
from nnatomy.models.summary import summarize


def batch_size_for(
    network: nn.Module, input_shape: tuple[int, ...], count: int, wanted: int | None
) -> int:
    """Records a step: those wanted, or a few more where a last one alone could not be normalized.

    Batch normalization has no spread to divide by where a batch holds one value a channel. The
    size then grows until no batch of an epoch has a single record; it depends on the counts and
    the network alone, so that a resumed run has the same batches.

    Args:
        network: On any one device.
        input_shape: Shape of one input.
        count: Training records, at least 1.
        wanted: Records a step, None for all.

    Raises:
        DataError: The network normalizes batches and there is one record.
        SettingError: The network normalizes batches and one record a step is wanted.
    """
    size = min(wanted or count, count)
    if not (size == 1 or count % size == 1) or not _needs_two_records(network, input_shape):
        return size
    if count == 1:
        raise DataError("there is one training record: batch normalization needs two or more")
    if size == 1:
        raise SettingError(
            "batch_size 1 leaves batch normalization no spread to divide by: set 2 or more, or "
            "take a network without it"
        )
    while count % size == 1:
        size += 1
    return size


def _needs_two_records(network: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether a record alone gives some batch normalization one value a channel."""
    if not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return False
    return any(
        isinstance(network.get_submodule(row.name), _BatchNorm) and prod(row.output[1:]) == 1
        for row in summarize(network, input_shape)
        if row.output
    )
