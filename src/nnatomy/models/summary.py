"""The facts of a network, layer by layer: shapes, parameters, multiplications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.models.receptive_field import FieldTracker
from nnatomy.nn.activations import FORMULAS
from nnatomy.nn.residual import Residual


@dataclass(frozen=True)
class LayerFacts:
    """One layer for one record.

    Args:
        name: Its path in the network, e.g. "features.0".
        layer: Its kind and sizes, e.g. "Conv2d(1 → 32, 3×3)".
        output: Shape of its output without the batch axis; empty where prediction does not use it.
        parameters: Trainable numbers in it.
        multiplications: Products formed for one record (additions not counted).
        formula: What it computes.
        receptive_field: Side of the square of the image that one value of the output depends on
            (the longer side, padding counts as image); None where there is none, as after
            flattening.
        jump: Distance in the image between the fields of neighbouring values.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiplications: int
    formula: str
    receptive_field: int | None = None
    jump: int | None = None


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def _products(layer: nn.Module, inputs: Any, output: Tensor) -> int:
    """Products for one record: each value of the output, or of the input, meets its weights."""
    if isinstance(layer, nn.Linear):
        return output[0].numel() * layer.in_features
    if isinstance(layer, _CONVOLUTIONS):
        return output[0].numel() * layer.weight[0].numel()
    if isinstance(layer, _TRANSPOSED):
        return int(inputs[0][0].numel() * layer.weight[0].numel())
    return output[0].numel() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) else 0


def _label(layer: nn.Module) -> str:
    """Kind and sizes."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Linear):
        return f"{kind}({layer.in_features} → {layer.out_features})"
    if isinstance(layer, _CONVOLUTIONS + _TRANSPOSED):
        more = [
            f", {word} {_sides(values)}"
            for word, values in (("stride", layer.stride), ("dilation", layer.dilation))
            if any(value != 1 for value in values)
        ]
        more += [f", {layer.groups} groups"] if layer.groups > 1 else []
        kernel = "×".join(map(str, layer.kernel_size))
        return f"{kind}({layer.in_channels} → {layer.out_channels}, {kernel}{''.join(more)})"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return f"{kind}({layer.num_features})"
    return kind


def _sides(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


_LAYER_FORMULAS = {
    "Linear": "y = W x + b",
    "Conv1d": "y_k(t) = b_k + Σ w_k(c,u) x_c(t+u)",
    "Conv2d": "y_k(i,j) = b_k + Σ w_k(c,u,v) x_c(i+u, j+v)",
    "ConvTranspose1d": "y_k(t+u) = b_k + Σ w_k(c,u) x_c(t)",
    "ConvTranspose2d": "y_k(i+u, j+v) = b_k + Σ w_k(c,u,v) x_c(i,j)",
    "BatchNorm1d": "y = γ (x - μ) / sqrt(σ² + ε) + β",
    "BatchNorm2d": "y = γ (x - μ) / sqrt(σ² + ε) + β",
    "LocalResponseNorm": "y_k = x_k / (1 + α/n Σ x_c²)^β over n neighbouring maps",
    "Flatten": "all values in one row",
    "Dropout": "y = x m / (1 - p) in training, y = x otherwise",
    "MaxPool2d": "y(i,j) = max of the window",
    "AvgPool2d": "y(i,j) = mean of the window",
    "AdaptiveAvgPool2d": "y(i,j) = mean of the window",
    "Residual": "y = x + f(x), f being its layers",
    **FORMULAS,
}


def _unused(name: str, layer: nn.Module) -> LayerFacts:
    """A layer that prediction does not use, such as those of auxiliary heads."""
    parameters = sum(p.numel() for p in layer.parameters(recurse=False))
    return LayerFacts(name, _label(layer), (), parameters, 0, "in training only")


@torch.no_grad()
def summarize(network: nn.Module, input_shape: tuple[int, ...]) -> list[LayerFacts]:
    """Run one record of zeros through the network and note what each layer does to it.

    The sum of a Residual is listed after the layers that it goes around. The network is left as it
    was: mode, buffers, random state and hooks. Layers of a kind that
    is not known here are listed with their parameters and no multiplications; a layer that is
    called several times is listed at each call, its parameters at the first. Layers with
    parameters that are not called, such as auxiliary heads, come last, without an output.

    Args:
        network: Any network whose layers return a tensor; one that begins with an embedding gets
            whole numbers.
        input_shape: Shape of one input, without the batch axis.
    """
    rows: list[LayerFacts] = []
    seen: set[str] = set()
    listed = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, Residual) or not any(module.children())
    ]
    parameter = next(network.parameters(), torch.zeros(()))
    takes_indices = bool(listed) and isinstance(listed[0][1], nn.Embedding)
    dtype = torch.int64 if takes_indices else parameter.dtype
    record = torch.zeros((1, *input_shape), dtype=dtype, device=parameter.device)
    tracker = FieldTracker(record)

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(layer: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                return
            own = 0 if name in seen else sum(p.numel() for p in layer.parameters(recurse=False))
            field = tracker.field(output)
            sees = (None, None) if field is None else (max(field.sizes), max(field.jumps))
            products = _products(layer, inputs, output)
            formula = _LAYER_FORMULAS.get(type(layer).__name__, "")
            shape = tuple(output.shape[1:])
            rows.append(LayerFacts(name, _label(layer), shape, own, products, formula, *sees))
            seen.add(name)

        return note

    handles = [module.register_forward_hook(noting(name)) for name, module in listed]
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        with tracker:
            network(record)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    unused = [(n, m) for n, m in listed if n not in seen and [*m.parameters(recurse=False)]]
    return rows + [_unused(name, layer) for name, layer in unused]


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in the network; shared ones count once."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_multiplications(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Products formed in one forward pass of one record."""
    return sum(row.multiplications for row in summarize(network, input_shape))
