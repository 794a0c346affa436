"""A small network, records and settings for runs of fit()."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.models.mlp import MLP
from nnatomy.training.settings import Settings

SETTINGS = Settings(epochs=4, batch_size=8, lr=0.01, seed=3, device="cpu")


def network(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return MLP((6,), 3, **{"hidden": (10,), "activation": "tanh", **settings})


def data(count: int = 29, seed: int = 1, weighted: bool = False) -> TensorSamples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=generator)
    noise = torch.randn(count, 3, generator=generator)
    targets = (inputs[:, :3] + 0.5 * noise).argmax(1)
    weights = torch.rand(count, generator=generator) + 0.5 if weighted else None
    return TensorSamples(inputs, targets, weights)


def same_weights(a: nn.Module, b: nn.Module, atol: float = 0.0) -> None:
    first, second = a.state_dict(), b.state_dict()
    assert list(first) == list(second)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=atol, msg=name)
