"""Turning PyTorch's own files of weights into files of tensors that cannot run code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.catalog import (
    build_network,
    checked_settings,
    entry_of,
    network_settings,
)
from nnatomy.models.torchvision_names import from_torchvision, to_torchvision
from nnatomy.training.atomic import to_json, write_bytes
from nnatomy.training.torch_archive import read_archive
from nnatomy.training.transfer import check_features
from nnatomy.training.weight_source import Start, as_float32, digest_of

_SIDE = 224
_COUNTS = "num_batches_tracked"


@dataclass(frozen=True)
class Imported:
    """A file of weights that was written.

    Args:
        path: The new file.
        source: The file it was made of.
        sha256: Digest of that file.
        network: The catalog's name of the network.
        tensors: How many it holds.
        parameters: Numbers in them, counts of batches left aside.
        outputs: Answers of the network they belong to.
        converted: Types of numbers that became float32; "" for none.
        settings: Those of the network that a training from the file has to name.
    """

    path: str
    source: str
    sha256: str
    network: str
    tensors: int
    parameters: int
    outputs: int
    converted: str
    settings: dict[str, Any]


def import_weights(
    source: str | Path,
    network: str,
    *,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Imported:
    """Check a .pth or .pt file of a network's weights and write them as safetensors.

    The file is read by PyTorch's restricted reader: nothing in it is run. Names and shapes must be
    those that torchvision has for the network, with any number of classes; numbers must be finite.
    The result is written whole or not at all, with torchvision's names, and says in its metadata
    what it was made of. Settings of the stem and the width describe networks for small images.

    Args:
        source: The file.
        network: The catalog's name of its network.
        out: The file to write, ending in .safetensors.
        settings: Of the network, e.g. {"stem": "small", "width": 16}; torchvision's by default.
        overwrite: Replace a file that is there.

    Raises:
        SettingError: There is no such file, it is not of this network, or `out` cannot be meant.
        IntegrityError: It is damaged, or holds more than weights.
        RunError: The result cannot be written.
    """
    source, out = Path(source), Path(out)
    _check_paths(source, out, network, overwrite=overwrite)
    tensors, converted = as_float32(source, read_archive(source))
    start = Start(str(source), digest_of(source), tensors, None, converted)
    chosen = checked_settings(network, {"stem": "imagenet", **(settings or {})})
    body = _checked(start, network, chosen)
    about: dict[str, Any] = {"network": network, "source": source.name, "sha256": start.sha256}
    data = safetensors.torch.save(  # copies: tensors that share memory are refused there
        {
            name: tensor.clone(memory_format=torch.contiguous_format)
            for name, tensor in body.items()
        },
        {"format": "pt", "imported": to_json(about).decode()},
    )
    write_bytes(out, data)
    parameters = sum(t.numel() for name, t in body.items() if not name.endswith(_COUNTS))
    outputs = int(list(body.values())[-1].shape[0])
    return Imported(
        *(str(out), str(source), start.sha256, network),
        *(len(body), parameters, outputs, converted),
        _to_name(network, chosen),
    )


def _to_name(network: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults; the stem always, since it would go by the size of images."""
    usual = network_settings(network)
    if chosen["stem"] == "auto":
        chosen = {**chosen, "stem": "imagenet"}
    return {name: value for name, value in chosen.items() if value != usual[name]}


def _check_paths(source: Path, out: Path, network: str, *, overwrite: bool) -> None:
    if not source.is_file():
        raise SettingError(f"{source}: there is no such file")
    if entry_of(network).fit is None:
        raise SettingError(f"torchvision has no network '{network}': see nnatomy list networks")
    if out.suffix != ".safetensors":
        raise SettingError(f"--out {out}: name a file that ends in .safetensors")
    if out.exists() and not overwrite:
        raise SettingError(f"{out} is there already: add --overwrite, or choose another --out")


def _checked(start: Start, name: str, settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of the network in its order, under torchvision's names."""
    network = _sketch(name, 3, 1000, settings)
    _check_names(start, name)
    given = from_torchvision(network, start.tensors)
    channels, outputs = _sizes(network, given)
    network = _sketch(name, channels, outputs, settings)
    own = network.state_dict()
    check_features(own, given, start)
    theirs = dict(zip(own, to_torchvision(network), strict=True))
    body = {}
    for key, value in own.items():
        if key not in given:
            if key.endswith(_COUNTS):
                continue
            raise SettingError(f"{start.path} is not of {name}: it has no '{theirs[key]}'")
        if given[key].shape != value.shape:
            shapes = [list(tensor.shape) for tensor in (given[key], value)]
            raise SettingError(
                f"{start.path} is not of {name}: '{theirs[key]}' is {shapes[0]}, not {shapes[1]}"
            )
        body[theirs[key]] = given[key]
    for key in given:
        if key not in own:
            raise SettingError(f"{start.path} is not of {name}: it has '{key}', which that lacks")
    return body


def _check_names(start: Start, name: str) -> None:
    """Refuse nnatomy's own names, of which each network has a head and torchvision's has none."""
    own = next((key for key in start.tensors if key.startswith("head.")), None)
    if own is not None:
        raise SettingError(
            f"{start.path}: '{own}' is a name of nnatomy's own, torchvision's are expected: save "
            f"nnatomy.models.to_torchvision(network) of the {name}"
        )


def _sketch(name: str, channels: int, outputs: int, settings: Mapping[str, Any]) -> nn.Module:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return build_network(name, (channels, _SIDE, _SIDE), outputs, settings)


def _sizes(network: nn.Module, given: Mapping[str, Tensor]) -> tuple[int, int]:
    """Channels of the images and number of answers, as the file has them."""
    own = network.state_dict()
    first = next(name for name, value in own.items() if value.dim() == 4)
    last = next((name for name in list(own)[:-3:-1] if name in given), "")
    channels = given[first].shape[1] if first in given and given[first].dim() == 4 else 3
    outputs = given[last].shape[0] if last and given[last].dim() else 1000
    return channels if channels in (1, 3) else 3, outputs
