"""What is to be learned: classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from nnatomy.types import Label

TaskKind: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class Task:
    """The learning task of a data set.

    Args:
        kind: "classification" (two or more classes) or "regression".
        reason: Why this kind was chosen, for the user to check.
        target: Name of the column (or of the folder level) that holds the answers.
        classes: The labels as they were given, in the order of the network's outputs;
            empty for regression.
    """

    kind: TaskKind
    reason: str
    target: str
    classes: tuple[Label, ...] = ()

    @property
    def outputs(self) -> int:
        """Number of output units: one a class, or one for a number."""
        return len(self.classes) if self.kind == "classification" else 1
