"""A small training run in which everything that a checkpoint has to hold plays a part."""

from __future__ import annotations

import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.training.settings import Settings
from nnatomy.training.state import State

STEPS, STEPS_PER_EPOCH = 60, 5

SETTINGS = Settings(
    epochs=12,
    batch_size=8,
    lr=0.01,
    optimizer="adam",
    schedule="cosine",
    l2=0.01,
    clip_norm=1.0,
    weight_tol=1e-9,
    patience=50,
    seed=3,
    threads=1,
)


def network_of(seed: int) -> nn.Module:
    """With dropout (random state) and batch normalization (buffers)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 3)
        )


def data_of(records: int, seed: int) -> TensorSamples:
    inputs = torch.randn(records, 6, generator=torch.Generator().manual_seed(seed))
    return TensorSamples(inputs, inputs[:, :3].argmax(1))


def state_of(step: int) -> State:
    """A state whose content tells its step."""
    tensors = {"w": torch.full((40, 10), float(step)), "count": torch.tensor(step)}
    return State(tensors, {"step": step, "history": [step / 7.0] * 5})
