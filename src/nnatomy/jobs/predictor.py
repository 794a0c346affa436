"""A trained network with its preprocessing and its labels: what a model file gives back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nnatomy.data.bundled import bundled_names, load_bundled
from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.prepared import Codec, Encoded
from nnatomy.data.table import TableCodec
from nnatomy.data.task import Task
from nnatomy.errors import IntegrityError, NnatomyError, RunError
from nnatomy.models.catalog import build_network
from nnatomy.training.folding import for_inference
from nnatomy.training.inference import outputs_of
from nnatomy.training.model_file import read_model
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.types import Label, Samples

_CODECS: dict[str, type[TableCodec] | type[ImageCodec]] = {
    "table": TableCodec,
    "images": ImageCodec,
}


class Predictor:
    """Predicts for sources like the one it was trained on.

    Args:
        network: The trained network, in evaluation mode.
        codec: Turns a source into network inputs.
        objective: Decodes the network's outputs.
        facts: What the model file tells about the model and its making.
    """

    def __init__(
        self, network: nn.Module, codec: Codec, objective: Objective, facts: dict[str, Any]
    ) -> None:
        self.network = network
        self.codec = codec
        self.objective = objective
        self.facts = facts
        self._fast = for_inference(network)

    @property
    def task(self) -> Task:
        """What the network learned."""
        return self.codec.task

    def predict(self, source: Any) -> list[Label]:
        """The predicted label, or value, of each usable record.

        Args:
            source: A path, a frame or an array of the kind the network was trained on.

        Raises:
            DataError: The source cannot be used.
        """
        return self.decide(self.decoded(self.encode(source).samples))

    def predict_proba(self, source: Any) -> NDArray[np.float64]:
        """Class probabilities of each usable record, in the order of `task.classes`.

        Shape: (N, K).

        Raises:
            DataError: The source cannot be used, or the network predicts numbers.
        """
        if self.task.kind != "classification":
            raise NnatomyError("this network predicts numbers, not classes: use predict")
        return self.decoded(self.encode(source).samples)

    def table(self, encoded: Encoded, decoded: NDArray[np.float64] | None = None) -> pd.DataFrame:
        """Name, prediction and class probabilities of each record, with the truth if known."""
        decoded = self.decoded(encoded.samples) if decoded is None else decoded
        columns: dict[str, Any] = {"name": [_valid(name) for name in encoded.names]}
        if encoded.truth is not None:
            columns["truth"] = [_valid(value) for value in encoded.truth]
        columns["prediction"] = [_valid(value) for value in self.decide(decoded)]
        if self.task.kind == "classification":
            labels = enumerate(self.task.classes)
            columns |= {str(_valid(f"p_{label}")): decoded[:, k] for k, label in labels}
        return pd.DataFrame(columns)

    def decoded(self, samples: Samples) -> NDArray[np.float64]:
        """Class probabilities (N, K), or values (N,) in the user's units."""
        outputs, _ = outputs_of(self._fast, samples)
        values: NDArray[np.float64] = self.objective.decode(outputs).double().cpu().numpy()
        if self.task.kind == "classification":
            return values
        return self.codec.decode_value(values[:, 0])

    def encode(self, source: Any, *, answers: bool = False) -> Encoded:
        """Read a source; besides paths, frames and arrays it may be the name of a bundled set.

        Raises:
            DataError: The source cannot be used.
        """
        if isinstance(source, str) and not Path(source).exists() and source in bundled_names():
            source = load_bundled(source)
        return self.codec.encode(source, answers=answers)

    def decide(self, decoded: NDArray[np.float64]) -> list[Label]:
        """Labels of the most probable classes, or the values."""
        if self.task.kind == "classification":
            return [self.task.classes[k] for k in decoded.argmax(1)]
        return [float(value) for value in decoded]

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.facts["input_shape"]))
        what = f"{len(self.task.classes)} classes" if self.task.classes else "a number"
        return f"<Predictor {self.facts['network']}: {shape} values -> {what} ({self.task.target})>"


def _valid(value: Label) -> Label:
    """A name of a file or folder that is not valid UTF-8 with its odd bytes spelled out."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def load(path: str | Path) -> Predictor:
    """Load a model file, or the model of a run folder.

    Nothing in the file can run: it holds tensors and JSON, the network is built from the
    catalog, and every byte is covered by a digest.

    Raises:
        IntegrityError: The file is damaged, is no model, or does not fit its own description.
        RunError: There is no such file.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "config.json").exists() and not (path / "model.nnatomy").exists():
            raise RunError(f"the run in {path} has not finished: run its command again to go on")
        path = path / "model.nnatomy"
    tensors, facts = read_model(path)
    try:
        codec = _CODECS[facts["inputs"]].from_json(facts["codec"])
        objective = objective_named(facts["objective"])
        network = _rebuild(facts, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IntegrityError(f"{path} does not fit its own description: {reason}") from None
    return Predictor(network, codec, objective, facts)


def _rebuild(facts: dict[str, Any], tensors: dict[str, Tensor]) -> nn.Module:
    # On the meta device a network costs no memory, whatever sizes the file claims; it then takes
    # the tensors that are there, and nothing else.
    shape: Sequence[int] = facts["input_shape"]
    with torch.device("meta"):
        network = build_network(
            facts["network"], tuple(shape), facts["outputs"], facts["network_settings"]
        )
    network.load_state_dict(tensors, assign=True)
    return network.eval()
