"""Maps of the examples in a training report: small, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from nnatomy.errors import DataError
from nnatomy.explain.methods import explain
from nnatomy.types import Samples

_CELLS = 16
"""Rows and columns that are kept of a map at most."""
_BATCH = 16


def example_maps(
    network: nn.Module, samples: Samples, positions: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """What the network saw of the class that it predicts, by position.

    Args:
        network: Trained.
        samples: Images.
        positions: Which of them; they may be named twice.

    Returns:
        For each position method, faithfulness, and values: rows of at most 16×16 numbers. Nothing
        where the network's outputs are not finite.
    """
    chosen = sorted(set(positions))
    found: list[dict[str, Any]] = []
    try:
        for batch in samples.batches(torch.tensor(chosen), _BATCH):
            found += _maps(network, batch.inputs)
    except DataError:
        return {}
    return dict(zip(chosen, found, strict=True))


def _maps(network: nn.Module, images: torch.Tensor) -> list[dict[str, Any]]:
    explanation = explain(network, images)
    height, width = explanation.values.shape[1:]
    size = (min(_CELLS, height), min(_CELLS, width))
    small = adaptive_avg_pool2d(explanation.values[:, None].float(), size)[:, 0]
    return [
        {
            "method": explanation.method,
            "faithfulness": round(float(faithfulness), 4),
            "values": [[float(f"{value:.3g}") for value in row] for row in values.tolist()],
        }
        for values, faithfulness in zip(small, explanation.faithfulness, strict=True)
    ]
