"""Activations follow their printed formulas; derivatives agree with finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from nnatomy.errors import SettingError
from nnatomy.nn.activations import ACTIVATIONS, DERIVATIVES, FORMULAS, build_activation

PHI = np.vectorize(lambda a: 0.5 * (1 + math.erf(a / math.sqrt(2))))

BY_FORMULA: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda a: a,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": lambda a: (np.exp(2 * a) - 1) / (np.exp(2 * a) + 1),
    "relu": lambda a: np.maximum(0, a),
    "leaky_relu": lambda a: np.maximum(0, a) + 0.01 * np.minimum(0, a),
    "elu": lambda a: np.maximum(0, a) + np.minimum(0, np.exp(a) - 1),
    "gelu": lambda a: a * PHI(a),
    "softplus": lambda a: np.log(1 + np.exp(a)),
    "silu": lambda a: a / (1 + np.exp(-a)),
}
POINTS = np.array([-4.3, -1.7, -0.6, -0.01, 0.02, 0.9, 2.1, 5.5])


def test_every_activation_has_a_witness_and_a_printed_formula() -> None:
    assert set(BY_FORMULA) == set(ACTIVATIONS)
    assert {type(build_activation(name)).__name__ for name in ACTIVATIONS} == set(FORMULAS) - {
        "Softmax"
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_is_that_of_the_formula(name: str) -> None:
    values = build_activation(name)(torch.tensor(POINTS)).numpy()
    np.testing.assert_allclose(values, BY_FORMULA[name](POINTS), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_the_finite_difference(name: str) -> None:
    points = torch.tensor(POINTS, requires_grad=True)
    build_activation(name)(points).sum().backward()
    formula, step = BY_FORMULA[name], 1e-6
    slope = (formula(POINTS + step) - formula(POINTS - step)) / (2 * step)
    assert points.grad is not None
    np.testing.assert_allclose(points.grad.numpy(), slope, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "derivative"), [("sigmoid", lambda h: h * (1 - h)), ("tanh", lambda h: 1 - h * h)]
)
def test_derivative_from_the_output(name: str, derivative: Callable) -> None:
    points = torch.tensor(POINTS, requires_grad=True)
    h = build_activation(name)(points)
    h.sum().backward()
    torch.testing.assert_close(points.grad, derivative(h.detach()), rtol=1e-10, atol=1e-12)


def test_layers_are_new_each_time() -> None:
    assert build_activation("relu") is not build_activation("relu")


def test_unknown_activation_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"'sigmoyd' is unknown: did you mean 'sigmoid'\?"):
        build_activation("sigmoyd")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_that_of_autograd_and_of_finite_differences(name: str) -> None:
    a = torch.linspace(-4, 4, 40).double().requires_grad_()
    layer, derivative = build_activation(name), DERIVATIVES[name][1]
    (gradient,) = torch.autograd.grad(layer(a).sum(), a)
    torch.testing.assert_close(derivative(a.detach()), gradient)
    h = 1e-6
    slope = (layer(a + h) - layer(a - h)).detach() / (2 * h)
    torch.testing.assert_close(derivative(a.detach()), slope, atol=1e-6, rtol=1e-6)


def test_every_activation_has_a_formula_and_a_derivative() -> None:
    assert set(DERIVATIVES) == set(ACTIVATIONS)
    assert {type(build()).__name__ for build in ACTIVATIONS.values()} <= set(FORMULAS)
