"""fit() against a training loop written out with torch.optim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from nnatomy.data.samples import TensorSamples
from nnatomy.training.fit import fit
from nnatomy.training.order import permutation
from nnatomy.training.settings import Settings
from toy_fit import SETTINGS, data, network, same_weights

BY_TORCH: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr, alpha=0.9),
    "adam": torch.optim.Adam,
}


def by_hand(net: nn.Module, samples: TensorSamples, settings: Settings) -> list[dict[str, float]]:
    """The plain loop."""
    optimizer = BY_TORCH[settings.optimizer](net.parameters(), lr=settings.lr)
    size = settings.batch_size or len(samples)
    steps = settings.epochs * -(-len(samples) // size)
    scheduler = CosineAnnealingLR(optimizer, max(1, steps - 1))
    net.train()
    rows = []
    for epoch in range(settings.epochs):
        order = torch.arange(len(samples))
        if settings.shuffle:
            order = permutation(len(samples), settings.seed, epoch)
        losses, norms = 0.0, []
        for indices in order.split(size):
            optimizer.zero_grad()
            targets = samples.targets[indices]
            each = nn.functional.cross_entropy(
                net(samples.inputs[indices]), targets, reduction="none"
            )
            weights = torch.ones(len(indices))
            if samples.weights is not None:
                weights = samples.weights[indices]
            loss = (each * weights).sum() / len(indices)
            squares = sum(p.square().sum() for p in net.parameters() if p.dim() > 1)
            (loss + settings.l2 / (2 * len(indices)) * squares).backward()
            limit = settings.clip_norm or float("inf")
            norms.append(nn.utils.clip_grad_norm_(net.parameters(), limit).item())
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if settings.schedule == "cosine":
                scheduler.step()
            losses += loss.item() * len(indices)
        rows.append(
            {
                "loss": losses / len(samples),
                "grad_norm": sum(norms) / len(norms),
                "lr": float(rate),
            }
        )
    return rows


@pytest.mark.parametrize(
    "changes",
    [
        *({"optimizer": name, "lr": 1.0 if name == "adadelta" else 0.01} for name in BY_TORCH),
        {"batch_size": None},
        {"batch_size": 1, "optimizer": "sgd"},
        {"batch_size": 1000},
        {"shuffle": False},
        {"l2": 0.5, "optimizer": "sgd", "lr": 0.1},
        {"l2": 0.5},
        {"clip_norm": 0.2, "optimizer": "sgd", "lr": 0.3},
        {"clip_norm": 0.5, "optimizer": "sgd", "lr": 0.3},
        {"clip_norm": 0.7, "optimizer": "sgd", "lr": 0.3},
        {"clip_norm": 1000.0, "optimizer": "sgd"},
        {"clip_norm": 0.2, "l2": 2.0, "optimizer": "momentum"},
        {"schedule": "cosine", "optimizer": "nesterov"},
        {"seed": 12345},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_run_is_the_plain_loop(changes: dict[str, Any], weighted: bool) -> None:
    settings = replace(SETTINGS, **changes)
    ours, plain = network(), network()
    samples = data(weighted=weighted)
    session = fit(ours, samples, settings=settings)
    rows = by_hand(plain, samples, settings)
    same_weights(ours, plain, atol=1e-6)
    for row, expected in zip(session.history, rows, strict=True):
        assert {k: row[k] for k in expected} == pytest.approx(expected, rel=1e-4, abs=1e-7)
    moved = network()
    assert any(
        (a - b).abs().max() > 1e-3
        for a, b in zip(moved.parameters(), ours.parameters(), strict=True)
    )


def test_batch_normalization_is_that_of_the_plain_loop() -> None:
    # Not Adam: it blows up the rounding in the bias before a normalization, whose gradient is 0.
    settings = replace(SETTINGS, optimizer="momentum")
    ours, plain = network(batch_norm=True), network(batch_norm=True)
    fit(ours, data(), settings=settings)
    by_hand(plain, data(), settings)
    same_weights(ours, plain, atol=1e-6)
    assert ours.features[1].num_batches_tracked == 4 * 4
    assert ours.features[1].running_mean.abs().max() > 0


def test_dropout_draws_from_the_seed() -> None:
    ours, plain = network(dropout=0.4), network(dropout=0.4)
    fit(ours, data(), settings=SETTINGS)
    with torch.random.fork_rng():
        torch.manual_seed(SETTINGS.seed)
        by_hand(plain, data(), SETTINGS)
    same_weights(ours, plain, atol=1e-6)


def test_double_precision() -> None:
    samples = data()
    samples.inputs = samples.inputs.double()
    ours, plain = network().double(), network().double()
    fit(ours, samples, settings=SETTINGS)
    by_hand(plain, samples, SETTINGS)
    same_weights(ours, plain, atol=1e-12)
