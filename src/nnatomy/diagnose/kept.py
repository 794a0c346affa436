"""What is kept of the records that pass through a loop of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.examination import examine_records, target_facts
from nnatomy.diagnose.guessing import loss_of_guessing, objective_of
from nnatomy.diagnose.pairs import alike, answered_facts, as_classes, without_copies

_KEPT, _KEPT_VALUES = 2000, 1 << 24
"""Records that are kept to look at, and input values of them together."""
_KEPT_TARGETS = 1 << 21
"""Numbers of targets that are kept to guess from."""
_ANSWERED = 8
"""Batches of answers that are kept."""


class Kept:
    """Copies of records, targets and answers, as many as are needed to judge them.

    Copies, since a loop may fill the same tensors anew for each batch.

    Args:
        loss: The loss module or function.
    """

    def __init__(self, loss: object) -> None:
        self._loss = loss
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._targets: list[Tensor] = []
        self._answers: dict[str, list[tuple[Tensor, Tensor]]] = {"train": [], "valid": []}

    def add(self, inputs: Tensor | None, outputs: Tensor, targets: Tensor) -> None:
        """Keep a batch, unless there is enough of it.

        Args:
            inputs: What the first layer was fed, where somebody listened.
            outputs: What the loss was given.
            targets: The same.
        """
        outputs, targets = _copy(outputs), _copy(targets)
        self._answers["train"] = [*self._answers["train"], (outputs, targets)][-_ANSWERED:]
        if sum(own.numel() for own in self._targets) < _KEPT_TARGETS:
            self._targets.append(targets)
        if inputs is not None and len(inputs) == len(targets) and self._has_room():
            self._seen.append((_copy(inputs), targets))

    def validated(self, outputs: Tensor, targets: Tensor) -> None:
        """Keep the answers to validation records, the last ones."""
        self._answers["valid"] = [(_copy(outputs), _copy(targets))]

    def facts(self, *, guess: bool) -> dict[str, Any]:
        """What the records, their targets and the answers say.

        Args:
            guess: Whether the loss that was told of is that of the loss module or function, so
                that what guessing costs by it can be compared.
        """
        objective = objective_of(self._loss)
        facts: dict[str, Any] = {"objective": objective}
        if self._seen and alike(self._seen):  # copies would tell on each other
            inputs, targets = without_copies(self._seen)
            facts |= examine_records(TensorSamples(inputs, self._classes(targets)), objective)
        elif self._targets and not self._seen:
            facts["unmatched"] = True
        facts |= self._about_targets(facts, guess)
        for which, pairs in self._answers.items():
            if pairs and alike(pairs):
                outputs, targets = (torch.cat([pair[i] for pair in pairs]) for i in (0, 1))
                facts |= answered_facts(which, outputs, self._classes(targets), objective)
        facts["sorted"] = None  # the order of the records is not known
        return facts

    def _about_targets(self, facts: dict[str, Any], guess: bool) -> dict[str, Any]:
        """As often as they came: guessing follows how frequent they are."""
        if not _same_shape(self._targets):
            return {"chance_loss": None, "perfect_loss": None} if "records" in facts else {}
        targets = torch.cat(self._targets)
        found = {} if "not_finite" in facts else target_facts(self._classes(targets))
        if "records" in facts:  # what single columns are compared with, each record once
            found.pop("chance_score", None)
        outputs = self._answers["train"][-1][0]
        costs = loss_of_guessing(self._loss, targets, outputs) if guess else None
        return found | dict(
            zip(("chance_loss", "perfect_loss"), costs or (None, None), strict=True)
        )

    def _classes(self, targets: Tensor) -> Tensor:
        """Class numbers, -100 where the loss ignores them."""
        ignored = getattr(self._loss, "ignore_index", None)
        if ignored is not None and not targets.is_floating_point():
            targets = targets.masked_fill(targets == ignored, -100)
        return as_classes(targets, objective_of(self._loss))

    def _has_room(self) -> bool:
        records = sum(len(targets) for _, targets in self._seen)
        return records < _KEPT and sum(inputs.numel() for inputs, _ in self._seen) < _KEPT_VALUES


def _copy(values: Tensor) -> Tensor:
    return values.detach().to("cpu", copy=True)


def _same_shape(tensors: Sequence[Tensor]) -> bool:
    return len({own.shape[1:] for own in tensors}) == 1
