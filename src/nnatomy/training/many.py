"""Training several networks on the same records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from nnatomy.training.fit import fit
from nnatomy.training.objectives import Objective
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.types import Samples


def fit_many(
    networks: Sequence[nn.Module],
    train: Samples,
    valid: Samples | None = None,
    *,
    objective: str | Objective = "cross_entropy",
    settings: Sequence[Settings],
    observers: Sequence[Observer] = (),
    stop: Callable[[], bool] = lambda: False,
) -> list[Session]:
    """Train several networks, each with settings of its own, on the same records."""
    return [
        fit(
            network,
            train,
            valid,
            objective=objective,
            settings=own,
            observers=observers,
            stop=stop,
        )
        for network, own in zip(networks, settings, strict=True)
    ]
