"""Points in the plane and what a network makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import nn

from nnatomy.report.projector import BLUE, ORANGE, SIGNED, plain_ticks

_SIDE = 160


def points_of(frame: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """The points (N, 2) of a toy problem and their labels (N,)."""
    return frame[["x1", "x2"]].to_numpy(copy=True), frame["label"].to_numpy(copy=True)


def accuracy_of(network: nn.Module, points: NDArray[Any], labels: NDArray[Any]) -> float:
    """Share of the points on their side, for a network with one output: positive means label 1."""
    return float(np.mean((_outputs(network, points) > 0) == (labels == 1)))


def _outputs(network: nn.Module, points: NDArray[Any]) -> NDArray[np.float64]:
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        outputs = network(torch.as_tensor(points, dtype=dtype))
    values: NDArray[np.float64] = outputs[:, 0].double().numpy()
    return values


def sigmoid(a: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """1 / (1 + exp(-a)), without overflow."""
    h: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(a, -500, 500)))
    return h


def draw_boundary(
    axes: Axes,
    network: nn.Module,
    points: NDArray[Any],
    labels: NDArray[Any],
    title: str,
    *,
    size: float = 14.0,
) -> None:
    """The probability of label 1 over the plane, the boundary, and the points."""
    margin = 0.25
    low, high = points.min(0) - margin, points.max(0) + margin
    grid = np.stack(
        np.meshgrid(np.linspace(low[0], high[0], _SIDE), np.linspace(low[1], high[1], _SIDE)), -1
    )
    outputs = _outputs(network, grid.reshape(-1, 2)).reshape(_SIDE, _SIDE)
    chances = sigmoid(outputs)
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(chances, extent=extent, origin="lower", cmap=SIGNED, vmin=-0.6, vmax=1.6)
    if outputs.min() < 0 < outputs.max():
        axes.contour(grid[..., 0], grid[..., 1], outputs, [0.0], colors="#222222", linewidths=2)
    if np.ptp(outputs) == 0:
        axes.text(0.5, 0.02, "one value everywhere", transform=axes.transAxes, ha="center")
    for label, color in ((0, ORANGE), (1, BLUE)):
        own = points[labels == label]
        axes.scatter(own[:, 0], own[:, 1], s=size, color=color, edgecolors="white", linewidths=0.3)
    axes.set_title(title)
    plain_ticks(axes)
