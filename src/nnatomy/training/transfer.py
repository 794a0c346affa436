"""Transfer: a network starts from the weights of one that was trained before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.data.image_normalize import Normalizer
from nnatomy.errors import SettingError
from nnatomy.models.torchvision_names import from_torchvision
from nnatomy.training.parts import FEATURES
from nnatomy.training.weight_source import Start

IMAGENET = Normalizer((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What torchvision's weights expect: red, green and blue from 0 to 1, normalized by these."""
HALF = Normalizer((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""What its GoogLeNet expects, whose weights came from another library."""

_BESIDE = ("auxiliary",)
"""Parts with heads of their own, beside the head."""
_COUNTS = "num_batches_tracked"


@dataclass(frozen=True)
class Taken:
    """What a network took over from a start.

    Args:
        start: Path and sha256 of the weights.
        tensors: Parameters and buffers taken over, and all that the network has.
        parameters: The same, counted in numbers that can be trained.
        new: Names of those that are new.
        reasons: Why they are, each reason once; or that the head was kept.
        converted: Types of numbers that became float32.
    """

    start: Start
    tensors: tuple[int, int]
    parameters: tuple[int, int]
    new: tuple[str, ...]
    reasons: tuple[str, ...]

    def line(self) -> str:
        """All of it in one line."""
        words = (
            f"starting from {self.start.path} (sha256 {self.start.sha256[:12]}): "
            f"{self.tensors[0]} of {self.tensors[1]} tensors, {self.parameters[0]:,} of "
            f"{self.parameters[1]:,} weights taken over"
        )
        if self.new:
            words += f"; new: {_shown(self.new)}"
        words += f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return words + (f"; {self.start.converted} became float32" * bool(self.start.converted))

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        own = self.start.facts is not None
        return {
            "from": self.start.path,
            "sha256": self.start.sha256,
            "format": "nnatomy" if own else "torchvision",
            "network": self.start.network,
            "tensors": list(self.tensors),
            "parameters": list(self.parameters),
            "new": list(self.new),
            "reasons": list(self.reasons),
            "converted": self.start.converted,
        }


def take_over(network: nn.Module, start: Start, classes: Sequence[Any]) -> Taken:
    """Give a network the weights of a start: all whose names and shapes agree, but for the head's.

    The features must agree in full. The last layer of a head is kept where the start answers with
    the same labels in the same order, and stays as it was drawn otherwise; layers before it in the
    head are taken over where their shapes agree.

    Args:
        network: Changed in place.
        start: The weights.
        classes: Labels of its outputs; none for a regression.

    Raises:
        SettingError: The features are not the same: names the first difference.
    """
    own = network.state_dict()
    given = from_torchvision(network, start.tensors) if start.facts is None else start.tensors
    check_features(own, given, start)
    kept = bool(classes) and list(start.classes) == list(classes)
    last = _last_layers(network)
    taken, reasons = [], dict[str, None]()
    for name, value in own.items():
        why = _obstacle(name, value, given)
        if name in given and not kept and name.startswith(tuple(last)):
            why = "answers other classes" if classes else "the last layer of a regression"
        if why and name.endswith(_COUNTS):
            continue  # older files do not count batches; nothing is computed with the count
        if why:
            reasons[why] = None
        else:
            taken.append(name)
    if not taken:
        raise SettingError(
            f"{start.path}: nothing can be taken over, since the network is a head alone and the "
            "classes are others: start without it"
        )
    with torch.no_grad():
        for name in taken:
            own[name].copy_(given[name])
    there = set(taken)
    new = tuple(n for n in own if n not in there and not n.endswith(_COUNTS))
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    if kept and not new:
        reasons["the head too: the classes are the same"] = None
    return Taken(
        start,
        (len(taken), len(own)),
        (sum(sizes.get(name, 0) for name in taken), sum(sizes.values())),
        new,
        tuple(reasons),
    )


def _obstacle(name: str, value: Tensor, given: Mapping[str, Tensor]) -> str:
    """Why a tensor cannot be taken over; empty when it can."""
    if name not in given:
        return "not in the file"
    return "" if given[name].shape == value.shape else "of another shape"


def _last_layers(network: nn.Module) -> list[str]:
    """Beginnings of the names of the layers that answer: the last with weights of each head."""
    heads = [name for name, _ in network.named_children() if name not in (FEATURES, *_BESIDE)]
    for part in _BESIDE:
        beside = getattr(network, part, None)
        if isinstance(beside, nn.Module):
            heads += [f"{part}.{name}" for name, _ in beside.named_children()]
    found = []
    for head in heads:
        weighted = [
            ".".join(filter(None, (head, name)))
            for name, module in network.get_submodule(head).named_modules()
            if any(True for _ in module.parameters(recurse=False))
        ]
        found += [f"{name}." for name in weighted[-1:]]
    return found


def check_features(own: Mapping[str, Tensor], given: Mapping[str, Tensor], start: Start) -> None:
    """Refuse weights whose features are not the network's.

    Args:
        own: The network's tensors.
        given: Those to be taken over, under the network's names.
        start: Where they come from.

    Raises:
        SettingError: Names the first difference and what mends it.
    """
    before = f"{FEATURES}."
    for name, value in own.items():
        if not name.startswith(before):
            continue
        if name not in given:
            if name.endswith(_COUNTS):
                continue
            raise SettingError(f"{start.path} does not fit: it has no '{name}'. {_which(start)}")
        if given[name].shape != value.shape:
            shapes = [_shape(tensor) for tensor in (given[name], value)]
            raise SettingError(
                f"{start.path} does not fit: '{name}' is {shapes[0]} there and {shapes[1]} here. "
                + _mend(value, given[name], start)
            )
    for name in given:
        if name.startswith(before) and name not in own:
            raise SettingError(
                f"{start.path} does not fit: it has '{name}', which this network lacks. "
                f"{_which(start)}"
            )


def _mend(ours: Tensor, theirs: Tensor, start: Start) -> str:
    """The setting by which two shapes of one layer become the same."""
    if start.facts is not None:
        return _which(start)
    if ours.dim() == 4 == theirs.dim():
        if ours.shape[2:] != theirs.shape[2:]:
            stem = "imagenet" if theirs.shape[2] > ours.shape[2] else "small"
            return f"Set stem={stem}."
        if ours.shape[0] == theirs.shape[0] and theirs.shape[1] in (1, 3):
            return f"Read the images with {theirs.shape[1]} channels (--channels)."
    if theirs.dim() and ours.dim() and ours.shape[0] != theirs.shape[0]:
        return "Set width to that of the file (64 as published), or name its network."
    return _which(start)


def _which(start: Start) -> str:
    """Which network the weights are of."""
    if start.facts is None:
        return "Name the network that the file is of."
    shape = "×".join(map(str, start.facts["input_shape"]))
    settings = ", ".join(f"{k}={v}" for k, v in start.network_settings.items())
    return (
        f"It holds network {start.network} for inputs of {shape}"
        + (f" with {settings}" if settings else "")
        + "; without other settings here, that is what is built."
    )


def channels_of(start: Start) -> int | None:
    """Channels of the images that weights in torchvision's format take; None where unknown."""
    filters = [tensor.shape[1] for tensor in start.tensors.values() if tensor.dim() == 4]
    channels = min(filters, default=0)
    return channels if channels in (1, 3) else None


def normalizer_of(start: Start, network: str) -> Normalizer | None:
    """How weights in torchvision's format expect pixels to be normalized.

    None where nobody says: torchvision has no weights for grey images.

    Args:
        start: The weights.
        network: The catalog's name of the network.
    """
    if channels_of(start) == 1:
        return None
    return HALF if network == "googlenet" else IMAGENET


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _shown(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
