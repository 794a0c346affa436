"""Rosenblatt's rule against the loop that it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.zoo.perceptron_rule import PerceptronRule


def record_by_record(inputs, signs, order, rate, copies=None):
    """The slow, obvious twin: every record, every copy, every unit in turn."""
    weights = np.zeros((signs.shape[1], inputs.shape[1]))
    mistakes, loss = 0, 0.0
    for i in order:
        for k in range(len(weights)):
            for copy in range(1 if copies is None else copies[i]):
                margin = signs[i, k] * (weights[k] @ inputs[i])
                if margin <= 0:
                    weights[k] += rate * signs[i, k] * inputs[i]
                    mistakes, loss = mistakes + (copy == 0), loss - margin * (copy == 0)
    return weights, mistakes, loss


def whole_numbers(seed: int, count: int, inputs: int, units: int):
    random = np.random.default_rng(seed)
    values = random.integers(-5, 6, (count, inputs)).astype(float)
    signs = np.where(random.random((count, units)) < 0.4, 1.0, -1.0)
    return values, signs, random.permutation(count), random


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), count=st.integers(1, 300), inputs=st.integers(1, 6),
    units=st.integers(1, 4), rate=st.sampled_from([1.0, 0.5, 2.0]), weighted=st.booleans(),
)  # fmt: skip
def test_blocks_change_nothing(seed, count, inputs, units, rate, weighted):
    values, signs, order, random = whole_numbers(seed, count, inputs, units)
    copies = random.integers(1, 5, count) if weighted else None
    rule = PerceptronRule(units, inputs, rate=rate)
    extended = rule.extended(values)
    seen = rule.learn(extended, signs, order, None if copies is None else copies.astype(float))
    weights, mistakes, loss = record_by_record(extended, signs, order, rate, copies)
    np.testing.assert_array_equal(rule.weights, weights)
    assert (seen.mistakes, seen.loss) == (mistakes, loss)


def test_passes_go_on_from_the_weights():
    random = np.random.default_rng(0)
    values = random.normal(size=(500, 5))
    signs = np.sign(values @ random.normal(size=(5, 2)) + 0.3)
    rule = PerceptronRule(2, 5)
    extended = rule.extended(values)
    orders = [random.permutation(500) for _ in range(60)]
    passes = [rule.learn(extended, signs, order) for order in orders]
    twin, _, _ = record_by_record(extended, signs, np.concatenate(orders), 1.0)
    np.testing.assert_allclose(rule.weights, twin, rtol=1e-12)
    assert passes[0].mistakes > 0
    assert passes[-1].mistakes < passes[0].mistakes


def test_and_is_learned_as_by_hand():
    points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    signs = np.array([[-1], [-1], [-1], [1]], float)
    rule = PerceptronRule(1, 2)
    extended = rule.extended(points)
    # (0,0) lies on the boundary: b = -1. (1,1) is missed: w = (1, 1), b = 0.
    assert rule.learn(extended, signs, np.arange(4)).mistakes == 2
    assert rule.weights.tolist() == [[1.0, 1.0, 0.0]]
    # (0,0): b = -1. (0,1): w = (1, 0), b = -2. (1,0) is right. (1,1): w = (2, 1), b = -1.
    assert rule.learn(extended, signs, np.arange(4)).mistakes == 3
    assert rule.weights.tolist() == [[2.0, 1.0, -1.0]]
    mistakes = [rule.learn(extended, signs, np.arange(4)).mistakes for _ in range(10)]
    assert mistakes[-1] == 0
    np.testing.assert_array_equal(np.sign(extended @ rule.weights.T), signs)


def test_small_weights_scale_the_step():
    rule = PerceptronRule(1, 2, rate=2.0, intercept=False)
    seen = rule.learn(np.array([[3.0, -1.0]]), np.array([[-1.0]]), np.arange(1), np.array([0.25]))
    np.testing.assert_array_equal(rule.weights, [[-1.5, 0.5]])
    assert (seen.mistakes, seen.loss) == (1, 0.0)


def test_a_record_of_zeros_cannot_be_learned_without_a_bias():
    rule = PerceptronRule(1, 2, intercept=False)
    seen = rule.learn(np.zeros((1, 2)), np.ones((1, 1)), np.arange(1), np.array([7.0]))
    assert seen.mistakes == 1
    assert not rule.weights.any()


def test_no_records_no_change():
    rule = PerceptronRule(2, 3)
    seen = rule.learn(np.zeros((0, 4)), np.zeros((0, 2)), np.arange(0))
    assert (seen.mistakes, seen.loss) == (0, 0.0)
    assert rule.weights.shape == (2, 4)
    assert not rule.weights.any()


@pytest.mark.parametrize("intercept", [True, False])
def test_the_bias_is_the_last_column(intercept):
    rule = PerceptronRule(1, 3, intercept=intercept)
    assert rule.weights.shape == (1, 3 + intercept)
    extended = rule.extended(np.full((2, 3), 5.0))
    np.testing.assert_array_equal(extended[:, 3:], np.ones((2, int(intercept))))


def test_a_record_of_weight_zero_is_not_there():
    rule = PerceptronRule(1, 2)
    records, signs = rule.extended(np.array([[1.0, 0.0], [0.0, 1.0]])), np.array([[1.0], [-1.0]])
    seen = rule.learn(records, signs, np.arange(2), np.array([0.0, 1.0]))
    assert (seen.mistakes, seen.loss) == (1, 0.0)  # the second one's, from the boundary
    assert rule.weights.tolist() == [[0.0, -1.0, -1.0]]
    for _ in range(3):
        assert rule.learn(records, signs, np.arange(2), np.array([0.0, 1.0])).mistakes == 0
