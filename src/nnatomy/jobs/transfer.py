"""Starting a training job from earlier weights: what of the job follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Prepared
from nnatomy.data.table import TableCodec
from nnatomy.errors import DataError, IntegrityError, RunError, SettingError
from nnatomy.jobs.config import TrainConfig
from nnatomy.jobs.data_lines import Say, silent
from nnatomy.models.catalog import entry_of
from nnatomy.training.atomic import write_json
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.transfer import normalizer_of, take_over
from nnatomy.training.weight_source import Start, read_start

_COLOR = (1, 3)


def start_of(config: TrainConfig) -> Start | None:
    """The weights that a job starts from, read; None where it starts anew.

    Raises:
        SettingError: There is no such file, it is of another kind, or the network cannot be told.
        IntegrityError: It is damaged.
    """
    if config.start is None:
        return None
    start = read_start(config.start)
    if start.facts is None and config.network is None:
        raise SettingError(f"{config.start} does not say what network it is of: add --network")
    if start.facts is None and entry_of(config.network or "").needs != "image":
        raise SettingError(f"{config.start} is of a network for images, not of {config.network}")
    return start


def images_like(images: ImageSettings, start: Start | None) -> ImageSettings:
    """How images are read, with the size and the channels of the start where none are named."""
    if start is None:
        return images
    if start.facts is not None:
        codec = start.facts["codec"]
        if codec["format"] != "images":
            return images
        size, channels = tuple(codec["size"]), int(codec["channels"])
        return replace(images, size=images.size or size, channels=images.channels or channels)
    filters = [tensor.shape[1] for tensor in start.tensors.values() if tensor.dim() == 4]
    channels = min(filters, default=0)
    usable = channels in _COLOR and images.channels is None
    return replace(images, channels=channels) if usable else images


def inputs_like(start: Start | None, network: str | None) -> Normalizer | TableCodec | None:
    """How inputs are coded, so that they mean to the network what they meant before.

    Raises:
        IntegrityError: The start's description of its inputs cannot be read.
    """
    if start is None:
        return None
    if start.facts is not None and start.facts["codec"]["format"] == "table":
        return TableCodec.from_json(start.facts["codec"])
    return normalizer_of(start, network or "")


def _check_pixels(prepared: Prepared, start: Start) -> None:
    """Refuse images of another scale than those that the weights were learned from."""
    now = prepared.codec.to_json().get("pixels")
    before = "bytes" if start.facts is None else start.facts["codec"].get("pixels")
    if now != before:
        raise DataError(
            f"the images hold {now}, those that {start.path} was trained on {before}: give {before}"
        )


def begin(
    start: Start,
    network: nn.Module,
    name: str,
    prepared: Prepared,
    *,
    folder: RunFolder | None = None,
    say: Say = silent,
) -> None:
    """Give the network the weights of the start; say and write down what was taken over.

    Args:
        start: The weights.
        network: Changed in place.
        name: Its name in the catalog.
        prepared: The records.
        folder: The run folder; None to try out.
        say: Receives one line.

    Raises:
        SettingError: The weights do not fit the network.
        DataError: The images are of another scale.
        RunError: The weights have changed since the run began.
    """
    _check_pixels(prepared, start)
    taken, inputs = take_over(network, start, prepared.task.classes), _input_words(start, name)
    if folder is not None:
        _remember(folder, taken.to_json() | {"inputs": inputs})
    say(f"{taken.line()}; {inputs}")


def _input_words(start: Start, network: str) -> str:
    """How inputs are coded, in words."""
    if start.facts is None:
        whose = "0.5" if network == "googlenet" else "ImageNet's"
        return f"pixels are normalized by the mean and spread {whose}, as these weights expect"
    if start.facts["codec"]["format"] == "table":
        return "columns are coded as for these weights"
    return "pixels are normalized by the mean and spread of the images they were learned from"


def _remember(folder: RunFolder, taken: Mapping[str, Any]) -> None:
    """Write down in the run folder what was taken over; refuse other weights than at its begin."""
    if folder.transfer.exists():
        try:
            earlier = json.loads(folder.transfer.read_bytes())["sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{folder.transfer} is damaged ({error}); --overwrite") from None
        if earlier != taken["sha256"]:
            raise RunError(
                f"the weights {taken['from']} have changed since the run in {folder.path} began; "
                "add --overwrite to start anew or choose another --out"
            )
        return
    write_json(folder.transfer, dict(taken))
