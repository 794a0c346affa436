"""The facts of a network, layer by layer: shapes, parameters, multiplications."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.nn.activations import FORMULAS
from nnatomy.nn.residual import Residual


@dataclass(frozen=True)
class LayerFacts:
    """One layer for one record.

    Args:
        name: Its path in the network, e.g. "features.0".
        layer: Its kind and sizes, e.g. "Conv2d(1 → 32, 3×3)".
        output: Shape of its output without the batch axis.
        parameters: Trainable numbers in it.
        multiplications: Products formed for one record (additions not counted).
        formula: What it computes.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiplications: int
    formula: str


def _linear(layer: nn.Module, output: Tensor) -> tuple[str, int, str]:
    assert isinstance(layer, nn.Linear)
    products = output[0].numel() * layer.in_features
    return f"Linear({layer.in_features} → {layer.out_features})", products, "y = W x + b"


def _convolution(layer: nn.Module, output: Tensor) -> tuple[str, int, str]:
    assert isinstance(layer, nn.Conv2d)
    kernel = "×".join(map(str, layer.kernel_size))
    products = output[0].numel() * layer.weight[0].numel()
    stride = "" if layer.stride == (1, 1) else f", stride {layer.stride[0]}"
    label = f"Conv2d({layer.in_channels} → {layer.out_channels}, {kernel}{stride})"
    return label, products, "y_k(i,j) = b_k + Σ w_k(c,u,v) x_c(i+u, j+v)"


def _batch_norm(layer: nn.Module, output: Tensor) -> tuple[str, int, str]:
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    formula = "y = γ (x - μ) / sqrt(σ² + ε) + β"
    return f"{type(layer).__name__}({layer.num_features})", output[0].numel(), formula


_KINDS: dict[type[nn.Module], Callable[[nn.Module, Tensor], tuple[str, int, str]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
}

_PLAIN_FORMULAS = {
    "Flatten": "all values in one row",
    "Dropout": "y = x m / (1 - p) in training, y = x otherwise",
    "MaxPool2d": "y(i,j) = max of the window",
    "AdaptiveAvgPool2d": "y(i,j) = mean of the window",
    "Residual": "y = x + f(x), f being its layers",
    **FORMULAS,
}


def _plain(layer: nn.Module, _output: Tensor) -> tuple[str, int, str]:
    kind = type(layer).__name__
    return kind, 0, _PLAIN_FORMULAS.get(kind, "")


def _facts(name: str, layer: nn.Module, output: Tensor) -> LayerFacts:
    label, products, formula = _KINDS.get(type(layer), _plain)(layer, output)
    parameters = sum(p.numel() for p in layer.parameters(recurse=False))
    return LayerFacts(name, label, tuple(output.shape[1:]), parameters, products, formula)


@torch.no_grad()
def summarize(network: nn.Module, input_shape: tuple[int, ...]) -> list[LayerFacts]:
    """Run one record of zeros through the network and note what each layer does to it.

    The sum of a Residual is listed after the layers that it goes around. The network is left as it
    was: mode, buffers, random state and hooks. Layers of a kind that
    is not known here are listed with their parameters and no multiplications; a layer that is
    called several times is listed at each call, its parameters at the first.

    Args:
        network: Any network whose layers return a tensor; one that begins with an embedding gets
            whole numbers.
        input_shape: Shape of one input, without the batch axis.
    """
    rows: list[LayerFacts] = []
    seen: set[str] = set()

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(layer: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                return
            facts = _facts(name, layer, output)
            if name in seen:
                facts = LayerFacts(
                    name, facts.layer, facts.output, 0, facts.multiplications, facts.formula
                )
            seen.add(name)
            rows.append(facts)

        return note

    listed = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, Residual) or not any(module.children())
    ]
    handles = [module.register_forward_hook(noting(name)) for name, module in listed]
    modes = {module: module.training for module in network.modules()}
    parameter = next(network.parameters(), torch.zeros(()))
    takes_indices = bool(listed) and isinstance(listed[0][1], nn.Embedding)
    dtype = torch.int64 if takes_indices else parameter.dtype
    try:
        network.eval()
        network(torch.zeros((1, *input_shape), dtype=dtype, device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return rows


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in the network; shared ones count once."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_multiplications(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Products formed in one forward pass of one record."""
    return sum(row.multiplications for row in summarize(network, input_shape))
