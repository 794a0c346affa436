"""Where the random generators of a run stand."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def generator_states(device: torch.device, own: torch.Generator | None) -> dict[str, Tensor]:
    """The states of the generators that a run draws from, for a checkpoint.

    Args:
        device: Where the network is.
        own: The run's own generator, where it does not draw from PyTorch's.
    """
    states = {"rng.cpu": torch.get_rng_state() if own is None else own.get_state()}
    if device.type == "cuda":
        states["rng.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(
    states: Mapping[str, Tensor], device: torch.device, own: torch.Generator | None
) -> None:
    """Put the generators where `generator_states` found them."""
    if own is None:
        torch.set_rng_state(states["rng.cpu"])
    else:
        own.set_state(states["rng.cpu"])
    if "rng.cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["rng.cuda"], device)
