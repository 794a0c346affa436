"""Starting a training job from earlier weights: what concerns tables and run folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import nn

from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.prepared import Prepared
from nnatomy.data.table import TableCodec
from nnatomy.errors import IntegrityError, RunError
from nnatomy.jobs.data_lines import Say, silent
from nnatomy.training import starting
from nnatomy.training.atomic import write_json
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.weight_source import Start


def inputs_like(
    start: Start | None, network: str | None
) -> Normalizer | ImageCodec | TableCodec | None:
    """How inputs are coded, so that they mean to the network what they meant before.

    Raises:
        IntegrityError: The start's description of its inputs cannot be read.
    """
    if start is None:
        return None
    if start.facts is not None and start.facts["codec"]["format"] == "table":
        return TableCodec.from_json(start.facts["codec"])
    return starting.pixels_like(start, network or "")


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
    classes, codec = prepared.task.classes, prepared.codec.to_json()
    taken, line = starting.begin(start, network, name, classes, codec)
    if folder is not None:
        _remember(folder, taken)
    say(line)


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
