"""Part P: the three initializations by a program of its own, and the rest by other witnesses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.lecture import batch_norm, circles, optimizers, penalties, printed_rules, schemes
from nnatomy.lecture.printed_rules import START


def relu(a: np.ndarray) -> np.ndarray:
    return np.maximum(0, a)


def plain_numpy(scale: str, updates: int) -> list[float]:
    """The net 2-10-5-1 by hand: records are columns, as the lecture's program has them."""
    np.random.seed(1)
    x, t = circles.make_circles(n_samples=300, noise=0.05)
    x, t = x.T, t.reshape(1, -1)
    np.random.seed(3)
    factor = {"zeros": lambda _: 0.0, "ten": lambda _: 10.0, "he": lambda n: np.sqrt(2 / n)}[scale]
    widths = [2, 10, 5, 1]
    weights = [np.random.randn(b, a) * factor(a) for a, b in pairwise(widths)]
    biases = [np.zeros((b, 1)) for b in widths[1:]]
    losses = []
    for _ in range(updates):
        a1 = weights[0] @ x + biases[0]
        a2 = weights[1] @ relu(a1) + biases[1]
        a3 = weights[2] @ relu(a2) + biases[2]
        losses.append(float(np.mean(np.logaddexp(0, a3) - t * a3)))
        d3 = (1 / (1 + np.exp(-a3)) - t) / 300
        d2 = (weights[2].T @ d3) * (a2 > 0)
        d1 = (weights[1].T @ d2) * (a1 > 0)
        for i, (d, h) in enumerate(((d1, x), (d2, relu(a1)), (d3, relu(a2)))):
            weights[i] = weights[i] - 0.01 * d @ h.T
            biases[i] = biases[i] - 0.01 * d.sum(1, keepdims=True)
    return losses


@pytest.mark.parametrize("scale", ["zeros", "ten", "he"])
def test_the_three_runs_are_those_of_a_numpy_program(scale: str) -> None:
    number = ["zeros", "ten", "he"].index(scale)
    # Weights ten times too large make the first hundreds of updates chaotic: rounding grows there.
    count = 100 if scale == "ten" else 400
    expected = plain_numpy(scale, count)
    session = circles.train()[number]
    assert session.engine == "compiled"
    losses = [row["loss"] for row in session.history]
    assert len(losses) == 15_000
    np.testing.assert_allclose(losses[:count], expected, rtol=1e-8)


def test_the_three_initializations_to_the_printed_digits() -> None:
    rows = circles.three_initializations().rows
    late = ["agrees", "erratum", "erratum"]
    assert [row.verdict for row in rows[1::3]] == late
    assert {row.verdict for row in rows[::3] + rows[2::3]} == {"agrees"}
    assert [row.computed for row in rows[::3]] == pytest.approx([0.6931, 0.3828, 0.0736], abs=5e-5)
    assert [row.computed for row in rows[1::3]] == pytest.approx([0.6931, 0.3811, 0.0648], abs=5e-5)
    assert [row.computed for row in rows[2::3]] == [0.5, 0.86, 0.96]


def test_variances_and_training_by_scheme() -> None:
    rows = {row.what: row.verdict for item in (schemes.xavier, schemes.he) for row in item().rows}
    failed = [what for what, verdict in rows.items() if verdict != "agrees"]
    assert len(failed) == 1
    assert failed[0].startswith("tanh: variance of the last hidden layer's pre-activations")
    bounds = {"xavier_uniform": (6 / 800) ** 0.5, "he_uniform": (6 / 300) ** 0.5}
    for name, bound in bounds.items():
        assert (3 * schemes.VARIANCES[name]) ** 0.5 == pytest.approx(bound)


def test_variances_are_those_of_the_pre_activations() -> None:
    samples, _ = schemes.digit_samples(256, 1)
    network = schemes.build("tanh", "xavier_normal", 1)
    with torch.no_grad():
        first = network.features[0](samples.inputs)
        second = network.features[2](torch.tanh(first))
    found = schemes.variances("tanh", "xavier_normal")
    assert found.shape == (50, 8)
    assert found[1, 0] == pytest.approx(first.square().mean().item())
    assert found[1, 1] == pytest.approx(second.square().mean().item())


def test_a_fixed_variance_loses_what_its_formula_says() -> None:
    # With ReLU each layer multiplies the mean square by n σ² / 2 = 64 · 0.01² / 2, seven times.
    expected = (64 * 0.01**2 / 2) ** 7
    assert schemes.shares("relu", "normal").mean() == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("scheme", ["fixed_normal", "fixed_uniform"])
def test_both_fixed_distributions_have_one_variance(scheme: str) -> None:
    layers = [p for p in schemes.build("relu", scheme, 0).parameters() if p.dim() == 2]
    weights = torch.cat([p.detach().flatten() for p in layers])
    assert weights.std().item() == pytest.approx(0.01, rel=0.02)


def test_descent_by_batches() -> None:
    x, t = optimizers.regression()
    w = np.array([-1.0, 1.5])
    by_hand = w - 0.15 * x.T @ (x @ w - t) / 64
    np.testing.assert_allclose(optimizers.descend(64, 1)[1], by_hand)
    np.testing.assert_allclose(
        optimizers.descend(64, 2000)[-1], np.linalg.lstsq(x, t, rcond=None)[0], atol=1e-8
    )
    h = 1e-6
    point = np.array([0.3, -0.7])
    slope = [
        (printed_rules.valley(point + h * e) - printed_rules.valley(point - h * e)) / (2 * h)
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(printed_rules.valley_slope(point), slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("iterates", "by_hand"),
    [
        # From (-4, 2) the slope is (-4, 40); the values were worked out by hand.
        (
            printed_rules.printed_momentum(START, printed_rules.valley_slope, lr=0.02),
            [(-4.08, 2.8), (-4.2336, 4.64)],
        ),
        (
            printed_rules.printed_adagrad(START, printed_rules.valley_slope, lr=1.0),
            [(-3.0, 1.0), (-2.535166, 0.950062)],
        ),
        (
            printed_rules.printed_rmsprop(
                START, printed_rules.valley_slope, lr=1.0, epsilon=1e-6, roots=1
            ),
            [(-0.837722, -1.162278), (-0.156034, 0.489563)],
        ),
        (
            printed_rules.printed_rmsprop(START, printed_rules.valley_slope, lr=0.1),
            [(-3.644345, 0.875316), (-3.361811, 0.393748)],
        ),
        (
            printed_rules.printed_adam(START, printed_rules.valley_slope, lr=0.4),
            [(-3.6, 1.6), (-3.201649, 1.204750)],
        ),
    ],
)
def test_printed_rules_by_hand(
    iterates: Iterator[np.ndarray], by_hand: list[tuple[float, float]]
) -> None:
    for expected in by_hand:
        np.testing.assert_allclose(next(iterates), expected, atol=1e-5)


def test_optimizer_rows() -> None:
    rows = optimizers.optimizers().rows
    assert [row.verdict for row in rows] == ["agrees", *["erratum"] * 6, "agrees"]
    assert all(row.reason for row in rows)
    assert rows[1].computed == [0.1]


def test_no_best_rate_lies_on_the_edge_of_the_grid() -> None:
    for rule in optimizers.RULES:
        assert optimizers.GRID[0] < optimizers.best_rate(rule) < optimizers.GRID[-1], rule


def test_plain_descent_on_digits_is_that_of_a_loop() -> None:
    train, _ = optimizers.digit_samples(1000, 1)
    torch.manual_seed(1)
    network = optimizers.MLP(64, 10, hidden=(32,))
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    for epoch in range(10):
        losses = []
        for chosen in optimizers.permutation(1000, 1, epoch).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(train.inputs[chosen]), train.targets[chosen])
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(chosen))
    ours = optimizers.last(optimizers.sessions_at("sgd")[1.0], "loss")[1]
    assert ours == pytest.approx(sum(losses) / 1000, rel=0.05)


def test_an_erratum_needs_a_difference() -> None:
    row = printed_rules.erratum_of("x", "y", np.ones(2), np.ones(2), "")
    assert row.verdict == "agrees"


def test_penalties() -> None:
    rows = penalties.penalties().rows
    assert {row.verdict for row in rows} == {"agrees"}
    # Without a penalty a flat loss moves nothing.
    assert penalties.penalized(0.0, 0.0) == [0.5, -2.0, 0.0]
    assert "a deviation" in rows[2].reason


@pytest.mark.parametrize(("name", "power"), [("L1", 1), ("L2", 2)])
def test_penalized_weights_are_those_of_a_plain_loop(name: str, power: int) -> None:
    train, _ = penalties.few_noisy_points()
    x, t = train.inputs.float(), train.targets
    torch.manual_seed(0)
    network = penalties.MLP(2, 2, hidden=(32, 32), init="he_normal")
    parameters = list(network.parameters())
    matrices = [p for p in parameters if p.dim() == 2]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3000)
    for _ in range(3000):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), t)
        (loss + 1.0 / (2 * 80) * sum(p.abs().pow(power).sum() for p in matrices)).backward()
        optimizer.step()
        schedule.step()
    by_loop = torch.cat([p.detach().flatten() for p in matrices]).abs().numpy()
    ours = np.abs(penalties.weights_of(penalties.trained()[name])[0])
    assert ours.sum() == pytest.approx(by_loop.sum(), rel=0.05)
    for threshold in penalties.THRESHOLDS[:2]:
        assert (ours < threshold).mean() == pytest.approx((by_loop < threshold).mean(), abs=0.03)


def test_batch_normalization() -> None:
    rows = batch_norm.batch_norm().rows
    assert [row.verdict for row in rows[:4]] == ["agrees", "erratum", "agrees", "agrees"]
    assert {row.verdict for row in rows[4:]} == {"not reproducible here"}
    assert all(row.reason for row in rows[4:])
    assert len(rows) == 13


def test_what_is_averaged_matters() -> None:
    right, averaged, own = batch_norm.test_time_errors()
    assert right < 1e-12
    assert min(averaged, own) > 0.1


def test_a_normalized_network_is_that_of_a_plain_loop() -> None:
    train, valid = batch_norm.digit_samples(1000, 500)
    torch.manual_seed(2)
    network = batch_norm.MLP(64, 10, hidden=(32,) * 4, activation="sigmoid", batch_norm=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for epoch in range(12):
        for chosen in optimizers.permutation(1000, 2, epoch).split(64):
            optimizer.zero_grad()
            outputs = network(train.inputs[chosen])
            nn.functional.cross_entropy(outputs, train.targets[chosen]).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        right = (network(valid.inputs).argmax(1) == valid.targets).float().mean().item()
    ours = batch_norm.last(batch_norm.sessions_at(0.5, True), "valid_score")[2]
    assert ours == pytest.approx(right, abs=0.02)
