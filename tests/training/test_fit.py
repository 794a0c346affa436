"""What fit() promises: best weights, stop rules, observers, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import DataError, SettingError
from nnatomy.models.lenet import LeNet
from nnatomy.models.perceptron import Perceptron
from nnatomy.training import session as session_module
from nnatomy.training.fit import fit
from nnatomy.training.inference import outputs_of
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.observers import Observer
from nnatomy.training.order import permutation
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from toy_fit import SETTINGS, data, network, same_weights


def untimed(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def test_perceptron_learns_by_rosenblatts_rule() -> None:
    """Record by record: w ← w + η t x when t (w x + b) <= 0."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 2, generator=generator)
    targets = (inputs @ torch.tensor([2.0, -1.0]) + 0.3 > 0).long()
    net = Perceptron((2,), 2)
    settings = Settings(
        epochs=60, batch_size=1, lr=1.0, optimizer="sgd", error_rate=0.0, device="cpu"
    )
    session = fit(net, TensorSamples(inputs, targets), objective="perceptron", settings=settings)
    weight, bias = torch.zeros(2, 2), torch.zeros(2)
    for epoch in range(session.epoch):
        for i in permutation(40, 0, epoch).tolist():
            for k in (0, 1):
                sign = 1.0 if targets[i] == k else -1.0
                if sign * (weight[k] @ inputs[i] + bias[k]) <= 0:
                    weight[k] += sign * inputs[i]
                    bias[k] += sign
    torch.testing.assert_close(net.head.weight.detach(), weight, atol=1e-4, rtol=0)
    assert session.stopped == "error rate reached: 0 <= 0"
    assert session.epoch < 60
    assert session.history[-1]["error_rate"] == 0.0


@pytest.mark.parametrize("shape", [(2, 9, 9), (1, 8, 8)])
def test_images_channels_last_learn_the_same(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    samples = TensorSamples(torch.randn(24, *shape), torch.arange(24) % 3)

    def trained() -> nn.Module:
        torch.manual_seed(0)
        net = LeNet(shape, 3, channels=(4, 6), hidden=8)
        fit(net, samples, settings=replace(SETTINGS, optimizer="momentum", lr=0.02))
        return net

    last = trained()
    weight = last.features[1][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(session_module, "suits_channels_last", lambda _network: False)
    contiguous = trained()
    assert contiguous.features[1][0].weight.is_contiguous()
    same_weights(last, contiguous, atol=1e-5)


@pytest.mark.parametrize("monitor", ["loss", "score"])
def test_validation_keeps_the_best_epoch(monitor: Any) -> None:
    """Too few records for so large a network: it overfits, and the best epoch is not the last."""
    net, valid = network(hidden=(60,)), data(200, seed=7)
    settings = replace(SETTINGS, epochs=200, lr=0.02, patience=5, monitor=monitor)
    session = fit(net, data(), valid, settings=settings)
    assert session.stopped.startswith(f"early stopping: no better validation {monitor}")
    losses = [row["valid_loss"] for row in session.history]
    scores = [row["valid_score"] for row in session.history]
    best = losses.index(min(losses)) if monitor == "loss" else scores.index(max(scores))
    assert session.rules.best_epoch == best + 1 < session.epoch < 200
    outputs = net(valid.inputs).detach()
    expected = nn.functional.cross_entropy(outputs, valid.targets).item()
    assert losses[best] == pytest.approx(expected, rel=1e-6)
    accuracy = (outputs.argmax(1) == valid.targets).double().mean().item()
    assert scores[best] == pytest.approx(accuracy)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_validation_heeds_the_weights(scale: float) -> None:
    net, valid = network(), data(200, seed=7, weighted=True)
    assert valid.weights is not None
    counts = (4 * valid.weights).round().clamp(0, 5)
    valid.weights = scale * counts
    session = fit(net, data(), valid, settings=SETTINGS)
    row = session.history[session.rules.best_epoch - 1]
    outputs = net(valid.inputs).detach().double().numpy()
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    labels, weights = valid.targets.numpy(), counts.numpy()
    expected = log_loss(labels, shares, sample_weight=weights)
    assert row["valid_loss"] == pytest.approx(expected, rel=1e-5)
    assert row["valid_loss"] != pytest.approx(log_loss(labels, shares), rel=1e-3)
    found = accuracy_score(labels, shares.argmax(1), sample_weight=weights)
    assert row["valid_score"] == pytest.approx(found)
    repeated = torch.arange(200).repeat_interleave(counts.long())
    twice = TensorSamples(valid.inputs[repeated], valid.targets[repeated])
    again = fit(network(), data(), twice, settings=SETTINGS).history
    for name in ("valid_loss", "valid_score"):
        assert [r[name] for r in session.history] == pytest.approx([r[name] for r in again])


def test_without_validation_the_last_weights_stay() -> None:
    net = network()
    session = fit(net, data(), settings=SETTINGS)
    assert session.history[-1]["valid_loss"] is None
    assert session.history[-1]["valid_score"] is None
    assert session.stopped == "epoch limit: 4"
    empty = network()
    fit(empty, data(), TensorSamples(torch.zeros(0, 6), torch.zeros(0)), settings=SETTINGS)
    same_weights(net, empty)


def test_validation_does_not_change_the_course() -> None:
    settings = replace(SETTINGS, epochs=3)
    alone = fit(network(dropout=0.3, batch_norm=True), data(), settings=settings)
    judged = fit(network(dropout=0.3, batch_norm=True), data(), data(50, 5), settings=settings)
    assert [row["loss"] for row in alone.history] == [row["loss"] for row in judged.history]


def test_weights_that_hardly_change() -> None:
    settings = replace(SETTINGS, epochs=300, batch_size=None, optimizer="sgd", lr=0.2)
    start = network()
    first = network()
    fit(first, data(), settings=replace(settings, epochs=1))
    old = torch.cat([p.detach().flatten() for p in start.parameters()])
    new = torch.cat([p.detach().flatten() for p in first.parameters()])
    change = ((new - old).norm() / old.norm()).item()
    below = fit(network(), data(), settings=replace(settings, weight_tol=change * 0.999))
    above = fit(network(), data(), settings=replace(settings, weight_tol=change * 1.001))
    assert below.epoch > 1
    assert above.epoch == 1
    assert above.stopped.startswith(f"weights hardly change: {change:.2g} <=")


def test_error_rate_is_that_of_the_training_records() -> None:
    settings = replace(SETTINGS, epochs=100, error_rate=0.2)
    net = network()
    session = fit(net, data(), settings=settings)
    rates = [row["error_rate"] for row in session.history]
    assert session.stopped.startswith("error rate reached")
    assert all(rate > 0.2 for rate in rates[:-1])
    wrong = (net(data().inputs).argmax(1) != data().targets).double().mean().item()
    assert rates[-1] == pytest.approx(wrong)
    assert wrong <= 0.2


class Recorder(Observer):
    """Writes down what it is told, reading all it can."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_start(self, session: Session) -> None:
        self.calls.append(f"start {session.step}")

    def on_step(self, session: Session) -> None:
        session.capture()
        assert session.flat.gradient.any()
        self.calls.append(f"step {session.step}")

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        assert row == session.history[-1]
        self.calls.append(f"epoch {row['epoch']}")

    def on_end(self, session: Session) -> None:
        self.calls.append(f"end {session.stopped}")

    def on_interrupt(self, session: Session) -> None:
        self.calls.append(f"interrupt {session.step}")


SMALL = replace(SETTINGS, epochs=2, batch_size=15)


def test_observers_are_called_in_order() -> None:
    first, second = Recorder(), Recorder()
    fit(network(), data(), settings=SMALL, observers=[first, Observer(), second])
    expected = "start 0, step 1, step 2, epoch 1, step 3, step 4, epoch 2, end epoch limit: 2"
    assert first.calls == second.calls == expected.split(", ")


def test_observers_of_an_interrupted_run() -> None:
    recorder = Recorder()
    stop = iter([False, False, True]).__next__
    session = fit(network(), data(), settings=SMALL, observers=[recorder], stop=stop)
    assert session.interrupted
    assert session.stopped == ""
    assert recorder.calls == ["start 0", "step 1", "step 2", "epoch 1", "step 3", "interrupt 3"]


def test_no_epochs() -> None:
    recorder, net = Recorder(), network()
    session = fit(net, data(), settings=replace(SMALL, epochs=0), observers=[recorder])
    assert recorder.calls == ["start 0", "end epoch limit: 0"]
    assert session.history == []
    same_weights(net, network())


def test_watched_and_unwatched_runs_are_the_same_to_the_bit() -> None:
    runs = []
    for observers in ([], [], [Recorder()]):
        net = network(dropout=0.3, batch_norm=True)
        session = fit(net, data(), data(20, 4), settings=SETTINGS, observers=observers)
        runs.append((net, untimed(session.history)))
        torch.rand(3)  # where the caller's random state stands plays no part
    for net, history in runs[1:]:
        same_weights(runs[0][0], net)
        assert history == runs[0][1]


@pytest.mark.parametrize("fails", [False, True])
def test_everything_else_is_as_before(fails: bool) -> None:
    class Failing(Observer):
        def on_step(self, session: Session) -> None:
            if fails and session.step == 5:
                raise KeyError

    net = network(dropout=0.3, batch_norm=True)
    samples = data()
    before = torch.get_rng_state(), torch.get_num_threads(), samples.inputs.clone()
    try:
        fit(net, samples, data(9, 2), settings=replace(SETTINGS, threads=2), observers=[Failing()])
    except KeyError:
        assert fails
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert torch.equal(samples.inputs, before[2])
    tensors = [*net.parameters(), *net.buffers()]
    assert len({t.untyped_storage().data_ptr() for t in tensors}) == len(tensors)
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)
    assert all(p.grad is None and p.requires_grad and p.is_leaf for p in net.parameters())
    assert not net.training
    assert all(not m._forward_hooks and not m._backward_hooks for m in net.modules())


def test_frozen_layers_stay() -> None:
    net = network()
    net.features.requires_grad_(False)
    fit(net, data(), settings=SETTINGS)
    assert torch.equal(net.features[0].weight, network().features[0].weight)
    assert not torch.equal(net.head.weight, network().head.weight)


def test_regression_reaches_the_least_squares_solution() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 3, generator=generator)
    targets = inputs @ torch.randn(3, 2, generator=generator) + 1.5
    targets += 0.1 * torch.randn(60, 2, generator=generator)
    net = nn.Linear(3, 2)
    settings = Settings(epochs=400, batch_size=None, lr=0.3, optimizer="sgd", device="cpu")
    samples = TensorSamples(inputs, targets)
    session = fit(net, samples, samples, objective="squared", settings=settings)
    design = torch.cat([inputs, torch.ones(60, 1)], 1)
    solution = torch.linalg.lstsq(design, targets).solution
    torch.testing.assert_close(net.weight.detach(), solution[:3].T, atol=1e-4, rtol=0)
    torch.testing.assert_close(net.bias.detach(), solution[3], atol=1e-4, rtol=0)
    outputs, _ = outputs_of(net, samples)
    expected = OBJECTIVES["squared"].score(outputs, targets)
    assert session.history[-1]["valid_score"] == pytest.approx(expected, abs=1e-6)


def test_text_settings_that_are_unknown_stop_before_training() -> None:
    for settings in (replace(SETTINGS, optimizer="adm"), replace(SETTINGS, schedule="cosin")):
        net = network()
        with pytest.raises(SettingError, match="did you mean"):
            fit(net, data(), settings=settings)
        same_weights(net, network())
    with pytest.raises(SettingError, match="did you mean"):
        fit(network(), data(), objective="square")


@pytest.mark.parametrize(("count", "size", "steps"), [(65, 64, 1), (7, 2, 2), (9, 4, 2), (6, 4, 2)])
def test_no_batch_of_one_is_normalized(count: int, size: int, steps: int) -> None:
    net = network(batch_norm=True)
    session = fit(net, data(count), settings=replace(SETTINGS, epochs=1, batch_size=size))
    assert session.step == steps
    assert session.batch_size == size if count % size != 1 else session.batch_size > size
    plain = fit(network(), data(count), settings=replace(SETTINGS, epochs=1, batch_size=size))
    assert (plain.step, plain.batch_size) == (-(-count // size), size)


def test_a_record_alone_cannot_be_normalized() -> None:
    for settings in (replace(SETTINGS, batch_size=1), replace(SETTINGS, batch_size=1, epochs=0)):
        with pytest.raises(SettingError, match="batch_size 1 leaves batch normalization"):
            fit(network(batch_norm=True), data(), settings=settings)
    with pytest.raises(DataError, match="one training record: batch normalization needs two"):
        fit(network(batch_norm=True), data(1), settings=SETTINGS)


def test_no_records() -> None:
    with pytest.raises(DataError, match="no training records"):
        fit(network(), TensorSamples(torch.zeros(0, 6), torch.zeros(0, dtype=torch.long)))


def test_a_defective_record_shape_is_not_hidden() -> None:
    with pytest.raises(RuntimeError):
        fit(network(), TensorSamples(torch.zeros(4, 5), torch.zeros(4, dtype=torch.long)))


def test_integer_inputs_of_an_embedding() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2))
    words = torch.randint(9, (30, 2), generator=torch.Generator().manual_seed(0))
    samples = TensorSamples(words, (words[:, 0] > words[:, 1]).long())
    session = fit(net, samples, settings=replace(SETTINGS, epochs=30))
    assert session.history[-1]["loss"] < 0.5 * session.history[0]["loss"]
