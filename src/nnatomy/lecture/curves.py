"""What curves of several starts have in common: every start faint, their mean strong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from nnatomy.training.session import Session

End = tuple[float, float, str, str]


def columns(sessions: Sequence[Session], name: str) -> NDArray[np.float64]:
    """One value of every epoch of every run, (runs, epochs)."""
    return np.array([session.history.column(name) for session in sessions], dtype=np.float64)


def last(sessions: Sequence[Session], name: str) -> NDArray[np.float64]:
    """One value of the last epoch of every run; infinite where a run broke off.

    Shape: (runs,).
    """
    values = [s.history[-1][name] if s.error is None else np.inf for s in sessions]
    return np.array(values, dtype=np.float64)


def draw_starts(axes: Axes, curves: NDArray[np.float64], name: str, color: str) -> End:
    """Draw curves (starts, epochs) and their mean.

    Returns:
        x, y, name and color of the mean's end, as `label_ends` takes them.
    """
    epochs, mean = np.arange(1, curves.shape[1] + 1), curves.mean(0)
    axes.plot(epochs, curves.T, color=color, alpha=0.25, linewidth=1.2)
    axes.plot(epochs, mean, color=color)
    return float(epochs[-1]), float(mean[-1]), name, color


def lower_in(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """In how many starts, paired, the one is lower than the other; in words."""
    return f"lower in {int((one < other).sum())} of {len(one)} starts"
