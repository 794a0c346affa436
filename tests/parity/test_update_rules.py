"""Update rules against torch.optim's own objects and against the printed formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from nnatomy.training.optimizers import OPTIMIZERS, _functional_adam, _fused_adam, build_optimizer

STEPS = 100
LR = 0.02
MOMENTUM = 0.8

BY_TORCH: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=LR),
    "momentum": lambda p: torch.optim.SGD(p, lr=LR, momentum=MOMENTUM),
    "nesterov": lambda p: torch.optim.SGD(p, lr=LR, momentum=MOMENTUM, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=LR),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=LR),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=LR, alpha=MOMENTUM),
    "adam": lambda p: torch.optim.Adam(p, lr=LR),
}


def gradient_at(w: Tensor) -> Tensor:
    """Of a smooth function that is neither quadratic nor separable."""
    return torch.sin(w) + 0.3 * w.roll(1, 0) + 0.1


def trajectory(
    name: str, dtype: torch.dtype = torch.float64, lr: float = LR
) -> Iterator[np.ndarray]:
    weights = torch.linspace(-2, 2, 12, dtype=dtype)
    gradient = torch.zeros_like(weights)
    rule = build_optimizer(name, weights, gradient, MOMENTUM)
    for _ in range(STEPS):
        gradient.copy_(gradient_at(weights))
        rule.update(lr)
        yield weights.numpy().copy()


def test_every_rule_has_both_witnesses() -> None:
    assert set(BY_TORCH) == set(BY_FORMULA) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rule_is_that_of_torch_on_separate_parameters(name: str) -> None:
    start = torch.linspace(-2, 2, 12)
    parts = [start[:5].clone(), start[5:].clone()]
    for part in parts:
        part.requires_grad_()
    optimizer = BY_TORCH[name](parts)
    for weights in trajectory(name, torch.float32):
        gradient = gradient_at(torch.cat(parts).detach())
        parts[0].grad, parts[1].grad = gradient[:5].clone(), gradient[5:].clone()
        optimizer.step()
        expected = torch.cat(parts).detach().numpy()
        np.testing.assert_allclose(weights, expected, atol=1e-6)


def sgd(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    while True:
        w = w - LR * g(w)
        yield w


def momentum(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    v = np.zeros_like(w)
    while True:
        v = MOMENTUM * v + g(w)
        w = w - LR * v
        yield w


def nesterov(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    v = np.zeros_like(w)
    while True:
        v = MOMENTUM * v + g(w)
        w = w - LR * (g(w) + MOMENTUM * v)
        yield w


def adagrad(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    squares = np.zeros_like(w)
    while True:
        squares = squares + g(w) ** 2
        w = w - LR * g(w) / (np.sqrt(squares) + 1e-10)
        yield w


def adadelta(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    squares, changes = np.zeros_like(w), np.zeros_like(w)
    while True:
        squares = 0.9 * squares + 0.1 * g(w) ** 2
        change = -np.sqrt(changes + 1e-6) / np.sqrt(squares + 1e-6) * g(w)
        changes = 0.9 * changes + 0.1 * change**2
        w = w + LR * change
        yield w


def rmsprop(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    squares = np.zeros_like(w)
    while True:
        squares = MOMENTUM * squares + (1 - MOMENTUM) * g(w) ** 2
        w = w - LR * g(w) / (np.sqrt(squares) + 1e-8)
        yield w


def adam(w: np.ndarray, g: Callable) -> Iterator[np.ndarray]:
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    while True:
        t += 1
        m = 0.9 * m + 0.1 * g(w)
        v = 0.999 * v + 0.001 * g(w) ** 2
        w = w - LR * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield w


BY_FORMULA = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rule_is_the_printed_formula(name: str) -> None:
    def gradient(w: np.ndarray) -> np.ndarray:
        return np.sin(w) + 0.3 * np.roll(w, 1) + 0.1

    expected = BY_FORMULA[name](np.linspace(-2, 2, 12), gradient)
    for weights, by_hand in zip(trajectory(name), expected, strict=False):
        np.testing.assert_allclose(weights, by_hand, rtol=1e-8, atol=1e-10)


def test_fused_adam_is_the_functional_one() -> None:
    def slots() -> dict[str, Tensor]:
        zeros = torch.zeros(12)
        return {"mean": zeros.clone(), "squares": zeros.clone(), "count": torch.zeros(())}

    fused, functional = torch.linspace(-2, 2, 12), torch.linspace(-2, 2, 12)
    fused_slots, functional_slots = slots(), slots()
    for _ in range(STEPS):
        _fused_adam(fused, gradient_at(fused), fused_slots, LR)
        _functional_adam(functional, gradient_at(functional), functional_slots, LR)
    torch.testing.assert_close(fused, functional, rtol=0, atol=1e-6)
    for name, slot in fused_slots.items():
        torch.testing.assert_close(slot, functional_slots[name], rtol=1e-5, atol=1e-7)
    assert fused_slots["count"] == STEPS


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_no_momentum_is_plain_descent(name: str) -> None:
    weights, gradient = torch.linspace(-2, 2, 12), torch.zeros(12)
    rule = build_optimizer(name, weights, gradient, 0.0)
    plain = trajectory("sgd", torch.float32)
    for expected in plain:
        gradient.copy_(gradient_at(weights))
        rule.update(LR)
        np.testing.assert_allclose(weights.numpy(), expected, atol=1e-6)
