"""Outputs and targets as a loss of the user's own is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnatomy.diagnose.examination import answers_facts
from nnatomy.diagnose.guessing import VALUES
from nnatomy.training.objectives import objective_named

_BINARY = ("binary_cross_entropy", "binary_probability")


def finite(value: Any) -> bool:
    """Whether all numbers of a tensor are finite; True for anything else."""
    return not isinstance(value, Tensor) or bool(torch.isfinite(value).all())


def alike(pairs: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether batches can be put together."""
    return len({(one.shape[1:], other.shape[1:]) for one, other in pairs}) == 1


def mismatch(loss: object, outputs: Tensor, targets: Tensor) -> str:
    """What is wrong with shapes that a loss of differences stretches to fit each other."""
    by_value = isinstance(loss, nn.MSELoss | nn.L1Loss | nn.SmoothL1Loss | nn.HuberLoss)
    if not by_value or outputs.shape == targets.shape:
        return ""
    return (
        f"outputs of shape {tuple(outputs.shape)} are compared with targets of shape "
        f"{tuple(targets.shape)}, each with every other"
    )


def without_copies(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Each record once, though it came in several epochs: copies would tell on each other."""
    inputs, targets = (torch.cat([pair[i] for pair in pairs]) for i in (0, 1))
    rows = torch.cat([part.reshape(len(inputs), -1).double() for part in (inputs, targets)], 1)
    _, first = np.unique(rows.numpy(), axis=0, return_index=True)
    kept = torch.from_numpy(np.sort(first))
    return inputs[kept], targets[kept]


def as_classes(targets: Tensor, objective: str) -> Tensor:
    """Class numbers, where answers are written as 0.0 and 1.0 or as probabilities.

    Whole numbers that a loss of differences or counts is given are values and no classes.
    """
    if not targets.is_floating_point():
        return targets.float() if objective in VALUES else targets
    if not finite(targets):
        return targets.float()
    if objective in _BINARY and targets[0].numel() == 1:
        return (targets.reshape(-1) > 0.5).long()
    if objective == "cross_entropy" and targets.dim() == 2:
        return targets.argmax(1)
    return targets.float()


def answered_facts(which: str, outputs: Tensor, targets: Tensor, objective: str) -> dict[str, Any]:
    """The facts about answers where there is one row of them for each target."""
    if outputs.dim() == 1:
        outputs = outputs[:, None]
    classes = not targets.is_floating_point()
    if outputs.dim() != 2 or targets.dim() > (1 if classes else 2) or not len(targets):
        return {}
    if objective == "binary_probability":
        outputs, objective = outputs.float().logit(1e-6), "binary_cross_entropy"
    several = objective == "binary_cross_entropy" and outputs.shape[1] > 1
    if several or (not classes and targets.numel() != outputs.numel()):
        return {}
    if classes:
        outputs, targets = outputs[targets >= 0], targets[targets >= 0]
    single = objective == "binary_cross_entropy" and outputs.shape[1] == 1
    own = objective_named(objective) if single else None
    return answers_facts(which, outputs, targets, own) if len(targets) else {}
