"""What follows for a training from the weights it starts from: network, settings and inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.images import ImageSettings
from nnatomy.errors import DataError, SettingError
from nnatomy.models.catalog import checked_settings, entry_of, network_settings
from nnatomy.training.transfer import channels_of, normalizer_of, take_over
from nnatomy.training.weight_source import Start, read_start, settings_of

PART_SETTINGS = ("freeze", "warm_up", "earlier_rate")
"""Settings of training that have a meaning for trained weights only."""


def start_for(source: str | Path | None, network: str | None) -> Start | None:
    """The weights that a training starts from, read; None where it starts anew.

    Args:
        source: A run folder, a model file, a file in torchvision's format, or None.
        network: The catalog's name of the network where one was asked for.

    Raises:
        SettingError: There is no such file, it is of another kind, or the network cannot be told.
        IntegrityError: It is damaged.
    """
    if source is None:
        return None
    start = read_start(source)
    if start.facts is None and network is None:
        raise SettingError(
            f"{source} does not say what network it is of: add --network (network= in Python)"
        )
    if start.facts is None and entry_of(network or "").needs != "image":
        raise SettingError(f"{source} is of a network for images, not of {network}")
    return start


def require_start(given: Collection[str], start: Any) -> None:
    """Refuse settings for trained weights where there are none.

    Args:
        given: Names of the settings that were asked for.
        start: The weights, or where they are; None where training starts anew.

    Raises:
        SettingError: Names the setting.
    """
    for name in PART_SETTINGS:
        if name in given and start is None:
            raise SettingError(
                f"{name} is for a network that starts from trained weights: name them with "
                "--from (start= in Python)"
            )


def settings_like(name: str, given: Mapping[str, Any], start: Start | None) -> dict[str, Any]:
    """All settings of a network; those not given are the start's where it is of this network.

    Args:
        name: The catalog's name of the network.
        given: Settings that were asked for.
        start: The weights; None where training starts anew.

    Raises:
        SettingError: A setting is unknown or its value does not fit its type.
    """
    chosen = {**network_settings(name), **checked_settings(name, given)}
    if start is not None and name == start.network:
        chosen = {**network_settings(name), **settings_of(start), **given}
        chosen |= checked_settings(name, chosen)
    return chosen


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
    return replace(images, channels=images.channels or channels_of(start))


def pixels_like(start: Start | None, network: str) -> Normalizer | ImageCodec | None:
    """How pixels are coded, so that they mean to the network what they meant before.

    Args:
        start: The weights; None where training starts anew.
        network: The catalog's name of the network.

    Raises:
        SettingError: The start learned from a table.
        IntegrityError: The start's description of its inputs cannot be read.
    """
    if start is None:
        return None
    if start.facts is None:
        return normalizer_of(start, network)
    if start.facts["codec"]["format"] == "table":
        raise SettingError(f"{start.path} learned from a table, not from images")
    return ImageCodec.from_json(start.facts["codec"])


def begin(
    start: Start,
    network: nn.Module,
    name: str,
    classes: Sequence[Any],
    codec: Mapping[str, Any],
) -> tuple[dict[str, Any], str]:
    """Give a network the weights of a start.

    Args:
        start: The weights.
        network: Changed in place.
        name: Its name in the catalog.
        classes: Labels of its outputs; none for a regression.
        codec: How the records become its inputs, as JSON-able values.

    Returns:
        What was taken over, as JSON-able values and in one line.

    Raises:
        SettingError: The weights do not fit the network.
        DataError: The images are of another scale.
    """
    _check_pixels(codec, start)
    taken, inputs = take_over(network, start, classes), _input_words(start, name)
    return taken.to_json() | {"inputs": inputs}, f"{taken.line()}; {inputs}"


def _check_pixels(codec: Mapping[str, Any], start: Start) -> None:
    """Refuse images of another scale than those that the weights were learned from."""
    now = codec.get("pixels")
    before = "bytes" if start.facts is None else start.facts["codec"].get("pixels")
    if now != before:
        raise DataError(
            f"the images hold {now}, those that {start.path} was trained on {before}: give {before}"
        )


def _input_words(start: Start, network: str) -> str:
    """How inputs are coded, in words."""
    if start.facts is None and channels_of(start) == 1:
        return "pixels are normalized by their own mean and spread, the weights being for grey ones"
    if start.facts is None:
        google = network == "googlenet"
        by = "a mean and spread of 0.5" if google else "ImageNet's mean and spread"
        return f"pixels are normalized by {by}, as these weights expect"
    if start.facts["codec"]["format"] == "table":
        return "columns are coded as for these weights"
    return "pixels are normalized by the mean and spread of the images they were learned from"
