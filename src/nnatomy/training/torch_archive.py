"""Reading PyTorch's own files of weights (.pth, .pt): the one place where torch.load is called.

Such a file is a pickle, which can run code. It is read here by PyTorch's restricted reader, which
builds tensors and plain containers and refuses everything else, and only for `import_weights`,
which writes what it found into a file of tensors alone. A test holds both.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nnatomy.errors import IntegrityError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Where training scripts put the weights among other things."""

_PARALLEL = "module."
"""How names begin that were saved from a network wrapped by DataParallel."""

_FOREIGN = re.compile(r"GLOBAL (\S+)")


def read_archive(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file by name, on the CPU; nothing in the file is run.

    Args:
        path: An existing file.

    Raises:
        IntegrityError: It is damaged, or holds more than tensors in plain containers.
    """
    try:
        loaded = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # what a damaged or hostile file leads to is not foreseeable
        raise IntegrityError(f"{path} was not loaded: {_reason(error)}") from None
    for name in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    return _tensors(path, loaded)


def _tensors(path: Path, loaded: Any) -> dict[str, Tensor]:
    if not isinstance(loaded, Mapping) or not loaded:
        raise IntegrityError(f"{path} holds a {type(loaded).__name__}, not tensors by name")
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise IntegrityError(
                f"{path} holds a {type(value).__name__} as '{name}', where weights are tensors by "
                "name: save network.state_dict() alone"
            )
        if why := _unusual(value):
            raise IntegrityError(f"{path}: '{name}' {why}, where weights are plain tensors")
    if all(name.startswith(_PARALLEL) for name in loaded):
        return {name.removeprefix(_PARALLEL): value for name, value in loaded.items()}
    return dict(loaded)


def _unusual(tensor: Tensor) -> str:
    """What sets a tensor apart from numbers that lie in the file; empty where nothing does."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return "is sparse or nested"
    if tensor.device.type != "cpu":
        return f"has no numbers in it (device {tensor.device})"
    # A few numbers in the file can stand for more than fit into memory.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "repeats the same numbers"
    return ""


def _reason(error: Exception) -> str:
    foreign = _FOREIGN.search(str(error))
    if foreign:
        return (
            f"it asks for {foreign[1]}, which is no tensor and could run code; save "
            "network.state_dict() alone"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"it is no PyTorch file or is damaged ({lines[0][:200]})"
