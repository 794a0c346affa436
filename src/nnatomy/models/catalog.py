"""Every network that can be named, and how it is built from its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_type_hints

import torch
from torch import nn

from nnatomy.conversion import convert_all
from nnatomy.errors import SettingError, nearest
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.densenet import densenet121, densenet169, densenet201, densenet264
from nnatomy.models.googlenet import GoogLeNet, has_room_for_heads
from nnatomy.models.image_network import stem_for, too_small
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron
from nnatomy.models.resnet import (
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from nnatomy.models.vgg import (
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)

Shape = tuple[int, ...]
_MAX_PARAMETERS = 2_000_000_000


@dataclass(frozen=True)
class Entry:
    """A network of the catalog.

    Args:
        build: Takes the shape of one input, the number of outputs and the settings; where `fit`
            is given, the number of outputs, that of channels and the settings.
        about: One line for listings.
        needs: "any" input, or "image" (channels, height, width).
        objectives: The training objective for each task it can learn.
        defaults: Training settings that suit it better than the general ones.
        fit: (input_shape, settings) -> the settings for images of this shape. Such networks have
            the stem "auto", which means the one that suits the size.
        bare: Training settings without batch normalization, where that is a setting of the network
            and others suit it then.
    """

    build: Callable[..., nn.Module]
    about: str
    needs: Literal["any", "image"]
    objectives: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fit: Callable[[Shape, Mapping[str, Any]], dict[str, Any]] | None = None
    bare: Mapping[str, Any] | None = None

    def training(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Training settings that suit the network with these settings of its own."""
        if self.bare is not None and not settings.get("batch_norm", True):
            return self.bare
        return self.defaults

    def network(self, input_shape: Shape, outputs: int, settings: Mapping[str, Any]) -> nn.Module:
        """Build the network for inputs of this shape."""
        if self.fit is None:
            return self.build(input_shape, outputs, **settings)
        return self.build(outputs, input_shape[0], **self.fit(input_shape, settings))


_BOTH = {"classification": "cross_entropy", "regression": "squared"}
_DEEP = {"optimizer": "adam", "schedule": "one_cycle", "epochs": 30, "monitor": "score"}
"""Trained to be sure of every training image, these are wrong with great certainty at times: the
validation loss rises while ever more images are told rightly (docs/convolutional_networks.md)."""
_RESIDUAL = {**_DEEP, "lr": 0.003}
_NORMALIZED = {**_DEEP, "lr": 0.001}
_BARE = {**_DEEP, "lr": 0.0005, "clip_norm": 1.0}


def _with_stem(input_shape: Shape, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The stem "auto" replaced by the one that suits the size."""
    automatic = settings.get("stem", "auto") == "auto"
    return {**settings, "stem": stem_for(input_shape)} if automatic else dict(settings)


def _with_heads(input_shape: Shape, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same; auxiliary heads only where their maps have room for them."""
    chosen = _with_stem(input_shape, settings)
    wanted = chosen.get("auxiliary", True)
    room = has_room_for_heads(min(input_shape[1:]), chosen["stem"])
    return chosen | {"auxiliary": wanted and room}


def _pictures(
    build: Callable[..., nn.Module], about: str, defaults: Mapping[str, Any] = _NORMALIZED
) -> Entry:
    """The entry of a network whose first layers depend on the size of the images."""
    return Entry(build, about, "image", _BOTH, defaults, _with_stem)


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
    "alexnet": _pictures(AlexNet, "AlexNet: 5 convolutions, 3 dense layers", _BARE),
    "vgg11": _pictures(vgg11, "VGG-11: 8 convolutions of 3×3, 3 dense layers", _BARE),
    "vgg11_bn": _pictures(vgg11_bn, "VGG-11 with batch normalization"),
    "vgg13": _pictures(vgg13, "VGG-13: 10 convolutions of 3×3, 3 dense layers", _BARE),
    "vgg13_bn": _pictures(vgg13_bn, "VGG-13 with batch normalization"),
    "vgg16": _pictures(vgg16, "VGG-16: 13 convolutions of 3×3, 3 dense layers", _BARE),
    "vgg16_bn": _pictures(vgg16_bn, "VGG-16 with batch normalization"),
    "vgg19": _pictures(vgg19, "VGG-19: 16 convolutions of 3×3, 3 dense layers", _BARE),
    "vgg19_bn": _pictures(vgg19_bn, "VGG-19 with batch normalization"),
    "googlenet": Entry(
        GoogLeNet,
        "GoogLeNet: 9 inception modules, auxiliary heads in training",
        "image",
        _BOTH,
        _NORMALIZED,
        _with_heads,
        _BARE,
    ),
    "resnet18": _pictures(resnet18, "ResNet-18: residual blocks of two convolutions", _RESIDUAL),
    "resnet34": _pictures(resnet34, "ResNet-34: residual blocks of two convolutions", _RESIDUAL),
    "resnet50": _pictures(resnet50, "ResNet-50: residual blocks of three convolutions", _RESIDUAL),
    "resnet101": _pictures(
        resnet101, "ResNet-101: residual blocks of three convolutions", _RESIDUAL
    ),
    "resnet152": _pictures(
        resnet152, "ResNet-152: residual blocks of three convolutions", _RESIDUAL
    ),
    "plain18": _pictures(plain18, "ResNet-18 without its shortcuts, to compare with", _RESIDUAL),
    "plain34": _pictures(plain34, "ResNet-34 without its shortcuts, to compare with", _RESIDUAL),
    "densenet121": _pictures(
        densenet121, "DenseNet-121: each layer reads the maps of all before it"
    ),
    "densenet169": _pictures(
        densenet169, "DenseNet-169: each layer reads the maps of all before it"
    ),
    "densenet201": _pictures(
        densenet201, "DenseNet-201: each layer reads the maps of all before it"
    ),
    "densenet264": _pictures(
        densenet264, "DenseNet-264: each layer reads the maps of all before it"
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
    entry = entry_of(name)
    parameters = inspect.signature(entry.build).parameters.values()
    settings = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return settings if entry.fit is None else settings | {"stem": "auto"}


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
    sketch = _sketch(name, partial(entry.network, input_shape, outputs, values))
    least = getattr(sketch, "least_side", 1)
    if entry.needs == "image" and min(input_shape[1:]) < least:
        height, width = input_shape[1:]
        raise SettingError(too_small(height, width, least, name, str(sketch.stem)))
    return entry.network(input_shape, outputs, values)


def _sketch(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    """The network without memory for its parameters, so that no text can ask for terabytes."""
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
    return network


def checked_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings of a network in their proper types.

    Raises:
        SettingError: A setting is unknown or its value does not fit its type.
    """
    known = network_settings(name)
    build = entry_of(name).build
    hints = get_type_hints(build.__init__ if inspect.isclass(build) else build)
    for key in settings:
        if key not in known:
            hint = nearest(key, known) if known else "it has no settings"
            raise SettingError(f"network '{name}' has no setting '{key}': {hint}")
    return convert_all(settings, hints)
