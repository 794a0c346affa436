"""What a network is made of, as far as a diagnosis needs it."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from nnatomy.diagnose.case import Layer
from nnatomy.nn.residual import Residual

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Softplus: "softplus",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
}


def weighted_modules(network: nn.Module) -> dict[str, nn.Module]:
    """The modules that hold weight matrices or filters of their own, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if any(p.dim() >= 2 for p in module.parameters(recurse=False))
    }


def describe_layers(network: nn.Module, order: list[str] | None = None) -> list[Layer]:
    """The layers with weights, in the order of `order` where it is known, else as registered."""
    modules = weighted_modules(network)
    names = [name for name in order or modules if name in modules]
    feeding, dropped = _feeding(network)
    layers = []
    for position, name in enumerate(names):
        module = modules[name]
        weights = [p for p in module.parameters(recurse=False) if p.dim() >= 2]
        first = weights[0]
        layers.append(
            Layer(
                name=name,
                kind=type(module).__name__,
                fed_by="input" if position == 0 else feeding.get(name, ""),
                units=int(getattr(module, "hidden_size", first.shape[0])),
                parameters=sum(p.numel() for p in weights),
                recurrent=isinstance(module, nn.RNNBase | nn.RNNCellBase),
                fan_in=first[0].numel(),
                dropout=dropped.get(name, 0.0),
            )
        )
    return layers


def _feeding(network: nn.Module) -> tuple[dict[str, str], dict[str, float]]:
    """The last activation before each weighted module, and the dropout rate between them.

    In the order of registration. After a shortcut it is "sum": values of no activation's range, of
    which dropout silenced only what was added.
    """
    found: dict[str, str] = {}
    dropped: dict[str, float] = {}
    shortcuts = [f"{n}." for n, m in network.named_modules() if isinstance(m, Residual)]
    last, rate, before = "", 0.0, ""
    for name, module in network.named_modules():
        if any(before.startswith(s) and not name.startswith(s) for s in shortcuts):
            last, rate = "sum", 0.0
        before = name
        if any(p.dim() >= 2 for p in module.parameters(recurse=False)):
            found[name], dropped[name] = last, rate
            last, rate = _answering(module), 0.0
        elif type(module) in ACTIVATIONS:
            last = ACTIVATIONS[type(module)]
        elif isinstance(module, _DropoutNd):
            rate = module.p
    return found, dropped


def _answering(module: nn.Module) -> str:
    """The activation inside a weighted module; "" where it has none."""
    if isinstance(module, nn.RNN):
        return str(module.nonlinearity)
    return "tanh" if isinstance(module, nn.RNNBase) else ""


def describe_structure(network: nn.Module) -> dict[str, Any]:
    """What else the checks ask for.

    Returns:
        dropout: the rates in use; batch_norms: how many; last: name of the module that comes last;
        standardized: whether inputs are brought to mean 0 and spread 1 inside; frozen: names of
        parameters that are not trained; parameters: how many numbers are.
    """
    modules = [m for m in network.modules() if not any(m.children())]
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    return {
        "dropout": [m.p for m in modules if isinstance(m, _DropoutNd) and m.p > 0],
        "batch_norms": sum(isinstance(m, _BatchNorm) for m in modules),
        "last": ACTIVATIONS.get(type(modules[-1]), type(modules[-1]).__name__) if modules else "",
        "standardized": any(getattr(m, "standardizes", False) for m in modules),
        "frozen": frozen,
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
    }
