"""Where a NaN or an infinity began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.training.objectives import Objective
from nnatomy.types import Batch


def _finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(torch.isfinite(value).all())


def origin_of_non_finite(network: nn.Module, objective: Objective, batch: Batch) -> str:
    """Run a batch forward and backward once more and name the first place that is not finite.

    The places are looked at in the order of the computation: inputs, targets, parameters, layers
    forward, loss, layers backward. Random layers draw anew, so a cause that depends on one draw
    of dropout may not show again; that is said.
    """
    for name, value in (("the inputs", batch.inputs), ("the targets", batch.targets)):
        if not _finite(value):
            return f"{name} of the batch"
    for name, parameter in network.named_parameters():
        if not _finite(parameter):
            return f"parameter '{name}'"
    return _first_layer(network, objective, batch)


def _first_layer(network: nn.Module, objective: Objective, batch: Batch) -> str:
    found: list[str] = []

    def noting(name: str, direction: str) -> Callable[..., None]:
        def note(layer: nn.Module, gradients_in: Any, result: Any) -> None:
            values = (result,) if direction == "forward" else gradients_in
            if not all(_finite(value) for value in values):
                found.append(f"layer '{name}' ({type(layer).__name__}), {direction}")

        return note

    leaves = [(n, m) for n, m in network.named_modules() if n and not any(m.children())]
    handles = [m.register_forward_hook(noting(n, "forward")) for n, m in leaves]
    handles += [m.register_full_backward_hook(noting(n, "backward")) for n, m in leaves]
    try:
        loss = objective.loss(network(batch.inputs), batch.targets, batch.weights)
        if not found and not _finite(loss):
            return "the loss"
        if not found:
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else "a place that did not show when the batch was run again"
