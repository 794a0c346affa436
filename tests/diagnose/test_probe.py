"""A probe measures the step that is made anyway: rightly, at its time, and without a trace."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.networks import (
    BUILDS,
    Forgetful,
    Recurrent,
    Words,
    built,
    hooks_of,
    records,
    same_tensors,
)
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.measure import participation
from nnatomy.diagnose.probe import Measuring, Probe, _bounded
from nnatomy.errors import NonFiniteError
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.state import State

BASE = Settings(epochs=3, batch_size=8, lr=0.02, seed=3, device="cpu", threads=1)
STEPS = 12  # of 29 records in batches of 8, the last of 5


def dense(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return MLP((6,), 3, **{"hidden": (7, 5), "activation": "tanh", **settings})


def untimed(session: Session) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in session.history]


def assert_unwatched_is_watched(build: Any, settings: Settings) -> None:
    valid, found = records(20, seed=2), []
    for observers in ([], [Probe(1)], [Probe(3)], [Probe()]):
        network = build()
        session = fit(network, records(29), valid, settings=settings, observers=observers)
        assert hooks_of(network) == 0
        assert bool(session.probed) == bool(observers)
        found.append((session, network.state_dict()))
    for session, weights in found[1:]:
        assert session.engine == found[0][0].engine
        assert untimed(session) == untimed(found[0][0])
        same_tensors(weights, found[0][1])


@pytest.mark.parametrize("name", BUILDS)
def test_a_watched_run_is_the_unwatched_one(name: str) -> None:
    assert_unwatched_is_watched(lambda: built(name), replace(BASE, engine="autograd"))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_a_watched_dense_run_is_the_unwatched_one(engine: Any, dropout: float) -> None:
    assert_unwatched_is_watched(lambda: dense(dropout=dropout), replace(BASE, engine=engine))


@pytest.mark.parametrize("engine", ["compiled", "autograd", "stacked"])
def test_several_networks_are_watched_at_once(engine: Any) -> None:
    def networks() -> list[nn.Module]:
        made = []
        for seed in range(3):
            torch.manual_seed(seed)
            made.append(MLP((6,), 3, hidden=(7,), activation="tanh"))
        return made

    settings = [replace(BASE, engine=engine, lr=lr) for lr in (0.01, 0.02, 0.03)]
    found = []
    for observers in ([], [Probe(4)]):
        made = networks()
        sessions = fit_many(made, records(29), settings=settings, observers=observers)
        assert {s.engine for s in sessions} == {engine}
        assert sum(hooks_of(n) for n in made) == 0
        found.append((made, sessions))
    for one, other in zip(*(made for made, _ in found), strict=True):
        same_tensors(one.state_dict(), other.state_dict())
    for network, own, session in zip(networks(), settings, found[1][1], strict=True):
        alone = fit(
            network,
            records(29),
            settings=replace(own, engine="autograd"),
            observers=[Probe(4)],
        )
        assert [r["step"] for r in session.probed] == [1, 4, 8, 12]
        assert_same_rows(session.probed, alone.probed, only_measured=engine == "stacked")


def assert_same_rows(
    rows: list[dict[str, Any]], others: list[dict[str, Any]], *, only_measured: bool = False
) -> None:
    assert len(rows) == len(others) > 0
    for one, other in zip(rows, others, strict=True):
        assert only_measured or set(one) == set(other)
        for name in set(one) & set(other):
            if one[name] is None or other[name] is None:
                assert one[name] is other[name], name
            else:
                assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, {}),
        ({"activation": "relu"}, {}),
        ({"activation": "sigmoid"}, {"optimizer": "momentum"}),
        ({"dropout": 0.4}, {}),
        ({"dropout": 0.4, "activation": "relu"}, {"clip_norm": 0.1}),
        ({}, {"batch_size": 29}),
        ({}, {"batch_size": 1, "epochs": 1}),
        ({"hidden": ()}, {"l2": 0.5}),
    ],
    ids=str,
)
def test_compiled_steps_measure_what_autograd_does(
    settings: dict[str, Any], changes: dict[str, Any]
) -> None:
    found = []
    for engine in ("compiled", "autograd"):
        own = replace(BASE, engine=engine, **changes)
        session = fit(dense(**settings), records(29), settings=own, observers=[Probe(1)])
        assert session.engine == engine
        assert len(session.probed) == session.step
        found.append(session.probed)
    assert_same_rows(*found)
    assert {"fed_mean", "fed_std", "fed_dead", "fed_saturated", "rank", "out_std"} <= set(
        found[0][0]
    )


class ByHand(Observer):
    """Computes a step's numbers from the weights before it, which it keeps itself."""

    def __init__(self) -> None:
        self.before: list[Tensor] = []
        self.gradient: Tensor | None = None
        self.rows: list[dict[str, Any]] = []

    def on_start(self, session: Session) -> None:
        self.before = [p.detach().clone() for p in session.network.parameters()]

    def on_step(self, session: Session) -> None:
        batch = session.batch
        assert batch is not None
        w1, b1, w2, b2 = (p.clone().requires_grad_() for p in self.before)
        hidden = (batch.inputs @ w1.T + b1).tanh()
        outputs = hidden @ w2.T + b2
        loss = functional.cross_entropy(outputs, batch.targets)
        grads = torch.autograd.grad(loss, [w1, b1, w2, b2])
        flat = torch.cat([g.flatten() for g in grads])
        now = [p.detach().clone() for p in session.network.parameters()]
        row = {
            "loss": loss.item(),
            "norm": flat.norm().item(),
            "lr": 0.02,
            "gradient": [grads[0].norm().item(), grads[2].norm().item()],
            "weight": [now[0].norm().item(), now[2].norm().item()],
            "update": [(now[i] - self.before[i]).norm().item() for i in (0, 2)],
            "fed_mean": [batch.inputs.mean().item(), hidden.mean().item()],
            "fed_std": [batch.inputs.std().item(), hidden.std().item()],
            "fed_low": [batch.inputs.min().item(), hidden.min().item()],
            "rank": participation(hidden.detach()),
            "out_mean": outputs.mean().item(),
            "batch": len(batch.targets),
            "cosine": None
            if self.gradient is None
            else functional.cosine_similarity(flat, self.gradient, dim=0).item(),
            "power": None if self.gradient is None else (flat @ self.gradient).item(),
            "noise": None
            if self.gradient is None
            else (flat - self.gradient).square().sum().item() / 2,
        }
        self.rows.append(row)
        self.before, self.gradient = now, flat


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_rows_are_those_computed_by_hand(engine: Any) -> None:
    witness = ByHand()
    session = fit(
        dense(hidden=(7,)),
        records(29),
        settings=replace(BASE, engine=engine),
        observers=[witness, Probe(1)],
    )
    assert len(session.probed) == STEPS
    assert [row["batch"] for row in session.probed[:4]] == [8, 8, 8, 5]
    for row, expected in zip(session.probed, witness.rows, strict=True):
        for name, value in expected.items():
            wanted = value if value is None else pytest.approx(value, rel=1e-4, abs=1e-6)
            assert row[name] == wanted, name


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
@pytest.mark.parametrize("every", [1, 2, 5, 12, 100])
def test_the_schedule(every: int, engine: Any) -> None:
    settings = replace(BASE, engine=engine)
    session = fit(dense(), records(29), settings=settings, observers=[Probe(every)])
    expected = [k for k in range(1, STEPS + 1) if k == 1 or k % every == 0]
    assert [row["step"] for row in session.probed] == expected


def test_next_look_is_each_measurement_and_the_step_before() -> None:
    probe = Probe(5)
    assert probe.next_look(0) is None
    session = Session(dense(), records(29), None, _objective(), replace(BASE, engine="compiled"))
    probe.on_start(session)
    looks, step = [], 0
    while step < 20:
        step = probe.next_look(step) or 0
        looks.append(step)
    assert looks == [1, 4, 5, 9, 10, 14, 15, 19, 20]
    probe.close()
    session.close()


def _objective() -> Any:
    from nnatomy.training.objectives import objective_named

    return objective_named("cross_entropy")


class Captures(Observer):
    def __init__(self) -> None:
        self.states: list[State] = []

    def on_step(self, session: Session) -> None:
        self.states.append(session.capture())


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_a_resumed_run_has_the_rows_of_the_unbroken_one(engine: Any) -> None:
    settings = replace(BASE, engine=engine)
    captures = Captures()
    whole = fit(dense(), records(29), settings=settings, observers=[Probe(3), captures])
    for state in captures.states[:-1]:
        resumed = fit(
            dense(), records(29), settings=settings, observers=[Probe(3)], state=state
        ).probed
        assert resumed == whole.probed


class Breaks(Observer):
    def on_step(self, session: Session) -> None:
        if session.step == 2:
            raise KeyError("broken")


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_no_hook_is_left(engine: Any) -> None:
    settings = replace(BASE, engine=engine)
    network, probe = dense(), Probe(1)
    session = fit(network, records(29), settings=settings, observers=[probe], stop=lambda: True)
    assert session.interrupted
    assert hooks_of(network) == 0
    network = dense()
    with pytest.raises(KeyError):
        fit(network, records(29), settings=settings, observers=[probe, Breaks()])
    probe.close()
    probe.close()
    assert hooks_of(network) == 0
    broken = records(29)
    broken.inputs[20, 0] = torch.nan
    network = dense()
    with pytest.raises(NonFiniteError):
        fit(network, broken, settings=settings, observers=[probe])
    probe.close()
    assert hooks_of(network) == 0


def test_record_by_record_nothing_is_heard_of_the_evaluation() -> None:
    samples = TensorSamples(records().inputs, records().inputs[:, :1])
    session = fit(
        MLP((6,), 1, hidden=()),
        samples,
        TensorSamples(100 * samples.inputs, samples.targets),
        objective="squared",
        settings=replace(BASE, batch_size=1, optimizer="sgd", engine="compiled"),
        observers=[Probe(1)],
    )
    assert session.activations() is None
    assert len(session.probed) == session.step
    assert all("out_mean" not in row and "fed_mean" not in row for row in session.probed)
    assert all(row["update"][0] > 0 for row in session.probed)


@pytest.mark.parametrize("sparse", [False, True])
def test_words(sparse: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(0, 40, (32, 4), generator=generator)
    network = Words(sparse)
    measuring = Measuring(network)
    measuring.prepare(None)
    functional.cross_entropy(network(words), words[:, 0] % 3).backward()
    row = measuring.measure(None, None)
    weight = network.words.weight.detach()
    assert row["fed_mean"] == [0.0, pytest.approx(weight[words].mean(1).mean().item(), abs=1e-6)]
    assert row["fed_std"][0] == 1.0
    assert hooks_of(network) == 0


def test_layers_come_in_the_order_of_the_data() -> None:
    network = Recurrent()
    measuring = Measuring(network)
    assert [y.name for y in measuring.layers] == ["head", "gru"]
    measuring.prepare(None)
    functional.cross_entropy(network(torch.randn(8, 6)), torch.arange(8) % 3).backward()
    early = measuring.gradient_norms()
    with torch.no_grad():
        network.head.weight += 1
    grads = {
        "gru": max((p.grad for p in network.gru.parameters()), key=lambda g: g.numel()),
        "head": network.head.weight.grad,
    }
    network.zero_grad()
    row = measuring.measure(None, None, gradients=early)
    assert [y.name for y in measuring.layers] == ["gru", "head"]
    assert [y.fed_by for y in measuring.layers] == ["input", ""]
    assert row["gradient"] == pytest.approx([grads[n].norm().item() for n in ("gru", "head")])
    assert row["update"] == pytest.approx([0, 15**0.5])


def test_a_layer_that_is_never_called_does_not_fail() -> None:
    network = Forgetful()
    measuring = Measuring(network)
    measuring.prepare(None)
    outputs, _ = network(torch.randn(8, 6))
    outputs.sum().backward()
    fed = measuring.listener.fed["head"]
    row = measuring.measure(None, torch.zeros(8, dtype=torch.long))
    assert row["gradient"][2] == 0 < row["gradient"][1]
    assert [y.name for y in measuring.layers] == ["first", "twice", "never", "head"]
    for name in ("mean", "std", "low", "high", "dead", "saturated"):
        assert [value is None for value in row[f"fed_{name}"]] == [False, False, True, False]
    assert row["fed_mean"][3] == pytest.approx(fed.mean().item())
    assert row["rank"] == pytest.approx(participation(fed))
    assert row["target_share"] == 1
    json.dumps(row, allow_nan=False)


def test_rows_keep_the_order_of_the_first_that_was_heard() -> None:
    """A part that is called later has its place from the beginning."""

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.later, self.first = nn.Linear(6, 3), nn.Linear(6, 6), nn.Linear(6, 6)
            self.uses = False

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.first(inputs)
            return self.head(self.later(hidden) if self.uses else hidden)

    network = Late()
    measuring = Measuring(network)
    rows = []
    for uses in (False, True):
        network.uses = uses
        measuring.prepare(None)
        network(torch.randn(8, 6)).sum().backward()
        rows.append(measuring.measure(None, None))
        assert [y.name for y in measuring.layers] == ["first", "later", "head"]
        assert measuring.layers[0].fed_by == "input"
    assert [value is None for value in rows[0]["fed_std"]] == [False, True, False]
    assert None not in rows[1]["fed_std"]
    measuring.prepare(None)
    assert "fed_std" not in measuring.measure(None, None), "nothing was called"


def test_rows_can_be_written_down_whatever_overflows() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    measuring = Measuring(network)
    measuring.prepare(None)
    network(torch.full((3, 2), 1e38) * torch.tensor([1.0, 3.0]))
    row = measuring.measure(None, None)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["fed_std"][0] > 1e37


def test_what_overflowed_keeps_its_sign():
    assert _bounded([math.inf, -math.inf, 1.0, None]) == [3e38, -3e38, 1.0, None]
