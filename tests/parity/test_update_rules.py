"""Update rules against torch.optim's own objects and against the printed formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from nnatomy.training.optimizers import OPTIMIZERS, _functional_adam, _fused_adam, build_optimizer
from nnatomy.training.update_rules import UPDATE_RULES, path

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
    assert set(BY_TORCH) == set(UPDATE_RULES) == set(OPTIMIZERS)


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


SETTINGS = {
    "momentum": {"gamma": MOMENTUM},
    "nesterov": {"gamma": MOMENTUM},
    "rmsprop": {"gamma": MOMENTUM},
}


def printed(name: str, gradient: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
    start = np.linspace(-2, 2, 12)
    return UPDATE_RULES[name](start, gradient, lr=LR, **SETTINGS.get(name, {}))


def numpy_gradient(w: np.ndarray) -> np.ndarray:
    return np.sin(w) + 0.3 * np.roll(w, 1) + 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rule_is_the_printed_formula(name: str) -> None:
    if name == "nesterov":  # torch's weights are the points that the printed rule looks ahead to
        looked_at: list[np.ndarray] = []

        def seen(w: np.ndarray) -> np.ndarray:
            looked_at.append(w)
            return numpy_gradient(w)

        rule = printed(name, seen)
        for _ in range(STEPS + 1):
            next(rule)
        expected = iter(looked_at[1:])
    else:
        expected = printed(name, numpy_gradient)
    for weights, by_hand in zip(trajectory(name), expected, strict=False):
        np.testing.assert_allclose(weights, by_hand, rtol=1e-8, atol=1e-10)


def test_first_steps_by_hand() -> None:
    def bowl(w: np.ndarray) -> np.ndarray:
        return 2 * w

    one = path("momentum", [1.0], bowl, 2, lr=0.1, gamma=0.5).ravel()
    np.testing.assert_allclose(one, [1.0, 0.8, 0.8 - (0.5 * 0.2 + 0.1 * 1.6)])
    two = path("nesterov", [1.0], bowl, 2, lr=0.1, gamma=0.5).ravel()
    np.testing.assert_allclose(two, [1.0, 0.8, 0.8 - (0.5 * 0.2 + 0.1 * 2 * (0.8 - 0.1))])
    three = path("adagrad", [1.0], bowl, 2, lr=0.1, epsilon=0.0).ravel()
    np.testing.assert_allclose(three, [1.0, 0.9, 0.9 - 0.1 * 1.8 / np.sqrt(4 + 1.8**2)])
    four = path("adam", [1.0], bowl, 1, lr=0.1, epsilon=0.0).ravel()
    np.testing.assert_allclose(four, [1.0, 0.9])
    five = path("rmsprop", [1.0], bowl, 1, lr=0.1, gamma=0.75, epsilon=0.0).ravel()
    np.testing.assert_allclose(five, [1.0, 1.0 - 0.1 * 2 / np.sqrt(0.25 * 4)])


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
