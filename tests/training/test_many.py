"""Several networks at once: each as `fit` alone leaves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.models.lenet import LeNet
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from toy_fit import data, network, same_weights

# Not adam: it blows up the rounding in a bias before batch normalization, whose gradient is zero.
BASE = Settings(epochs=6, batch_size=8, lr=0.02, optimizer="momentum", device="cpu")
KINDS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "compiled": (lambda: network(), "compiled"),
    "compiled with dropout": (lambda: network(dropout=0.4), "compiled"),
    "stacked": (lambda: network(batch_norm=True), "stacked"),
    "stacked residual": (lambda: network(hidden=(7, 7, 7), residual=True), "stacked"),
    "one by one": (lambda: network(batch_norm=True, dropout=0.3), "autograd"),
}


def forced(kind: str) -> str:
    """Few networks are not stacked by themselves."""
    return "stacked" if kind.startswith("stacked") else "auto"


VARIED = [
    {"seed": 1},
    {"seed": 2, "lr": 0.03},
    {"seed": 3, "optimizer": "nesterov"},
    {"seed": 4, "l2": 0.3, "clip_norm": 0.5, "schedule": "cosine"},
    {"seed": 5, "epochs": 3},
]


def same_run(
    together: Session, alone: Session, atol: float = 1e-5, but: tuple[str, ...] = ()
) -> None:
    one, two = together.network.state_dict(), alone.network.state_dict()
    for name, value in one.items():
        if name in but:
            continue
        torch.testing.assert_close(value, two[name], rtol=1e-5, atol=atol, msg=name)
    assert len(together.history) == len(alone.history)
    for first, second in zip(together.history, alone.history, strict=True):
        for key in ("epoch", "step", "loss", "valid_loss", "valid_score", "lr", "grad_norm"):
            assert (first[key] is None) == (second[key] is None)
            assert first[key] is None or first[key] == pytest.approx(
                second[key], rel=1e-4, abs=1e-5
            )
    assert together.stopped == alone.stopped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("held_out", [False, True])
def test_each_network_ends_as_alone(kind: str, weighted: bool, held_out: bool) -> None:
    build, engine = KINDS[kind]
    samples, valid = data(weighted=weighted), data(13, seed=5) if held_out else None
    settings = [replace(BASE, **changes, engine=forced(kind)) for changes in VARIED]
    together = fit_many([build() for _ in settings], samples, valid, settings=settings)
    for session, own in zip(together, settings, strict=True):
        assert session.engine == engine
        assert session.settings == own
        alone = replace(own, engine="compiled" if engine == "compiled" else "autograd")
        same_run(session, fit(build(), samples, valid, settings=alone))
    weights = [torch.nn.utils.parameters_to_vector(s.network.parameters()) for s in together]
    assert not torch.allclose(weights[0], weights[1], atol=1e-3)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
def test_stacked_over_objectives(objective: str, optimizer: str) -> None:
    units = {"binary_cross_entropy": 1, "squared": 2}.get(objective, 3)

    def build() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, units))

    samples = data()
    if objective == "binary_cross_entropy":
        samples.targets = (samples.targets > 0).long()
    elif objective == "squared":
        samples.targets = samples.inputs[:, :2].sin()
    settings = [
        replace(BASE, seed=seed, optimizer=optimizer, lr=0.05, engine="stacked")
        for seed in range(3)
    ]
    together = fit_many(
        [build() for _ in settings], samples, objective=objective, settings=settings
    )
    for session, own in zip(together, settings, strict=True):
        assert session.engine == "stacked"
        # The bias before a normalization has no gradient but rounding, which adam and adagrad
        # blow up. Normalizing a batch takes its effect away; the running mean follows it slowly.
        alone = fit(build(), samples, objective=objective, settings=replace(own, engine="autograd"))
        same_run(session, alone, atol=1e-4, but=("1.running_mean", "0.bias"))
        outputs = [s.network.train()(samples.inputs).detach() for s in (session, alone)]
        torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)


def test_images_are_stacked_when_asked() -> None:
    def build() -> LeNet:
        torch.manual_seed(0)
        return LeNet((1, 8, 8), 3, channels=(4, 6), kernel=3, hidden=8, dropout=0.0)

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(20, 1, 8, 8, generator=generator)
    samples = TensorSamples(images, images[:, 0, 0, :3].argmax(1))
    settings = [replace(BASE, seed=seed, epochs=3, optimizer="sgd", lr=0.1) for seed in range(3)]
    one_by_one = fit_many([build() for _ in settings], samples, settings=settings)
    assert {session.engine for session in one_by_one} == {"autograd"}
    stacked = fit_many(
        [build() for _ in settings],
        samples,
        settings=[replace(own, engine="stacked") for own in settings],
    )
    for session, alone in zip(stacked, one_by_one, strict=True):
        assert session.engine == "stacked"
        same_run(session, alone)


def test_networks_of_several_kinds_and_an_early_end() -> None:
    builds = [KINDS["stacked"][0], KINDS["compiled"][0], KINDS["one by one"][0]] * 2
    settings = [
        replace(
            BASE,
            seed=i,
            patience=1,
            tol=0.02 * i,
            epochs=30,
            engine=("stacked", "auto", "auto")[i % 3],
        )
        for i in range(6)
    ]
    together = fit_many([build() for build in builds], data(), data(9, seed=7), settings=settings)
    assert [s.engine for s in together] == ["stacked", "compiled", "autograd"] * 2
    assert len({len(session.history) for session in together}) > 1
    for build, session, own in zip(builds, together, settings, strict=True):
        own = replace(own, engine="autograd")
        same_run(session, fit(build(), data(), data(9, seed=7), settings=own))


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_diverges_does_not_stop_the_others(kind: str) -> None:
    build, _ = KINDS[kind]
    samples = data()
    settings = [
        replace(BASE, engine=forced(kind), seed=seed, optimizer="sgd", lr=0.1) for seed in range(3)
    ]
    networks = [build() for _ in settings]
    with torch.no_grad():
        next(networks[1].parameters())[0, 0] = float("nan")
    sessions = fit_many(networks, samples, settings=settings)
    assert isinstance(sessions[1].error, NonFiniteError)
    assert "parameter" in str(sessions[1].error)
    assert sessions[1].history == []
    for i in (0, 2):
        assert sessions[i].error is None
        same_run(sessions[i], fit(build(), samples, settings=replace(settings[i], engine="auto")))


class Watch(Observer):
    """Notes what it is told and whether it is told two things at once."""

    def __init__(self) -> None:
        self.inside = threading.Lock()
        self.told: list[tuple[str, int]] = []

    def note(self, what: str, session: Session) -> None:
        assert self.inside.acquire(blocking=False)
        time.sleep(0.002)  # long enough for others to come in, if they could
        self.told.append((what, session.settings.seed))
        self.inside.release()

    def on_start(self, session: Session) -> None:
        self.note("start", session)

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        self.note(f"epoch {row['epoch']}", session)

    def on_end(self, session: Session) -> None:
        self.note("end", session)

    def on_interrupt(self, session: Session) -> None:
        self.note("interrupt", session)


@pytest.mark.parametrize("kind", KINDS)
def test_observers_see_every_network(kind: str) -> None:
    watch = Watch()
    settings = [replace(BASE, engine=forced(kind), seed=seed, epochs=2) for seed in range(4)]
    fit_many([KINDS[kind][0]() for _ in settings], data(), settings=settings, observers=[watch])
    for seed in range(4):
        own = [what for what, whose in watch.told if whose == seed]
        assert own == ["start", "epoch 1", "epoch 2", "end"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_ends_all(kind: str) -> None:
    watch, asked = Watch(), iter(range(9))
    settings = [replace(BASE, engine=forced(kind), seed=seed, epochs=50) for seed in range(3)]
    sessions = fit_many(
        [KINDS[kind][0]() for _ in settings],
        data(),
        settings=settings,
        observers=[watch],
        stop=lambda: next(asked, None) is None,
    )
    assert all(session.interrupted for session in sessions)
    assert {("interrupt", seed) for seed in range(3)} <= set(watch.told)
    assert not any(what == "end" for what, _ in watch.told)


def test_an_observer_that_fails_ends_all_with_its_error() -> None:
    class Failing(Observer):
        def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
            raise ValueError("no")

    networks = [network() for _ in range(5)]
    with pytest.raises(ValueError, match="no"):
        fit_many(
            networks,
            data(),
            settings=[replace(BASE, seed=seed) for seed in range(5)],
            observers=[Failing()],
        )
    assert not any(net.training for net in networks)


def test_a_failure_ends_the_others_at_once() -> None:
    class Failing(Observer):
        ended = 0

        def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
            if session.settings.seed == 1:
                raise ValueError("no")

        def on_end(self, session: Session) -> None:
            self.ended += 1

    watch = Failing()
    settings = [replace(BASE, seed=seed, epochs=100_000) for seed in range(3)]
    with pytest.raises(ValueError, match="no"):
        fit_many([network() for _ in settings], data(), settings=settings, observers=[watch])
    assert watch.ended == 0


class Own(nn.Module):
    """A network of a user's, with a function as attribute."""

    def __init__(self, act: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head, self.act = nn.Linear(6, 5), nn.Linear(5, 3), act

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.act(self.first(inputs)))
        return outputs


@pytest.mark.parametrize("engine", ["auto", "stacked"])
def test_networks_that_compute_differently_are_kept_apart(engine: Any) -> None:
    acts = [torch.relu, torch.sin] * 8
    settings = [replace(BASE, seed=i, engine=engine) for i in range(16)]
    together = fit_many([Own(act) for act in acts], data(), settings=settings)
    assert {s.engine for s in together} == {"autograd" if engine == "auto" else "stacked"}
    for act, session, own in zip(acts, together, settings, strict=True):
        same_run(session, fit(Own(act), data(), settings=replace(own, engine="auto")))


def test_what_cannot_be_vectorized_is_trained_one_by_one() -> None:
    def drops(values: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(values, 0.5)

    settings = [replace(BASE, seed=i, epochs=1) for i in range(16)]
    together = fit_many([Own(drops) for _ in settings], data(), settings=settings)
    assert {s.engine for s in together} == {"autograd"}
    built = [nn.Sequential(nn.Linear(6, 3), nn.RReLU(), nn.Linear(3, 3)) for _ in settings]
    assert {s.engine for s in fit_many(built, data(), settings=settings)} == {"autograd"}


def test_hooks_and_frozen_parts_are_not_stacked() -> None:
    build = KINDS["stacked"][0]
    hooked, watched, frozen = build(), build(), build()
    next(hooked.parameters()).register_hook(lambda gradient: 0 * gradient)
    watched.register_forward_hook(lambda *_: None)
    next(frozen.parameters()).requires_grad_(False)
    for net, reason in ((hooked, "hooks"), (watched, "hooks"), (frozen, "frozen")):
        with pytest.raises(SettingError, match=reason):
            fit_many([net], data(), settings=[replace(BASE, engine="stacked")])


def test_a_validation_that_is_not_finite_ends_one_network_only() -> None:
    build = KINDS["stacked"][0]
    networks = [build() for _ in range(3)]
    for module in networks[1].modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            module.running_mean.fill_(float("nan"))
    settings = [replace(BASE, seed=i, engine="stacked") for i in range(3)]
    sessions = fit_many(networks, data(), data(9, seed=5), settings=settings)
    assert [s.error is None for s in sessions] == [True, False, True]
    assert "validation loss" in str(sessions[1].error)
    assert len(sessions[0].history) == len(sessions[2].history) == BASE.epochs


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_that_is_asked_once_stays(kind: str) -> None:
    for moment in range(1, 9):
        asked = iter(range(1, 1000))
        settings = [replace(BASE, engine=forced(kind), seed=seed) for seed in range(2)]
        sessions = fit_many(
            [KINDS[kind][0]() for _ in settings],
            data(),
            data(40, seed=5),
            settings=settings,
            stop=lambda asked=asked, moment=moment: next(asked) == moment,  # type: ignore[misc]
        )
        assert all(session.interrupted for session in sessions)


def test_the_time_of_stacked_networks_is_shared() -> None:
    build = KINDS["stacked"][0]
    settings = [replace(BASE, seed=i, engine="stacked", epochs=20) for i in range(8)]
    began = time.perf_counter()
    sessions = fit_many([build() for _ in settings], data(), settings=settings)
    assert sum(session.seconds for session in sessions) <= time.perf_counter() - began


def test_observers_may_be_given_their_methods_later() -> None:
    for batch_size in (8, None):
        for run in (
            lambda o, s: fit(network(), data(), settings=s, observers=[o]),
            lambda o, s: fit_many([network()], data(), settings=[s], observers=[o]),
        ):
            told: list[int] = []
            observer = Observer()
            observer.on_epoch = lambda _, row, told=told: told.append(row["epoch"])  # type: ignore[assignment, misc]
            run(observer, replace(BASE, batch_size=batch_size, epochs=3))
            assert told == [1, 2, 3]


def test_mistakes() -> None:
    with pytest.raises(SettingError, match="2 networks have 1 settings"):
        fit_many([network(), network()], data(), settings=[BASE])
    layer = nn.Linear(6, 3)
    with pytest.raises(SettingError, match="share a layer"):
        fit_many([nn.Sequential(layer), nn.Sequential(layer)], data(), settings=[BASE, BASE])
    net = network()
    with pytest.raises(SettingError, match="share a layer"):
        fit_many([net, net], data(), settings=[BASE, BASE])
    with pytest.raises(SettingError, match="Dropout draws"):
        fit_many([network(dropout=0.5)], data(), settings=[replace(BASE, engine="stacked")])


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    settings = [replace(BASE, seed=seed, epochs=1) for seed in range(2)]
    for build, _ in KINDS.values():
        nets = [build() for _ in settings]
        torch.manual_seed(5)
        fit_many(nets, data(), settings=settings)
        assert torch.equal(torch.get_rng_state(), before)
    nets = [network(dropout=0.5) for _ in settings]
    torch.manual_seed(5)
    diverging = [replace(own, lr=1e38, epochs=3) for own in settings]
    assert any(session.error for session in fit_many(nets, data(), settings=diverging))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_single_network_with_its_own_weights() -> None:
    alone, listed = network(), network()
    fit(alone, data(), settings=BASE)
    fit_many([listed], data(), settings=[BASE])
    same_weights(alone, listed, atol=1e-6)


def test_many_small_networks_are_stacked_by_themselves_and_few_are_not() -> None:
    build = KINDS["stacked"][0]
    for count, engine in ((15, "autograd"), (16, "stacked")):
        settings = [replace(BASE, seed=seed, epochs=1) for seed in range(count)]
        sessions = fit_many([build() for _ in settings], data(), settings=settings)
        assert {session.engine for session in sessions} == {engine}
