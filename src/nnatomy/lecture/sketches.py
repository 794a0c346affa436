"""Networks as drawings: their layers, weights and multiplications, without memory for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx, nn

from nnatomy.models.summary import count_multiplications


def sketch(build: Callable[[], nn.Module]) -> nn.Module:
    """The network on PyTorch's meta device, where tensors have shapes and no values.

    >>> from nnatomy.models.alexnet import AlexNet
    >>> layers_in_line(sketch(AlexNet)), weights_of(sketch(AlexNet))
    (8, 61090496)
    """
    with torch.device("meta"):
        return build().eval()


def layers_in_line(network: nn.Module) -> int:
    """Layers with weights on the longest way from the input to the output: the network's depth.

    Convolutions and dense layers count; those of branches side by side count once.
    """
    deepest: dict[fx.Node, int] = {}
    for node in fx.symbolic_trace(network).graph.nodes:
        weighted = node.op == "call_module" and isinstance(
            network.get_submodule(str(node.target)), nn.Conv2d | nn.Linear
        )
        before = max((deepest[source] for source in node.all_input_nodes), default=0)
        deepest[node] = before + weighted
    return max(deepest.values())


def dense_layers_of(network: nn.Module) -> int:
    """How many dense layers a network has."""
    return sum(isinstance(module, nn.Linear) for module in network.modules())


def convolutions_of(network: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a network, from the first to the last."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def weights_of(network: nn.Module) -> int:
    """Numbers in filters and matrices; biases and normalization are not counted."""
    return sum(p.numel() for p in network.parameters() if p.dim() > 1)


def millions(count: int) -> float:
    """In millions, to a tenth."""
    return round(count / 1e6, 1)


def products_of(layer: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiplications of a layer, or of several, for one input of this shape."""
    return count_multiplications(layer, shape)
