"""Part P: the three initializations by a program of its own, and the rest by other witnesses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from nnatomy.lecture import batch_norm, circles, optimizers, penalties, schemes
from nnatomy.lecture.experiment import Experiment


def found(experiment: Experiment) -> list[str]:
    return [row.verdict for row in experiment.rows]


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
    assert [row.verdict for row in rows] == ["agrees"] * 6
    assert [row.computed for row in rows][::2] == pytest.approx([0.6931, 0.3828, 0.0736], abs=5e-5)
    assert [row.computed for row in rows][1::2] == [0.5, 0.86, 0.96]
    ends = [float(row.reason.rsplit(" ", 1)[1]) for row in rows[::2]]
    assert ends == [0.6931, 0.3811, 0.0648]


def test_variances_and_training_by_scheme() -> None:
    for experiment in (schemes.xavier(), schemes.he()):
        assert set(found(experiment)) == {"agrees"}
    bounds = {"xavier_uniform": (6 / 800) ** 0.5, "he_uniform": (6 / 300) ** 0.5}
    for name, bound in bounds.items():
        assert (3 * schemes.VARIANCES[name]) ** 0.5 == pytest.approx(bound)


def test_spreads_are_those_of_the_activations() -> None:
    samples, _ = schemes.digit_samples(256, 1)
    network = schemes.build("tanh", "xavier_normal", 0)
    with torch.no_grad():
        first = torch.tanh(network.features[0](samples.inputs))
    found_spreads = schemes.spreads("tanh", "xavier_normal")
    assert len(found_spreads) == 8
    assert found_spreads[0] == pytest.approx(first.square().mean().sqrt().item())


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
        (optimizers.valley(point + h * e) - optimizers.valley(point - h * e)) / (2 * h)
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(optimizers.valley_slope(point), slope, rtol=1e-6)


def test_optimizer_rows() -> None:
    rows = optimizers.optimizers().rows
    assert [row.verdict for row in rows] == ["agrees", *["erratum"] * 5, "agrees"]
    assert all(row.reason for row in rows)


def test_an_erratum_needs_a_difference() -> None:
    row = optimizers._erratum("x", "y", np.ones(2), np.ones(2), "")
    assert row.verdict == "agrees"


def test_penalties() -> None:
    rows = penalties.penalties().rows
    assert {row.verdict for row in rows} == {"agrees"}
    # Without a penalty a flat loss moves nothing.
    assert penalties.penalized(0.0, 0.0) == [0.5, -2.0, 0.0]
    assert "a deviation" in rows[2].reason


def test_penalized_weights_are_those_of_a_plain_loop() -> None:
    """Under L1 most weights end within a step of zero, and no weight under L2 has to."""
    train, _ = penalties.few_noisy_points()
    x, t = train.inputs.float(), train.targets
    torch.manual_seed(0)
    network = penalties.MLP(2, 2, hidden=(32, 32), init="he_normal")
    matrices = [p for p in network.parameters() if p.dim() == 2]
    v = [torch.zeros_like(p) for p in network.parameters()]
    for epoch in range(60):
        rate = 0.05 * 0.5 * (1 + np.cos(np.pi * epoch / 3000))
        loss = torch.nn.functional.cross_entropy(network(x), t)
        loss = loss + 1.0 / (2 * 80) * sum(p.abs().sum() for p in matrices)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for p, g, velocity in zip(network.parameters(), gradients, v, strict=True):
                velocity.mul_(0.9).add_(rate * g)
                p.sub_(velocity)
    torch.manual_seed(0)
    other = penalties.MLP(2, 2, hidden=(32, 32), init="he_normal")
    session = penalties.Session(other, train, settings=penalties._SETTINGS)
    assert session.settings.epochs == 3000
    expected = torch.cat([p.detach().flatten() for p in matrices]).abs().sum().item()
    short = penalties.replace(penalties._SETTINGS, l1=1.0)
    found = _stopped_after(other, train, short, 60)
    assert found == pytest.approx(expected, rel=0.02)


def test_batch_normalization() -> None:
    verdicts = found(batch_norm.batch_norm())
    assert verdicts[:4] == ["agrees", "erratum", "agrees", "agrees"]
    assert set(verdicts[4:]) == {"not reproducible here"}
    assert len(verdicts) == 13
