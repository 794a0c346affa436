"""Every network that can be named, and how it is built from its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

import torch
from torch import nn

from nnatomy.conversion import convert_all
from nnatomy.errors import SettingError, nearest
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron

Shape = tuple[int, ...]
_MAX_PARAMETERS = 2_000_000_000


@dataclass(frozen=True)
class Entry:
    """A network of the catalog.

    Args:
        build: Class that takes the shape of one input, the number of outputs and the settings.
        about: One line for listings.
        needs: "any" input, or "image" (channels, height, width).
        objectives: The training objective for each task it can learn.
        defaults: Training settings that suit it better than the general ones.
    """

    build: type[nn.Module]
    about: str
    needs: Literal["any", "image"]
    objectives: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)


_BOTH = {"classification": "cross_entropy", "regression": "squared"}

CATALOG: dict[str, Entry] = {
    "perceptron": Entry(
        Perceptron,
        "one layer of step units, Rosenblatt's rule (classification)",
        "any",
        {"classification": "perceptron"},
        {"optimizer": "sgd", "lr": 1.0, "batch_size": 1, "epochs": 50},
    ),
    "logistic": Entry(
        LogisticUnit,
        "one layer of sigmoid or softmax units; a linear unit for regression",
        "any",
        _BOTH,
        {"lr": 0.01},
    ),
    "mlp": Entry(MLP, "multi-layer perceptron: dense layers of any number and width", "any", _BOTH),
    "lenet": Entry(
        LeNet,
        "small convolutional network in the manner of LeNet",
        "image",
        _BOTH,
        {"schedule": "one_cycle", "lr": 0.005, "epochs": 30},
    ),
}


def entry_of(name: str) -> Entry:
    """The catalog's entry of a network.

    Raises:
        SettingError: No network has this name.
    """
    if name not in CATALOG:
        raise SettingError(f"network '{name}' is unknown: {nearest(name, CATALOG)}")
    return CATALOG[name]


def network_settings(name: str) -> dict[str, Any]:
    """The settings of a network and their defaults."""
    parameters = inspect.signature(entry_of(name).build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def default_network(input_shape: Shape) -> str:
    """The network to start with: convolutional for images, an MLP for everything else."""
    return "lenet" if len(input_shape) == 3 else "mlp"


def build_network(
    name: str, input_shape: Shape, outputs: int, settings: Mapping[str, Any]
) -> nn.Module:
    """Build a network of the catalog.

    Args:
        name: A name of CATALOG.
        input_shape: Shape of one input, without the batch axis.
        outputs: Number of output units.
        settings: Settings by name; values may be text, e.g. "64,32" for a list of widths.

    Raises:
        SettingError: The name, a setting or a value is unknown or unusable, or the network
            cannot take inputs of this shape.
    """
    entry = entry_of(name)
    if entry.needs == "image" and len(input_shape) != 3:
        raise SettingError(f"network '{name}' takes images; these records are rows: use mlp")
    values = checked_settings(name, settings)
    _check_size(name, lambda: entry.build(input_shape, outputs, **values))
    network: nn.Module = entry.build(input_shape, outputs, **values)
    return network


def _check_size(name: str, build: Callable[[], nn.Module]) -> None:
    """Count the parameters without memory for them, so that no text can ask for terabytes."""
    too_large = SettingError(
        f"network '{name}' would have more than {_MAX_PARAMETERS:,} parameters: lower its widths"
    )
    try:
        with torch.device("meta"):
            network = build()
    except RuntimeError:  # a size that no integer holds
        raise too_large from None
    if sum(p.numel() for p in network.parameters()) > _MAX_PARAMETERS:
        raise too_large


def checked_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings of a network in their proper types.

    Raises:
        SettingError: A setting is unknown or its value does not fit its type.
    """
    known = network_settings(name)
    hints = get_type_hints(entry_of(name).build.__init__)
    for key in settings:
        if key not in known:
            hint = nearest(key, known) if known else "it has no settings"
            raise SettingError(f"network '{name}' has no setting '{key}': {hint}")
    return convert_all(settings, hints)
