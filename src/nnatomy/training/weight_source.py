"""Weights to start from: an earlier model of nnatomy, or a file in torchvision's format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nnatomy.errors import IntegrityError, SettingError
from nnatomy.models.catalog import entry_of
from nnatomy.training.atomic import file_error
from nnatomy.training.model_file import read_model

_CHUNK = 1 << 20
_LENGTH_BYTES, _LONGEST_HEADER = 8, 100_000_000
_OWN = "nnatomy"
"""The entry of a safetensors header by which a model file of ours is known."""
_ARCHIVES = (b"PK", b"\x80")
"""How PyTorch's own files begin: as a zip archive, or as a pickle."""
_COUNTS = "num_batches_tracked"
"""The name of the only whole numbers among a network's tensors."""
_VARIANCE = "running_var"


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Args:
        path: Where they came from, as the user wrote it.
        sha256: Digest of the file.
        tensors: By the names that the file gives them; floats are float32.
        facts: What the file says of the network, where it is a model of nnatomy's; None for a file
            in torchvision's format.
        converted: The types of numbers that became float32, e.g. "float16"; "" for none.
    """

    path: str
    sha256: str
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] | None
    converted: str = ""

    @property
    def classes(self) -> Sequence[Any]:
        """The labels of its outputs; none where they are not known."""
        return () if self.facts is None else tuple(self.facts["codec"]["task"]["classes"])

    @property
    def network(self) -> str | None:
        """The catalog's name of its network, where it is known."""
        return None if self.facts is None else str(self.facts["network"])

    @property
    def network_settings(self) -> dict[str, Any]:
        """The settings of its network, where they are known."""
        return {} if self.facts is None else dict(self.facts["network_settings"])


def read_start(source: str | Path) -> Start:
    """Read the weights of a run folder, of a model file, or of a file in torchvision's format.

    Nothing in these files can run. PyTorch's own files can hold code and are refused; `nnatomy
    import-weights` makes a file of tensors of them.

    Args:
        source: The folder or file.

    Raises:
        SettingError: There is no such file, or it is of another kind.
        IntegrityError: It is damaged.
        RunError: It cannot be read.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "model.nnatomy"
        if not path.is_file():
            raise SettingError(
                f"{source} has no model.nnatomy to start from: name the folder of a finished run"
            )
    if not path.is_file():
        raise SettingError(f"{source}: there is no such run folder or file of weights")
    header = _header(path)
    if _OWN in header:
        tensors, facts = read_model(path)
        _check_described(path, facts)
        return Start(str(source), digest_of(path), tensors, facts)
    tensors = read_tensors(path)
    tensors, converted = as_float32(path, tensors)
    return Start(str(source), digest_of(path), tensors, None, converted)


def settings_of(start: Start) -> dict[str, Any]:
    """The settings of a start's network, the stem that was chosen for its images included."""
    if start.facts is None:
        return {}
    entry, settings = entry_of(start.facts["network"]), start.network_settings
    if entry.fit is None:
        return settings
    return entry.fit(tuple(start.facts["input_shape"]), settings)


def _check_described(path: Path, facts: Mapping[str, Any]) -> None:
    try:
        described = (
            isinstance(facts["network"], str)
            and isinstance(facts["network_settings"], dict)
            and isinstance(facts["input_shape"], list)
            and isinstance(facts["codec"]["task"]["classes"], list)
        )
    except (KeyError, TypeError):
        described = False
    if not described:
        raise IntegrityError(f"{path} does not say what network it holds")


def _header(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file, after a look at whether it is one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(begin := file.read(_LENGTH_BYTES), "little")
            first = file.read(1)
            plain = first == b"{" and length <= _LONGEST_HEADER
            header = first + file.read(length - 1) if plain else b""
    except OSError as error:
        raise file_error("read", path, error) from error
    if begin.startswith(_ARCHIVES) and not plain:
        raise SettingError(
            f"{path} is a file of PyTorch's own, which can hold code; make a file of tensors of it "
            f"first: nnatomy import-weights {path} --network NAME --out "
            f"{path.with_suffix('.safetensors').name}"
        )
    if not plain:
        raise IntegrityError(f"{path} is neither a model of nnatomy's nor safetensors")
    try:
        metadata = json.loads(header).get("__metadata__") or {}
    except (ValueError, AttributeError, RecursionError):
        raise IntegrityError(f"{path} is damaged, or is no safetensors file") from None
    return metadata if isinstance(metadata, dict) else {}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        IntegrityError: It is damaged or cut short.
    """
    try:
        return dict(safetensors.torch.load_file(path))
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise IntegrityError(
            f"{path} is damaged, or is no safetensors file ({error}); get a new copy"
        ) from None
    except OSError as error:
        raise file_error("read", path, error) from error


def digest_of(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal characters."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise file_error("read", path, error) from error
    return digest.hexdigest()


def as_float32(path: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors with all floats in single precision, and which types they had before.

    Args:
        path: For messages.
        tensors: By name.

    Raises:
        IntegrityError: A tensor holds neither floats nor counts of batches, or NaN or infinite
            values, or variances below 0.
    """
    plain, others = {}, set()
    for name, tensor in sorted(tensors.items()):
        if not tensor.is_floating_point():
            if not name.endswith(_COUNTS) or tensor.is_complex():
                raise IntegrityError(f"{path}: '{name}' holds {_type(tensor)}, weights are floats")
            plain[name] = tensor
            continue
        if tensor.dtype != torch.float32:
            others.add(_type(tensor))
        plain[name] = tensor.float()
        if not bool(torch.isfinite(plain[name]).all()):
            raise IntegrityError(f"{path}: '{name}' holds values that are not finite")
        if name.endswith(_VARIANCE) and bool((plain[name] < 0).any()):
            raise IntegrityError(f"{path}: '{name}' holds variances below 0")
    return plain, ", ".join(sorted(others))


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
