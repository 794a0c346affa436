"""A copy of a network that computes the same faster, for prediction only."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from nnatomy.training.inference import suits_channels_last

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def for_inference(network: nn.Module) -> nn.Module:
    """Fold batch normalization into the layer before it and put channels last.

    At test time batch normalization is a fixed scale and shift, so
    γ (W x + b - μ) / sqrt(σ² + ε) + β  =  W' x + b'  with  W' = γ W / sqrt(σ² + ε)  and
    b' = γ (b - μ) / sqrt(σ² + ε) + β. Outputs agree to rounding. Networks whose computation
    cannot be traced are only laid out anew.

    Args:
        network: Left as it is. Its linear layers before batch normalization get one row a record,
            (B, units).

    Returns:
        A copy in evaluation mode, of the same class and with the same module names.
    """
    copy = deepcopy(network).eval()
    for before, norm in _pairs(copy):
        layer, batch_norm = copy.get_submodule(before), copy.get_submodule(norm)
        assert isinstance(batch_norm, _NORMS)
        if isinstance(layer, nn.Linear):
            copy.set_submodule(before, fuse_linear_bn_eval(layer, batch_norm))
        else:
            assert isinstance(layer, nn.Conv2d)
            copy.set_submodule(before, fuse_conv_bn_eval(layer, batch_norm))
        copy.set_submodule(norm, nn.Identity())
    if suits_channels_last(copy):
        copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return copy


def _pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Names of layers and of the batch normalizations that alone read their outputs."""
    try:
        graph = fx.symbolic_trace(network).graph
    except (TraceError, TypeError, ValueError, RuntimeError, AttributeError):
        return []  # its path depends on the data
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in calls)
    found = []
    for node in calls:
        source = node.args[0] if node.args else None
        if (
            isinstance(source, fx.Node)
            and source.op == "call_module"
            and times[node.target] == times[source.target] == 1
            and len(source.users) == 1
            and _foldable(network, str(source.target), str(node.target))
        ):
            found.append((str(source.target), str(node.target)))
    return found


def _foldable(network: nn.Module, before: str, norm: str) -> bool:
    layer, batch_norm = network.get_submodule(before), network.get_submodule(norm)
    if not isinstance(batch_norm, _NORMS) or batch_norm.running_mean is None:
        return False
    if type(layer) is nn.Linear:  # PyTorch's formula for it wants a scale
        return batch_norm.affine and layer.out_features == batch_norm.num_features
    return type(layer) is nn.Conv2d
