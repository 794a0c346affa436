"""A run that is captured anywhere and resumed in a fresh network ends the same, to the bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import RunError
from nnatomy.models.mlp import MLP
from nnatomy.training import inference
from nnatomy.training.fit import fit
from nnatomy.training.flat import FlatParameters
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.state import State

STEPS = 40
BASE = Settings(
    epochs=8,
    batch_size=7,
    lr=0.02,
    schedule="one_cycle",
    l2=0.05,
    clip_norm=2.0,
    patience=50,
    weight_tol=1e-9,
    error_rate=0.0,
    seed=5,
    device="cpu",
)
VARIANTS = {
    "adam": BASE,
    "momentum": replace(BASE, optimizer="momentum", monitor="score"),
    "adadelta": replace(BASE, optimizer="adadelta", lr=1.0, schedule="constant"),
}


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return MLP((5,), 3, hidden=(9, 8), dropout=0.3, batch_norm=True)


def data(count: int, seed: int) -> TensorSamples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=generator)
    targets = (inputs[:, :3] + torch.randn(count, 3, generator=generator)).argmax(1)
    return TensorSamples(inputs, targets)


TRAIN, VALID = data(33, 1), data(21, 2)

Outcome = tuple[dict[str, Any], list[dict[str, Any]], str]


def outcome(session: Session) -> Outcome:
    weights = {k: v.clone() for k, v in session.network.state_dict().items()}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in session.history]
    return weights, rows, session.stopped


def same(a: Outcome, b: Outcome) -> bool:
    weights = a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0])
    return weights and a[1:] == b[1:]


class Capturing(Observer):
    def __init__(self) -> None:
        self.states: list[State] = []

    def on_step(self, session: Session) -> None:
        self.states.append(session.capture())

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        self.states.append(session.capture())


def whole_run(settings: Settings) -> tuple[Outcome, list[State]]:
    watcher = Capturing()
    session = fit(network(), TRAIN, VALID, settings=settings, observers=[watcher])
    return outcome(session), watcher.states


def resumes_to(expected: Outcome, state: State, settings: Settings = BASE) -> bool:
    """Whether a fresh network, going on from the state, ends as expected."""
    session = fit(network(seed=99), TRAIN, VALID, settings=settings, state=state)
    return same(outcome(session), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_resumption_at_every_step_and_epoch(variant: str) -> None:
    expected, states = whole_run(VARIANTS[variant])
    assert len(states) == STEPS + 8
    assert [s.values["step"] for s in states][-1] == STEPS
    for state in states:
        assert resumes_to(expected, state, VARIANTS[variant]), state.values["step"]


def drop_random_state(state: State) -> None:
    state.tensors["rng.cpu"] = torch.Generator().manual_seed(BASE.seed).get_state()


def drop_slots(state: State) -> None:
    for name, tensor in state.tensors.items():
        if name.startswith("slot."):
            tensor.zero_()


def drop_loss_sum(state: State) -> None:
    state.tensors["loss_sum"].zero_()


def drop_norm_sum(state: State) -> None:
    state.values["norm_sum"] = 0.0


def drop_running_averages(state: State) -> None:
    state.tensors["network.features.1.running_var"].fill_(1.0)


def drop_best_weights(state: State) -> None:
    for name in [n for n in state.tensors if n.startswith("best.")]:
        state.tensors[name].zero_()


def drop_position(state: State) -> None:
    state.values["consumed"] -= 7


def drop_rules(state: State) -> None:
    state.values["rules"]["best"] = -1.0


@pytest.mark.parametrize(
    "mutate",
    [
        drop_random_state,
        drop_slots,
        drop_loss_sum,
        drop_norm_sum,
        drop_running_averages,
        drop_position,
        drop_rules,
    ],
)
def test_an_incomplete_state_is_caught(mutate: Callable[[State], None]) -> None:
    expected, states = whole_run(BASE)
    state = states[13]
    assert 0 < state.values["consumed"] < len(TRAIN)
    mutate(state)
    assert not resumes_to(expected, state)


def overfitting() -> tuple[Settings, TensorSamples]:
    """The best epoch comes early: what follows never improves on it."""
    return replace(BASE, lr=0.5, schedule="constant", optimizer="sgd", epochs=6), data(60, 8)


def test_best_weights_of_before_the_resumption_are_kept() -> None:
    settings, valid = overfitting()
    watcher = Capturing()
    session = fit(network(), TRAIN, valid, settings=settings, observers=[watcher])
    assert session.rules.best_epoch < settings.epochs
    state = watcher.states[-2]

    def resumed(state: State) -> Outcome:
        return outcome(fit(network(9), TRAIN, valid, settings=settings, state=state))

    assert same(resumed(state), outcome(session))
    drop_best_weights(state)
    assert not same(resumed(state), outcome(session))


def test_a_state_can_be_used_again_and_again() -> None:
    expected, states = whole_run(BASE)
    state = states[9]
    before = {name: tensor.clone() for name, tensor in state.tensors.items()}
    values = copy.deepcopy(state.values)
    for _ in range(2):
        assert resumes_to(expected, state)
    assert state.values == values
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors.items())


def test_the_rule_on_weight_changes_survives_a_resumption() -> None:
    settings = replace(BASE, weight_tol=0.05, schedule="cosine")
    expected, states = whole_run(settings)
    assert expected[2].startswith("weights hardly change")
    assert len(expected[1]) > 1
    for state in states:
        assert resumes_to(expected, state, settings), state.values["step"]


class StopAtCall:
    """Says True once only, at its n-th call."""

    def __init__(self, call: int) -> None:
        self.left = call

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def test_interruption_anywhere_also_during_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is captured from the session that fit returns, outside its random state."""
    monkeypatch.setattr(inference, "_LEAST", 1)
    monkeypatch.setattr(inference, "_MOST", 6)  # several batches a validation
    expected, _ = whole_run(BASE)
    in_validation = 0
    for call in range(1, 200):
        stop = StopAtCall(call)
        session = fit(network(), TRAIN, VALID, settings=BASE, stop=stop)
        if not session.interrupted:
            break
        in_validation += session.consumed == len(TRAIN)
        torch.rand(call % 5)
        assert resumes_to(expected, session.capture()), call
    assert stop.left > 0
    assert call > STEPS + 8 * 4
    assert in_validation > 8 * 4


def test_capture_shares_no_memory_with_the_run() -> None:
    watcher = Capturing()
    fit(network(), TRAIN, VALID, settings=BASE, observers=[watcher])
    early, late = watcher.states[2], watcher.states[30]
    assert not torch.equal(early.tensors["slot.mean"], late.tensors["slot.mean"])
    assert early.values["history"] == []
    assert len(late.values["history"]) == 5


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for() -> None:
    settings = replace(BASE, schedule="constant", weight_tol=0.0, error_rate=None)
    long = fit(network(), TRAIN, settings=settings)
    short = fit(network(), TRAIN, settings=replace(settings, epochs=3))
    assert short.stopped == "epoch limit: 3"
    longer = fit(network(9), TRAIN, settings=settings, state=short.capture())
    assert same(outcome(longer), outcome(long))


@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_a_finished_run_with_the_best_weights_in_place_goes_on(schedule: str) -> None:
    settings = replace(
        BASE, epochs=60, lr=0.05, schedule=schedule, weight_tol=0.0, error_rate=None, patience=None
    )
    long = fit(network(), TRAIN, VALID, settings=settings)
    short = fit(network(), TRAIN, VALID, settings=replace(settings, epochs=30))
    assert short.rules.best_epoch < 30
    state = short.capture()
    last = state.tensors["network.head.weight"]
    assert not torch.equal(last, short.network.state_dict()["head.weight"])
    longer = fit(network(9), TRAIN, VALID, settings=settings, state=state)
    assert same(outcome(longer), outcome(long))
    going_on = fit(short.network, TRAIN, VALID, settings=settings, state=state)
    assert same(outcome(going_on), outcome(long))


def test_the_best_may_be_put_in_place_again() -> None:
    done = fit(network(), TRAIN, VALID, settings=replace(BASE, lr=0.5, schedule="constant"))
    assert done.rules.best_epoch < done.epoch
    before, weights = done.capture(), outcome(done)
    done.use_best()
    assert same(outcome(done), weights)
    for name, value in done.capture().tensors.items():
        assert torch.equal(value, before.tensors[name]), name


def test_a_finished_run_stays_finished() -> None:
    done = fit(network(), TRAIN, VALID, settings=BASE)
    again = fit(network(9), TRAIN, VALID, settings=BASE, state=done.capture())
    assert again.step == STEPS
    assert same(outcome(again), outcome(done))


def test_seconds_are_summed_over_resumptions() -> None:
    watcher = Capturing()
    fit(network(), TRAIN, VALID, settings=BASE, observers=[watcher])
    state = watcher.states[20]
    state.values["seconds"] = 1000.0
    session = fit(network(), TRAIN, VALID, settings=BASE, state=state)
    assert 1000.0 < session.seconds < 1100.0
    assert session.history[-1]["seconds"] > 1000.0


@pytest.mark.parametrize(
    ("train", "settings", "net", "message"),
    [
        (data(32, 1), BASE, network(), "records 33, this run has 32"),
        (TRAIN, replace(BASE, batch_size=9), network(), "batch_size 7, this run has 9"),
        (TRAIN, replace(BASE, optimizer="momentum"), network(), "another network or optimizer"),
        (TRAIN, BASE, MLP((5,), 3, hidden=(9, 8)), "another network or optimizer"),
        (TRAIN, BASE, MLP((5,), 3, hidden=(9, 7), batch_norm=True), "another network"),
    ],
)
def test_a_state_of_another_run_is_refused(
    train: TensorSamples, settings: Settings, net: nn.Module, message: str
) -> None:
    _, states = whole_run(BASE)
    with pytest.raises(RunError, match=message) as caught:
        fit(net, train, VALID, settings=settings, state=states[13])
    assert "\n" not in str(caught.value)


def test_a_run_goes_on_where_parameters_lie_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU they begin at round addresses; what is captured there is as on the CPU."""
    settings = replace(BASE, epochs=3)
    whole, packed_states = whole_run(settings)
    packed = packed_states[len(packed_states) // 2]
    gradient = torch.arange(float(len(packed.tensors["epoch_start"])))
    noted = State(packed.tensors | {"noted.gradient": gradient}, packed.values)
    with monkeypatch.context() as patch:
        patch.setattr(
            "nnatomy.training.session.FlatParameters", partial(FlatParameters, aligned=64)
        )
        aligned, states = whole_run(settings)
        middle = states[len(states) // 2]
        there = outcome(fit(network(1), TRAIN, VALID, settings=settings, state=packed))
        session = fit(network(1), TRAIN, VALID, settings=replace(settings, epochs=1), state=noted)
    assert torch.equal(session.capture().tensors["noted.gradient"], gradient)
    resumed = outcome(fit(network(1), TRAIN, VALID, settings=settings, state=middle))
    for other in (aligned, resumed, there):
        for name, values in whole[0].items():
            torch.testing.assert_close(other[0][name], values, rtol=1e-4, atol=1e-5)
    sizes = {k: len(v) for k, v in middle.tensors.items() if k in ("slot.mean", "epoch_start")}
    assert set(sizes.values()) == {sum(p.numel() for p in network().parameters())}
