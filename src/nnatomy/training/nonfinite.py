"""Where a NaN or an infinity began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.errors import NonFiniteError
from nnatomy.nn.residual import Residual
from nnatomy.training.objectives import Objective
from nnatomy.types import Answers, Batch


def _finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(torch.isfinite(value).all())


def non_finite_error(
    network: nn.Module, objective: Objective, batch: Batch, place: tuple[int, int, int]
) -> NonFiniteError:
    """The error about a batch whose loss or gradient is not finite.

    Args:
        network: With the weights before the batch.
        objective: What is made small.
        batch: The batch.
        place: Steps done before, epochs completed, and records of the epoch before the batch.
    """
    step, epoch, first = place
    with torch.random.fork_rng(devices=[]):
        origin = origin_of_non_finite(network, objective, batch)
    return NonFiniteError(
        f"the loss or its gradient is not finite at step {step + 1} (epoch {epoch + 1}, records "
        f"{first + 1} to {first + len(batch.targets)} of its order); it began in {origin}. "
        "The weights were not changed. Lower the learning rate, clip gradients, or look at "
        "these records."
    )


def origin_of_non_finite(network: nn.Module, objective: Objective, batch: Batch) -> str:
    """Run a batch forward and backward once more and name the first place that is not finite.

    The places are looked at in the order of the computation: inputs, targets, parameters, layers
    forward, loss, layers backward, gradients of the parameters. Random layers draw anew, so a
    cause that depends on one draw of dropout may not show again; that is said.
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

    def note(place: str, *values: Any) -> None:
        if not all(_finite(value) for value in values):
            found.append(place)

    handles = []
    for name, layer in network.named_modules():
        if name and not any(layer.children()):
            place = f"layer '{name}' ({type(layer).__name__})"
            handles.append(layer.register_forward_pre_hook(_watching_gradients(place, note)))
            handles.append(layer.register_forward_hook(_watching_output(place, note)))
        elif isinstance(layer, Residual):  # the sum of finite numbers may overflow
            place = f"the sum of layer '{name}'"
            handles.append(layer.register_forward_hook(_watching_output(place, note)))
    try:
        answers = network(batch.inputs)
        outputs = answers.outputs if isinstance(answers, Answers) else answers
        note("the outputs, between layers", outputs)
        cost, _ = objective.cost(answers, batch.targets, batch.weights)
        note("the loss", cost)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        outputs.register_hook(lambda gradient: note("the loss, backward", gradient))
        _note_parameters(network, cost, note)
    return found[0] if found else "a place that did not show when the batch was run again"


def _watching_output(place: str, note: Callable[..., None]) -> Callable[..., None]:
    return lambda _layer, _inputs, output: note(f"{place}, forward", output)


def _watching_gradients(place: str, note: Callable[..., None]) -> Callable[..., None]:
    """The gradient that a layer passes back is that of its inputs.

    Hooks on the tensors, unlike backward hooks on the layers, allow layers that work in place.
    """

    def watch(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        for value in inputs:
            if isinstance(value, Tensor) and value.requires_grad:
                value.register_hook(  # type: ignore[no-untyped-call]
                    lambda gradient: note(f"{place}, backward", gradient)
                )

    return watch


def _note_parameters(network: nn.Module, loss: Tensor, note: Callable[..., None]) -> None:
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    for (name, _), gradient in zip(named, gradients, strict=True):
        note(f"the gradient of parameter '{name}'", gradient)
