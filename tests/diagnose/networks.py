"""Small networks, records and ways to compare runs for the tests of diagnoses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples


class Recurrent(nn.Module):
    """A GRU, and a linear layer on its last step; the head is registered first."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 3)
        self.gru = nn.GRU(2, 5, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.gru(inputs.reshape(len(inputs), 3, 2))[0][:, -1])


class CellLoop(nn.Module):
    """One cell applied to each step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.RNNCell(2, 5), nn.Linear(5, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        state = torch.zeros(len(inputs), 5)
        for step in inputs.reshape(len(inputs), 3, 2).unbind(1):
            state = self.cell(step, state)
        return self.head(state)


class Words(nn.Module):
    """An embedding of word numbers."""

    def __init__(self, sparse: bool = False) -> None:
        super().__init__()
        self.words = nn.Embedding(40, 8, sparse=sparse)
        self.head = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.words(inputs).mean(1))


class Forgetful(nn.Module):
    """A layer that is never called, one that is called twice, and a tuple as the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice = nn.Linear(6, 6), nn.Linear(6, 6)
        self.never, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.twice(self.twice(self.first(inputs).relu()).relu())
        return self.head(hidden), hidden


def mlp(dropout: float = 0.3) -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(8, 3),
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    )


BUILDS = {"mlp": mlp, "cnn": cnn, "gru": Recurrent, "cell": CellLoop}


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return BUILDS[name]()


def records(count: int = 60, seed: int = 1) -> TensorSamples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=generator)
    return TensorSamples(inputs, inputs[:, :3].argmax(1))


def hooks_of(network: nn.Module) -> int:
    names = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(m, name)) for m in network.modules() for name in names)


def batches(samples: TensorSamples, size: int, epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
    for _ in range(epochs):
        for batch in samples.batches(None, size):
            yield batch.inputs, batch.targets


def same_tensors(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert list(one) == list(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
