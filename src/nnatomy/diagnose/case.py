"""Everything a check may look at: the record of one training run, without any tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    Args:
        name: Its name in the network.
        kind: Its class, e.g. "Linear".
        fed_by: The activation its inputs come from: "relu", "sigmoid", "tanh", another name,
            "sum" after a shortcut, or "input" for the first layer and "" where none is known.
        units: Its outputs (or channels).
        parameters: Numbers in its weights.
        recurrent: Whether it is applied to each step of a sequence in turn.
        fan_in: Inputs of a unit.
        dropout: Rate of the dropout that its inputs go through.
    """

    name: str
    kind: str
    fed_by: str
    units: int
    parameters: int
    recurrent: bool
    fan_in: int
    dropout: float = 0.0


@dataclass(frozen=True)
class Case:
    """The record of one training run.

    Args:
        layers: Layers with weights, in the order in which data pass through them.
        structure: What else is known of the network: dropout rates, normalizations, the last
            module, frozen parameters (see nnatomy.diagnose.anatomy).
        settings: How it was trained; a value is None where it is not known.
        facts: About the records and the trained network's answers (see
            nnatomy.diagnose.examination).
        rows: What the probe measured, step by step (see nnatomy.diagnose.probe).
        history: One row an epoch.
        failure: Why training broke off, where it did.
    """

    layers: Sequence[Layer]
    structure: Mapping[str, Any]
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    rows: Sequence[Row]
    history: Sequence[Row]
    failure: str = ""

    def column(self, name: str) -> list[Any]:
        """One measured quantity over the rows that have it."""
        return [row[name] for row in self.rows if row.get(name) is not None]

    def curve(self, name: str) -> list[float]:
        """One quantity over the epochs that have it."""
        return [float(row[name]) for row in self.history if row.get(name) is not None]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "structure": dict(self.structure),
            "settings": dict(self.settings),
            "facts": dict(self.facts),
            "rows": [dict(row) for row in self.rows],
            "history": [dict(row) for row in self.history],
            "failure": self.failure,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Case:
        """The record that `to_json` described."""
        layers = tuple(Layer(**layer) for layer in values["layers"])
        rest = {k: v for k, v in values.items() if k != "layers"}
        return cls(layers, **rest)
