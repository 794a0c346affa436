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
from nnatomy.training.order import permutation
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
    words = " ".join(row.what for row in units.activations().rows)
    assert all(name in words for name in ("leaky_relu", "elu", "gelu", "softmax"))


def test_largest_step_size() -> None:
    assert not descent.diverges(0.999)
    assert descent.diverges(1.001)
    rows = descent.step_size().rows
    assert [row.verdict for row in rows] == ["agrees", "agrees", "erratum", *["agrees"] * 4]
    assert rows[2].computed == [1.0, 0.2, 4.0]
    assert descent.bound("O4", "0 < α < 1", (2.0,), "2").verdict == "agrees"
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
    best, done = stop_rules.early_stopping().rules.best_epoch, stop_rules.early_stopping().epoch
    assert rows[4].computed == [best, done]
    assert done == best + 21
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
        *["erratum"] * 2,
        *["agrees"] * 2,
    ]
    # By hand: (ŷ - 1) h1 (1 - h1) = 0.913484 · 0.731059 · 0.268941 = 0.179603; halves are inputs.
    # a1 = 1 makes a (1 - a) zero.
    assert rows[11].computed == "0.0898, 0.0898, 0.1796; 0.0000, 0.0000, 0.0000"
    assert o7.by_fit().output == pytest.approx([0.933219, 0.983336, 0.908652], abs=1e-6)
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
    assert capacity.percent(0.995) == "99.5 %"
    assert capacity.percent(1.0) == "100 %"


def test_one_hidden_unit_on_spirals_is_that_of_a_plain_loop() -> None:
    points, labels = capacity.spiral_points()
    x, t = torch.tensor(2 * points).float(), torch.tensor(labels).float()
    losses = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = capacity.MLP(2, 1, hidden=(1,), activation="tanh", init="xavier_normal")
        optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
        for _ in range(1500):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(network(x)[:, 0], t)
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    row = capacity.capacity().rows[0]
    assert isinstance(row.computed, list)
    assert row.computed[0] == pytest.approx(min(losses), abs=2e-3)


def test_gradients_of_layers_are_those_of_a_backward_pass() -> None:
    network = depth.build("tanh", 5, 1)
    samples, _ = depth.digit_samples(256, 1)
    nn.functional.cross_entropy(network(samples.inputs), samples.targets).backward()
    matrices = [p for p in network.parameters() if p.dim() == 2]
    expected = [float(p.grad.norm()) for p in matrices if p.grad is not None]
    assert depth.gradient_norms(network) == pytest.approx(expected)
    assert len(expected) == 6


def test_sigmoid_gradients_vanish_as_its_derivative_says() -> None:
    # From the last hidden layer down to the first there are 19 factors g' <= 1/4, and Xavier's
    # matrices keep the length of random vectors on average; one factor is left for the rest.
    assert depth.ratio("sigmoid", 20) < 0.25**18
    assert 0.2 < depth.ratio("relu", 20) < 5


def test_depth_rows() -> None:
    rows = depth.vanishing_gradients().rows
    assert [row.verdict for row in rows] == ["agrees", "not reproducible here", "agrees"]
    assert set(verdicts(depth.relu_remedy())) == {"agrees"}


def test_two_sigmoid_layers_are_those_of_a_plain_loop() -> None:
    train, _ = depth.digit_samples(1000, 1)
    network = depth.build("sigmoid", 2, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    for epoch in range(20):
        total = 0.0
        for chosen in permutation(1000, 1, epoch).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(train.inputs[chosen]), train.targets[chosen])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
    assert depth.trained("sigmoid", 0.001)[0, 1, -1] == pytest.approx(total / 1000, rel=1e-3)


def test_a_deep_sigmoid_network_at_its_best_only_guesses() -> None:
    # The best constant answer costs the entropy of the classes, nearly log 10.
    train, _ = depth.digit_samples(1000, 1)
    shares = torch.bincount(train.targets) / 1000
    entropy = -(shares * shares.log()).sum().item()
    assert depth.best_curves("sigmoid")[-1][:, -1].mean() == pytest.approx(entropy, abs=5e-3)


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
    rows = pretraining.layerwise().rows
    assert [row.verdict for row in rows] == [*["agrees"] * 3, "not reproducible here"]


def test_reconstruction_is_measured_before_and_after() -> None:
    train, _ = depth.digit_samples(200, 1)
    network = pretraining.build(0)
    errors = pretraining.pretrain(network, train.inputs)
    # Before, the answer has nothing to do with the record: the error is that of answering 0, and a
    # little more, as the random answer is not 0.
    of_zero = 0.5 * train.inputs.square().sum(1).mean().item()
    assert of_zero < errors[0][0] < 1.3 * of_zero
    # No linear undoing of the first layer's code can be better than least squares.
    with torch.no_grad():
        code = network.features[1](network.features[0](train.inputs)).double()
        code = torch.cat([code, torch.ones(200, 1)], 1)
        best = torch.linalg.lstsq(code, train.inputs.double()).solution
        least = 0.5 * (code @ best - train.inputs).square().sum(1).mean().item()
    assert least <= errors[0][1] < errors[0][0]


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
