"""Part O: numbers by hand, claims by other witnesses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.lecture import back_propagation as o7
from nnatomy.lecture import (
    capacity,
    depth,
    descent,
    dropout,
    perceptron,
    pretraining,
    stop_rules,
    units,
    xor,
)
from nnatomy.lecture.experiment import Experiment
from nnatomy.training.update_rules import path


def verdicts(experiment: Experiment) -> dict[str, int]:
    found = [row.verdict for row in experiment.rows]
    return {verdict: found.count(verdict) for verdict in found}


def test_two_records_by_hand() -> None:
    zero = np.zeros(3)
    y, after = perceptron.sigmoid_step(zero, (2.0, 2.0), 1.0, 1.0)
    assert y == 0.5
    assert after == pytest.approx([0.25, 0.25, 0.125])  # 1 · 0.5 · 0.25 · (2, 2, 1)
    y, after = perceptron.sigmoid_step(after, (3.0, 3.0), 0.0, 1.0)
    h = 1 / (1 + np.exp(-1.625))
    assert y == pytest.approx(h)
    assert after == pytest.approx(
        np.array([0.25, 0.25, 0.125]) - h * h * (1 - h) * np.array([3, 3, 1])
    )


def test_the_tried_lines_make_all_fourteen_linear_divisions() -> None:
    corners = perceptron.XOR_INPUTS
    divisions = set()
    for w1, w2 in itertools.product((-1.0, 0.0, 1.0), repeat=2):
        for threshold in np.arange(-2.5, 3.0, 0.5):
            divisions.add(tuple(corners @ [w1, w2] > threshold + 0.25))
    # All 16 but XOR and its opposite (Cover 1965).
    assert len(divisions) == 14
    assert tuple(perceptron.XOR_LABELS == 1) not in divisions
    assert perceptron.best_of_all_lines() == 3


def test_perceptron_rows() -> None:
    rows = perceptron.perceptron().rows
    assert [row.verdict for row in rows] == ["not reproducible here"] * 8 + ["agrees"] * 4
    assert all("lost" in row.reason for row in rows[:8])
    inputs, labels = perceptron.separable()
    assert len(inputs) == 100
    assert (np.abs(inputs.sum(1) - 1) / np.sqrt(2)).min() > 0.03
    assert ((inputs.sum(1) > 1) == labels).all()


def test_units_and_losses_agree() -> None:
    assert set(verdicts(units.activations())) == {"agrees"}
    assert set(verdicts(units.losses())) == {"agrees"}


def test_largest_step_size() -> None:
    assert not descent.diverges(0.999)
    assert descent.diverges(1.001)
    rows = descent.step_size().rows
    assert [row.verdict for row in rows] == ["agrees", "agrees", "erratum", *["agrees"] * 4]
    assert rows[2].computed == [1.0, 0.2, 4.0]
    steep = path("sgd", [2.0], lambda w: 10.0 * w, 25, lr=0.5)
    assert abs(steep[-1, 0]) > 1e15  # the slide's bound does not hold at curvature 10


def test_xor_by_hand() -> None:
    rows = xor.xor().rows
    assert [row.verdict for row in rows].count("erratum") == 1
    assert [row.verdict for row in rows].count("agrees") == len(rows) - 1
    (wrong,) = [row for row in rows if row.verdict == "erratum"]
    assert wrong.computed == [-3, -1, -1, 1]
    assert rows[-1].computed == [-1, 1, 1, -1]


def test_back_propagation_is_that_of_a_network() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(o7.HIDDEN[:, :2]))
        network[0].bias.copy_(torch.tensor(o7.HIDDEN[:, 2]))
        network[2].weight.copy_(torch.tensor(o7.OUTPUT[None, :2]))
        network[2].bias.copy_(torch.tensor(o7.OUTPUT[2:]))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    predicted = network(torch.tensor([[0.5, 0.5]]).double())
    (0.5 * (1.0 - predicted) ** 2).sum().backward()
    optimizer.step()
    done = o7.step()
    assert done.predicted == pytest.approx(predicted.item())
    weights = torch.cat([network[0].weight, network[0].bias[:, None]], 1).detach().numpy()
    assert done.hidden == pytest.approx(weights)
    last = torch.cat([network[2].weight[0], network[2].bias]).detach().numpy()
    assert done.output == pytest.approx(last)
    assert done.output == pytest.approx([0.933, 0.983, 0.909], abs=5e-4)


def test_step_unit_on_the_two_records_by_hand() -> None:
    # At zero weights the unit is on the boundary, so wrong: w = α (2, 2), b = α. The second record
    # then gives a = α (6 + 6 + 1) > 0, wrong: w = α (2 - 3, 2 - 3), b = 0.
    rows = {row.what: row.computed for row in perceptron.perceptron().rows}
    for rate in (1.0, 0.5):
        first = rows[f"step unit, α = {rate:g}, record 1: a, then w1, w2, b"]
        second = rows[f"step unit, α = {rate:g}, record 2: a, then w1, w2, b"]
        assert first == [0.0, 2 * rate, 2 * rate, rate]
        assert second == [13 * rate, -rate, -rate, 0.0]
    assert rows[
        "XOR trained for 500 epochs: lowest error rate of a perceptron, and with 8 hidden units"
    ] == [0.25, 0.0]


def test_what_a_path_looks_like() -> None:
    paths = {
        "slow": [2.0, 1.9, 1.8],
        "good": [2.0, 0.2, 0.02],
        "swings over": [2.0, -1.0, 0.5],
        "diverges": [2.0, -2.1, 2.2],
    }
    for word, way in paths.items():
        assert descent.behavior(np.array(way)) == word


def test_stop_rules_stop_for_their_own_reason() -> None:
    rows = stop_rules.stop_rules().rows
    assert rows[0].computed == 20
    assert "weights hardly change" in rows[1].reason
    assert "error rate reached" in rows[2].reason
    assert all(0 < int(str(row.computed)) < 300 for row in rows[1:3])
    assert rows[3].computed == [200, 7, 1]  # 200 records: one by one, in batches of 32, at once


def test_numbers_of_deep_networks_are_those_of_the_slides() -> None:
    rows = stop_rules.deep_networks().rows
    assert [row.slide for row in rows] == [97.35, 95.0, 13_233, 5_749]
    assert {row.computed for row in rows} == {None}


def test_back_propagation_rows() -> None:
    rows = o7.back_propagation().rows
    assert [row.verdict for row in rows] == [
        "agrees",
        *["erratum"] * 5,
        *["agrees"] * 4,
        "erratum",
        "agrees",
    ]
    own = rows[10]
    assert own.computed == pytest.approx([0.008, 1.008, -1.984], abs=5e-4)


def test_the_right_step_lowers_the_loss_and_the_printed_one_raises_it() -> None:
    rates = np.array([0.0, 0.1])
    right = o7.loss_along(sigmoid_sign=-1.0, toward=1.0, rates=rates)
    wrong = o7.loss_along(sigmoid_sign=1.0, toward=-1.0, rates=rates)
    assert right[1] < right[0] == wrong[0] < wrong[1]


def test_capacity() -> None:
    experiment = capacity.capacity()
    assert set(verdicts(experiment)) == {"agrees"}
    points, labels = capacity.spiral_points()
    assert points.shape == (400, 2)
    assert set(labels) == {0, 1}


def test_gradients_of_layers_are_those_of_a_backward_pass() -> None:
    network = depth.build("tanh", 5, 1)
    samples, _ = depth.digit_samples(256, 1)
    nn.functional.cross_entropy(network(samples.inputs), samples.targets).backward()
    matrices = [p for p in network.parameters() if p.dim() == 2]
    expected = [float(p.grad.norm()) for p in matrices if p.grad is not None]
    assert depth.gradient_norms(network) == pytest.approx(expected)
    assert len(expected) == 6


def test_sigmoid_gradients_vanish_as_its_derivative_says() -> None:
    # g' <= 1/4: 18 layers down the gradient has shrunk at least by what Xavier's weights leave.
    assert depth.ratio("sigmoid", 20) < 0.5**18
    assert 0.2 < depth.ratio("relu", 20) < 5


def test_depth_rows() -> None:
    rows = depth.vanishing_gradients().rows
    assert [row.verdict for row in rows] == ["agrees", "not reproducible here", "agrees"]
    assert set(verdicts(depth.relu_remedy())) == {"agrees"}


def test_pretraining_changes_the_layers_it_trains_only() -> None:
    train, _ = depth.digit_samples(200, 1)
    network = pretraining.build(0)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    errors = pretraining.pretrain(network, train.inputs)
    assert all(after < start for start, after in errors)
    assert torch.equal(network.head.weight, before["head.weight"])
    assert all(
        not torch.equal(
            network.state_dict()[f"features.{2 * i}.weight"], before[f"features.{2 * i}.weight"]
        )
        for i in range(4)
    )


def test_pretraining_rows() -> None:
    assert set(verdicts(pretraining.layerwise())) == {"agrees"}


def test_overfitting_and_dropout_rows() -> None:
    assert set(verdicts(dropout.overfitting())) == {"agrees"}
    assert set(verdicts(dropout.dropout())) == {"agrees"}
    train, valid = dropout.few_noisy_points()
    assert (len(train), len(valid)) == (80, 1000)


def test_the_large_network_by_a_plain_loop() -> None:
    train, valid = dropout.few_noisy_points()
    torch.manual_seed(2)
    network = dropout.MLP(2, 2, hidden=(256, 256), init="he_normal")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    loss_of = nn.functional.cross_entropy
    for _ in range(400):
        optimizer.zero_grad()
        loss = loss_of(network(train.inputs.float()), train.targets)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        held_out = loss_of(network(valid.inputs.float()), valid.targets).item()
    session = dropout.sessions_of(256, 0.0)[2]
    assert dropout.last([session], "loss")[0] == pytest.approx(loss.item(), rel=0.2)
    assert dropout.last([session], "valid_loss")[0] == pytest.approx(held_out, rel=0.1)
