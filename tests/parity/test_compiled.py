"""Compiled steps against autograd: the same weights, history and random draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import DataError, NonFiniteError, SettingError
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron
from nnatomy.nn.activations import ACTIVATIONS
from nnatomy.training.fit import fit
from nnatomy.training.objectives import OBJECTIVES, Objective
from nnatomy.training.observers import Observer
from nnatomy.training.optimizers import OPTIMIZERS
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from toy_fit import data, network, same_weights

RATES = {"sgd": 0.1, "adadelta": 1.0, "momentum": 0.02, "nesterov": 0.02}
BASE = Settings(epochs=25, batch_size=8, lr=0.01, seed=3, device="cpu")  # 100 steps
UNITS = {"binary_cross_entropy": 1, "squared": 2}
COMPILED_ACTIVATIONS = [
    n for n, build in ACTIVATIONS.items() if not isinstance(build(), nn.Softmax)
]


def records(objective: str, count: int = 29, weighted: bool = False) -> TensorSamples:
    samples = data(count, weighted=weighted)
    if objective == "binary_cross_entropy":
        samples.targets = (samples.targets > 0).long()
    elif objective == "squared":
        samples.targets = samples.inputs[:, :2].sin()
    return samples


def both(net: nn.Module, samples: TensorSamples, **changes: Any) -> tuple[Session, Session]:
    objective = changes.pop("objective", "cross_entropy")
    valid = changes.pop("valid", None)
    start = {k: v.clone() for k, v in net.state_dict().items()}
    sessions = []
    for engine in ("compiled", "autograd"):
        net.load_state_dict(start)
        settings = replace(BASE, **changes, engine=engine)
        session = fit(net, samples, valid, objective=objective, settings=settings)
        assert session.engine == engine
        session.weights = {k: v.clone() for k, v in net.state_dict().items()}  # type: ignore[attr-defined]
        sessions.append(session)
    return sessions[0], sessions[1]


def assert_same(one: Session, two: Session, start: nn.Module, atol: float = 1e-5) -> None:
    moved = 0.0
    for name, value in one.weights.items():  # type: ignore[attr-defined]
        torch.testing.assert_close(value, two.weights[name], rtol=0, atol=atol)  # type: ignore[attr-defined]
        moved = max(moved, (value - start.state_dict()[name]).abs().max().item())
    assert moved > 1e-3
    assert len(one.history) == len(two.history)
    for first, second in zip(one.history, two.history, strict=True):
        assert list(first) == list(second)
        assert [v is None for v in first.values()] == [v is None for v in second.values()]
        for key in (k for k, v in first.items() if k != "seconds" and v is not None):
            assert first[key] == pytest.approx(second[key], rel=1e-4, abs=1e-5), key
    assert one.stopped == two.stopped


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("activation", COMPILED_ACTIVATIONS)
def test_a_hundred_steps_are_those_of_autograd(
    activation: str, objective: str, optimizer: str
) -> None:
    def build() -> MLP:
        torch.manual_seed(1)
        units = UNITS.get(objective, 3)
        return MLP((6,), units, hidden=(7, 5), activation=activation)

    lr = RATES.get(optimizer, 0.01)
    one, two = both(build(), records(objective), objective=objective, optimizer=optimizer, lr=lr)
    assert one.step == 100
    assert_same(one, two, build())


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": None},
        {"batch_size": 1, "optimizer": "sgd", "epochs": 4},
        {"batch_size": 29},
        {"batch_size": 1000},
        {"shuffle": False},
        {"l2": 0.5, "optimizer": "sgd"},
        {"l1": 0.5, "optimizer": "sgd"},
        {"l1": 0.2, "l2": 0.3, "clip_norm": 0.3, "optimizer": "momentum"},
        {"clip_norm": 0.2, "optimizer": "sgd"},
        {"schedule": "cosine", "optimizer": "nesterov"},
        {"schedule": "one_cycle", "batch_size": None},
        {"valid": data(15, seed=2), "patience": 3},
        {"patience": 2, "tol": 0.01, "batch_size": None},
        {"weight_tol": 0.05},
        {"error_rate": 0.4},
    ],
    ids=str,
)
def test_settings_mean_the_same(changes: dict[str, Any], weighted: bool, dropout: float) -> None:
    one, two = both(network(dropout=dropout), data(weighted=weighted), **changes)
    assert_same(one, two, network(dropout=dropout))


@pytest.mark.parametrize("objective", ["cross_entropy", "binary_cross_entropy", "squared"])
def test_large_products_by_blas_too(objective: str) -> None:
    def build() -> MLP:
        torch.manual_seed(1)
        return MLP((90,), UNITS.get(objective, 10), hidden=(80, 70), dropout=0.2)

    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 90, generator=generator)
    targets = {
        "cross_entropy": inputs[:, :10].argmax(1),
        "binary_cross_entropy": (inputs[:, 0] > 0).long(),
        "squared": inputs[:, :2].clone(),
    }[objective]
    one, two = both(
        build(), TensorSamples(inputs, targets), objective=objective, batch_size=64, epochs=20
    )
    assert one.step == 100
    assert_same(one, two, build())


def test_double_precision() -> None:
    samples = data()
    samples.inputs = samples.inputs.double()
    one, two = both(network().double(), samples)
    assert_same(one, two, network().double(), atol=1e-13)


@pytest.mark.parametrize(
    "build",
    [
        lambda: LogisticUnit((6,), 3),
        lambda: Perceptron((2, 3), 3),
        lambda: MLP((1, 2, 3), 3, hidden=()),
        lambda: nn.Sequential(nn.Linear(6, 4), nn.Identity(), nn.Dropout(0.2), nn.Linear(4, 3)),
        lambda: nn.Sequential(
            nn.Flatten(), nn.Sequential(nn.Linear(6, 4), nn.ELU()), nn.Linear(4, 3)
        ),
        lambda: nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3)),
    ],
)
def test_other_plain_networks(build: Any) -> None:
    torch.manual_seed(0)
    net, samples = build(), data()
    shape = (-1, 2, 3) if isinstance(net, Perceptron) else (-1, 6)
    samples.inputs = (
        samples.inputs.reshape(-1, 1, 2, 3)
        if isinstance(net, MLP)
        else (samples.inputs.reshape(shape))
    )
    start = {k: v.clone() for k, v in net.state_dict().items()}
    one, two = both(net, samples)
    net.load_state_dict(start)
    assert_same(one, two, net)


class Seen(Observer):
    """Counts what it is told; looks at each single step or not."""

    def __init__(self, every_step: bool) -> None:
        self.every_step = every_step
        self.steps: list[int] = []
        self.rows = 0

    def next_look(self, step: int) -> int | None:
        return step + 1 if self.every_step else None

    def on_step(self, session: Session) -> None:
        self.steps.append(session.step)

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        self.rows += 1


@pytest.mark.parametrize("batch_size", [8, None])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_watched_and_unwatched_runs_are_bit_identical(
    batch_size: int | None, dropout: float
) -> None:
    settings = replace(BASE, batch_size=batch_size, engine="compiled")
    networks, histories = [], []
    observers = ([], [Seen(True)], [Seen(False)])
    for watching in observers:
        networks.append(network(dropout=dropout))
        session = fit(networks[-1], data(), settings=settings, observers=watching)
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in session.history]
        histories.append(rows)
    same_weights(networks[0], networks[1])
    same_weights(networks[0], networks[2])
    assert histories[0] == histories[1] == histories[2]
    steps = 25 if batch_size is None else 100
    assert observers[1][0].steps == list(range(1, steps + 1))
    assert 0 < len(observers[2][0].steps) <= 25 == observers[2][0].rows


@pytest.mark.parametrize("batch_size", [8, None])
@pytest.mark.parametrize("polls", [1, 2, 7, 24])
def test_a_run_in_pieces_is_the_run_in_one_go(batch_size: int | None, polls: int) -> None:
    settings = replace(BASE, batch_size=batch_size, engine="compiled", optimizer="adam")
    whole, pieces = network(dropout=0.3), network(dropout=0.3)
    expected = fit(whole, data(), settings=settings)
    state, observers = None, [Seen(True)]
    for _ in range(200):
        asked = iter(range(polls))
        session = fit(
            pieces,
            data(),
            settings=settings,
            observers=observers,
            state=state,
            stop=lambda asked=asked: next(asked, None) is None,
        )
        if not session.interrupted:
            break
        state = session.capture()
    assert session.stopped == expected.stopped
    same_weights(whole, pieces)
    assert [row["loss"] for row in session.history] == [row["loss"] for row in expected.history]


@pytest.mark.parametrize("batch_size", [8, None])
def test_a_loss_that_is_not_finite_changes_nothing(batch_size: int | None) -> None:
    samples = data()
    samples.inputs[11, 2] = float("nan")
    net, reference = network(), network()
    settings = replace(BASE, batch_size=batch_size, shuffle=False)
    with pytest.raises(NonFiniteError, match="the inputs of the batch") as error:
        fit(net, samples, settings=replace(settings, engine="compiled"))
    with pytest.raises(NonFiniteError) as expected:
        fit(reference, samples, settings=replace(settings, engine="autograd"))
    assert str(error.value) == str(expected.value)
    same_weights(net, reference, atol=1e-6)
    assert all(torch.isfinite(p).all() for p in net.parameters())


def test_divergence_is_noticed_in_a_leap_with_the_rows_before_it() -> None:
    net = nn.Sequential(nn.Linear(6, 1))
    samples = records("squared")
    samples.targets = samples.targets[:, :1]
    settings = replace(BASE, optimizer="sgd", lr=50.0, batch_size=None, epochs=1000)
    sessions = []

    class Keep(Observer):
        def on_start(self, session: Session) -> None:
            sessions.append(session)

    with pytest.raises(NonFiniteError, match="step"):
        fit(net, samples, objective="squared", settings=settings, observers=[Keep()])
    (session,) = sessions
    assert session.engine == "compiled"
    assert 3 < session.step == session.epoch == len(session.history) < 1000
    losses = [row["loss"] for row in session.history]
    assert np.isfinite(losses).all()
    assert losses[-1] > losses[0]


class Doubled(nn.Linear):
    """A layer of one's own."""


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: network(batch_norm=True), "plain dense networks"),
        (lambda: network(hidden=(5, 5), residual=True), "without batch normalization, shortcuts"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.ReLU(), nn.Linear(4, 3)), "plain"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.LeakyReLU(0.3), nn.Linear(4, 3)), "plain"),
        (lambda: nn.Sequential(nn.Linear(6, 3), nn.ReLU()), "plain"),
        (lambda: nn.Sequential(nn.Linear(6, 3, bias=False)), "plain"),
        (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3)), "plain"),
        (lambda: nn.Sequential(Doubled(6, 3)), "plain"),
        (lambda: network().bfloat16(), "single or double precision"),
    ],
)
def test_what_cannot_be_compiled_is_trained_by_autograd(build: Any, reason: str) -> None:
    samples = data()
    net = build()
    samples.inputs = samples.inputs.to(next(net.parameters()).dtype)
    session = fit(net, samples, settings=replace(BASE, epochs=1))
    assert session.engine == "autograd"
    with pytest.raises(SettingError, match=reason):
        fit(build(), samples, settings=replace(BASE, engine="compiled"))


def test_hooks_frozen_parts_shared_layers_and_own_losses_go_to_autograd() -> None:
    hooked, frozen = network(), network()
    handle = hooked.features[0].register_forward_hook(lambda *_: None)
    frozen.head.bias.requires_grad_(False)
    layer = nn.Linear(6, 6)
    shared = nn.Sequential(layer, nn.ReLU(), layer)
    for net in (hooked, frozen, shared):
        session = fit(net, data(), settings=replace(BASE, epochs=1))
        assert session.engine == "autograd"
    handle.remove()
    original = OBJECTIVES["cross_entropy"]
    own = Objective(
        "cross_entropy",
        lambda outputs, targets, weights: 2 * original.loss(outputs, targets, weights),
        original.decode,
        original.score,
        original.score_name,
        "",
    )
    assert fit(network(), data(), objective=own, settings=BASE).engine == "autograd"
    assert fit(hooked, data(), settings=BASE).engine == "compiled"


def test_stacking_is_for_several_networks() -> None:
    with pytest.raises(SettingError, match="several networks"):
        fit(network(), data(), settings=replace(BASE, engine="stacked"))


@pytest.mark.parametrize("objective", ["binary_cross_entropy", "squared"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_one_unit_record_by_record(objective: str, weighted: bool, schedule: str) -> None:
    samples = records(objective, weighted=weighted)
    samples.targets = samples.targets[:, :1] if objective == "squared" else samples.targets
    changes = {"batch_size": 1, "optimizer": "sgd", "epochs": 4, "lr": 0.05, "schedule": schedule}
    one, two = both(LogisticUnit((6,), 1), samples, objective=objective, **changes)
    assert_same(one, two, LogisticUnit((6,), 1))
    torch.testing.assert_close(one.flat.gradient, two.flat.gradient, atol=1e-6, rtol=1e-5)


def test_one_unit_notices_a_loss_that_is_not_finite() -> None:
    samples = records("binary_cross_entropy")
    samples.inputs[7, 2] = float("inf")
    settings = replace(BASE, batch_size=1, optimizer="sgd", shuffle=False)
    units, errors = [], []
    for engine in ("compiled", "autograd"):
        units.append(LogisticUnit((6,), 1))
        own = replace(settings, engine=engine)
        with pytest.raises(NonFiniteError) as error:
            fit(units[-1], samples, objective="binary_cross_entropy", settings=own)
        errors.append(str(error.value))
    assert "records 8 to 8" in errors[0]
    assert errors[0] == errors[1]
    same_weights(*units, atol=1e-6)


@pytest.mark.parametrize("objective", ["cross_entropy", "perceptron"])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_class_numbers_without_a_unit_are_refused(objective: str, wrong: int) -> None:
    samples = data()
    samples.targets[5] = wrong
    net = network()
    with pytest.raises(DataError, match=f"class number {wrong} does not fit 3 output units"):
        fit(net, samples, objective=objective, settings=replace(BASE, engine="compiled"))


def test_records_and_targets_of_another_size_are_refused() -> None:
    samples = TensorSamples(torch.randn(10, 5), torch.zeros(10, dtype=torch.int64))
    with pytest.raises((DataError, RuntimeError, SettingError)):
        fit(network(), samples, settings=replace(BASE, engine="compiled"))
    samples = TensorSamples(torch.randn(10, 6), torch.zeros(10, 2))
    with pytest.raises(DataError, match="do not fit 3 output units"):
        fit(network(), samples, objective="squared", settings=replace(BASE, engine="compiled"))


def test_binary_cross_entropy_of_several_units_goes_to_autograd() -> None:
    samples = records("binary_cross_entropy")
    session = fit(network(), samples, objective="binary_cross_entropy", settings=BASE)
    assert session.engine == "autograd"
    with pytest.raises(SettingError, match="one output unit"):
        fit(
            network(),
            samples,
            objective="binary_cross_entropy",
            settings=replace(BASE, engine="compiled"),
        )
