"""Recognizing plain dense networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron
from nnatomy.training.hooks import is_changed, is_hooked

_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Softplus: "softplus",
    nn.SiLU: "silu",
}
_CONSTANTS: dict[type[nn.Module], dict[str, object]] = {
    nn.LeakyReLU: {"negative_slope": 0.01},
    nn.ELU: {"alpha": 1.0},
    nn.GELU: {"approximate": "none"},
    nn.Softplus: {"beta": 1, "threshold": 20},
}
"""The compiled formulas hold for these constants only."""


@dataclass
class DenseLayer:
    """h = drop(g(b + W x)).

    Args:
        linear: W and b.
        activation: Name of g; "identity" for the last layer.
        dropout: Probability with which a unit of the layer is silenced.
    """

    linear: nn.Linear
    activation: str = "identity"
    dropout: float = 0.0


def dense_layers(network: nn.Module) -> list[DenseLayer] | None:
    """The layers of a network that consists of dense layers alone; None for any other network.

    Such a network is an MLP, Perceptron or LogisticUnit of nnatomy.models or an nn.Sequential of
    dense layers, activations and dropout, all of whose parameters can be trained, and that
    nobody watches with hooks.
    """
    layers: list[DenseLayer] = []
    for module in _in_order(network):
        if module is None or is_changed(module) or not _plain(module, layers):
            return None
    own = [p for layer in layers for p in (layer.linear.weight, layer.linear.bias)]
    complete = layers and layers[-1].activation == "identity" and not layers[-1].dropout
    alone = len({id(p) for p in own}) == len(own) == len(list(network.parameters()))
    trainable = all(p.requires_grad and not is_hooked(p) for p in own)
    return layers if complete and alone and trainable else None


def _in_order(network: nn.Module) -> Iterator[nn.Module | None]:
    """The layers as data pass through them; None stands for something that is not understood."""
    if is_changed(network):
        yield None
    elif type(network) in (MLP, Perceptron, LogisticUnit):
        features, head = network.get_submodule("features"), network.get_submodule("head")
        yield from _in_order(features)
        yield head
    elif type(network) is nn.Sequential:
        for part in network:
            yield from _in_order(part) if type(part) is nn.Sequential else (part,)
    elif type(network) in (nn.Flatten, nn.Linear):
        yield network
    else:
        yield None


def takes_rows(network: nn.Module) -> bool:
    """Whether it takes records of one axis only, having no layer that flattens them."""
    return not any(isinstance(module, nn.Flatten) for module in network.modules())


def _plain(module: nn.Module, layers: list[DenseLayer]) -> bool:
    """Take the module in; False when it does not follow on the layers so far."""
    kind = type(module)
    if kind is nn.Flatten:
        return not layers and vars(module)["start_dim"] == 1 and vars(module)["end_dim"] == -1
    if isinstance(module, nn.Linear) and kind is nn.Linear:
        layers.append(DenseLayer(module))
        return module.bias is not None
    if not layers or layers[-1].dropout:
        return False
    if isinstance(module, nn.Dropout) and kind is nn.Dropout:
        layers[-1].dropout = module.p
        return module.p < 1 and not module.inplace
    constants = _CONSTANTS.get(kind, {})
    if kind not in _ACTIVATIONS or any(getattr(module, k) != v for k, v in constants.items()):
        return False
    if layers[-1].activation != "identity":
        return False
    layers[-1].activation = _ACTIVATIONS[kind]
    return True
