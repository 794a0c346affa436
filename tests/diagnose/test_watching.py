"""Watching a loop of one's own: nothing is changed, and the right illness is named first."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
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
    batches,
    built,
    hooks_of,
    records,
    same_tensors,
)
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.watching import Doctor, diagnose, watch


def loop(
    network: nn.Module,
    *,
    watched: bool = True,
    loss: Any = None,
    optimizer: Any = None,
    every: int = 3,
    clear: str = "before",
    told: bool = True,
    stop: int | None = None,
) -> Doctor | None:
    """Train for 24 steps, perhaps watched."""
    loss = nn.CrossEntropyLoss() if loss is None else loss
    optimizer = optimizer or torch.optim.Adam(network.parameters(), lr=0.01)
    known = {"loss": loss, "optimizer": optimizer} if told else {}
    doctor = watch(network, every=every, **known) if watched else None
    if doctor is not None:
        doctor.__enter__()
    torch.manual_seed(3)
    for step, (inputs, targets) in enumerate(batches(records(), 20, 8)):
        if clear == "before":
            optimizer.zero_grad()
        value = loss(network(inputs), targets)
        value.backward()
        optimizer.step()
        if clear != "before":
            optimizer.zero_grad(set_to_none=clear == "after")
        if doctor is not None:
            doctor.step(value)
        if step == stop:
            break
    if doctor is not None:
        doctor.__exit__(None, None, None)
    return doctor


@pytest.mark.parametrize("name", BUILDS)
def test_a_watched_loop_is_the_unwatched_one(name: str) -> None:
    found = []
    for watched in (False, True):
        network = built(name)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        loss = nn.CrossEntropyLoss()
        doctor = loop(network, watched=watched, optimizer=optimizer, loss=loss, every=1)
        state = dict(network.state_dict())
        state |= {f"grad {k}": p.grad for k, p in network.named_parameters()}
        found.append(state | {"generator": torch.get_rng_state()})
        assert network.training
        assert hooks_of(network) == hooks_of(loss) == 0
        assert not optimizer._optimizer_step_pre_hooks
        assert doctor is None or len(doctor.rows) == 24
        if doctor is not None:
            doctor.findings()
            found.append({**state, "generator": torch.get_rng_state()})
    same_tensors(found[0], found[1])
    same_tensors(found[0], found[2])


def test_hooks_go_when_the_body_raises() -> None:
    network, loss = built("mlp"), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def body() -> None:
        with watch(network, optimizer=optimizer, loss=loss):
            assert hooks_of(network) > 0
            assert hooks_of(loss) == 1
            raise KeyError("broken")

    with pytest.raises(KeyError):
        body()
    assert hooks_of(network) == hooks_of(loss) == 0
    assert not optimizer._optimizer_step_pre_hooks


@pytest.mark.parametrize("every", [1, 3, 20])
@pytest.mark.parametrize("clear", ["after", "after to zero"])
@pytest.mark.parametrize("name", ["cnn", "gru"])
def test_it_does_not_matter_when_gradients_are_cleared(name: str, clear: str, every: int) -> None:
    found = [loop(built(name), clear=c, every=every) for c in ("before", clear)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].rows == found[1].rows
    assert [r["step"] for r in found[0].rows] == [
        k for k in range(1, 25) if k == 1 or k % every == 0
    ]
    assert all(row["cosine"] is not None for row in found[0].rows[1:])
    assert all(min(row["gradient"]) > 0 for row in found[0].rows)


def test_rows_by_hand() -> None:
    network = nn.Linear(6, 3)
    before = network.weight.detach().clone()
    inputs, targets = next(batches(records(), 20, 1))
    expected = functional.cross_entropy(network(inputs), targets)
    grads = torch.autograd.grad(expected, list(network.parameters()))
    outputs = network(inputs).detach()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    doctor = loop(network, optimizer=optimizer, stop=0)
    assert doctor is not None
    (row,) = doctor.rows
    flat = torch.cat([g.flatten() for g in grads])
    expectations = {
        "step": 1,
        "epoch": 0,
        "loss": expected.item(),
        "lr": 0.5,
        "norm": flat.norm().item(),
        "gradient": [grads[0].norm().item()],
        "weight": [(before - 0.5 * grads[0]).norm().item()],
        "update": [0.5 * grads[0].norm().item()],
        "fed_mean": [inputs.mean().item()],
        "out_std": outputs.std().item(),
        "target_share": torch.bincount(targets).max().item() / 20,
    }
    for name, value in expectations.items():
        assert row[name] == pytest.approx(value, rel=1e-5), name
    case = doctor.case()
    assert case.settings == {
        "optimizer": "sgd",
        "lr": 0.5,
        "weight_decay": 0,
        "batch_size": 20,
        "shuffle": None,
        "steps": 1,
    }
    shares = torch.bincount(targets).double() / 20
    assert case.facts["chance_loss"] == pytest.approx(-(shares * shares.log()).sum().item())
    assert case.facts["records"] == 20
    score = (outputs.argmax(1) == targets).double().mean().item()
    assert case.facts["train_score"] == pytest.approx(score)


@pytest.mark.parametrize(
    ("loss", "reads"),
    [
        (nn.CrossEntropyLoss(), True),
        (functional.cross_entropy, False),
        (lambda outputs, targets: functional.cross_entropy(outputs, targets), False),
    ],
    ids=["module", "function", "nameless"],
)
@pytest.mark.parametrize("told", [True, False])
def test_what_is_told_is_used(loss: Any, reads: bool, told: bool) -> None:
    doctor = loop(built("cnn"), loss=loss, told=told)
    assert doctor is not None
    case = doctor.case()
    # The first batch at step 1, the third at all others.
    assert case.facts.get("records") == (40 if reads and told else None)
    assert ("train_score" in case.facts) == (reads and told)
    assert (case.settings["lr"] == 0.01) == told
    assert all(min(row["gradient"]) > 0 for row in doctor.rows)
    if not (reads and told):  # without records and answers there is little to go by
        assert doctor.findings() == []


def test_named_arguments_are_heard() -> None:
    loss = nn.CrossEntropyLoss()
    with watch(built("cnn"), loss=loss) as doctor:
        outputs = doctor.network(torch.randn(4, 6))
        doctor.step(loss(input=outputs, target=torch.tensor([0, 1, 1, 1])))
    assert doctor.rows[0]["target_share"] == 0.75


def test_an_optimizer_that_does_not_know_all() -> None:
    network = built("cnn")
    optimizer = torch.optim.Adam(network[4].parameters(), lr=0.01)
    doctor = loop(network, optimizer=optimizer)
    assert doctor is not None
    assert doctor.case().structure["frozen"] == ["1.weight", "1.bias"]
    finding = doctor.findings()[0]
    assert finding.check == "frozen_parameters"
    assert "1.weight, 1.bias" in finding.symptom


def failed(network: nn.Module, spoil: Callable[[int, Tensor, Tensor], Any], **known: Any) -> str:
    """The failure of a loop whose batches, weights or loss are spoiled at a step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    loss = known.pop("loss", nn.MSELoss())
    with watch(network, optimizer=optimizer, loss=loss, every=50) as doctor:
        for step in range(1, 12):
            inputs, targets = torch.randn(8, 6), torch.randn(8, 3)
            inputs, targets = spoil(step, inputs, targets) or (inputs, targets)
            optimizer.zero_grad()
            value = loss(network(inputs), targets)
            value.backward()
            optimizer.step()
            doctor.step(value)
    assert doctor.case().settings["steps"] == 6
    (finding,) = [f for f in doctor.findings() if f.check == "non_finite"]
    assert doctor.failure.split("it began in ")[1] in finding.symptom
    assert finding.evidence[0].value == 7
    assert doctor.failure.startswith("the loss is nan at step 7; it began in ")
    return doctor.failure.split("it began in ")[1]


def test_a_nan_is_followed_to_where_it_began() -> None:
    def inputs(step: int, x: Tensor, y: Tensor) -> Any:
        return (torch.where(x > 1, math.nan, x), y) if step == 7 else None

    def targets(step: int, x: Tensor, y: Tensor) -> Any:
        return (x, torch.where(y > 1, math.nan, y)) if step == 7 else None

    def large(step: int, x: Tensor, y: Tensor) -> Any:
        return (x.sign() * 3e38, y) if step == 7 else None

    torch.manual_seed(0)
    assert failed(built("cnn"), inputs) == "the inputs of the batch"
    assert failed(built("cnn"), inputs, loss=functional.mse_loss) == "the inputs of the batch"
    assert failed(built("cnn"), targets) == "the targets of the batch"
    assert failed(built("cnn"), targets, loss=functional.mse_loss) == "the loss or the targets"
    network = built("cnn")

    def weights(step: int, x: Tensor, y: Tensor) -> None:
        if step == 7:
            with torch.no_grad():
                network[4].bias[1] = math.nan

    assert failed(network, weights) == "parameter '4.bias'"
    network = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 3))
    assert failed(network, large).startswith("the network, between inputs and outputs")


def test_validate() -> None:
    with watch(built("cnn"), loss=nn.CrossEntropyLoss()) as doctor:
        for value in (4.0, 2.0):
            doctor.step(value)
        doctor.validate(torch.tensor(5.0))
        doctor.step(1.0)
        outputs = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 1.0]])
        doctor.validate(0.5, outputs=outputs, targets=torch.tensor([0, 2]))
    case = doctor.case()
    assert case.history == [
        {"epoch": 1, "loss": 3.0, "valid_loss": 5.0},
        {"epoch": 2, "loss": 1.0, "valid_loss": 0.5},
    ]
    assert case.facts["valid_score"] == 0.5
    assert case.facts["balanced"] == 0.5
    assert case.facts["predicted_share"] == 1


def test_without_validation_the_loop_is_cut_in_pieces() -> None:
    with watch(nn.Linear(1, 1)) as doctor:
        for k in range(40):
            doctor.step(float(k))
    assert doctor.case().curve("loss") == [2 * i + 0.5 for i in range(20)]


def test_guessing_is_judged_by_the_loss_in_use() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 6, generator=generator)
    values = torch.randn(64, 2, generator=generator)
    yes = (inputs[:, :1] > 0).float()

    def facts(loss: nn.Module, targets: Tensor, units: int) -> Any:
        with watch(nn.Linear(6, units), loss=loss) as doctor:
            outputs = doctor.network(inputs)
            doctor.step(loss(outputs if targets.dim() > 1 else outputs[:, 0], targets))
        return doctor.case().facts

    best = facts(nn.MSELoss(), values, 2)["chance_loss"]
    constant = functional.mse_loss(values.mean(0).expand(64, 2), values).item()
    assert best == pytest.approx(constant, rel=1e-5)
    one = facts(nn.MSELoss(), values[:, 0], 1)
    assert one["chance_loss"] == pytest.approx(values[:, 0].var(correction=0).item(), rel=1e-5)
    assert one["task"] == "regression"
    for targets in (yes, yes[:, 0]):
        binary = facts(nn.BCEWithLogitsLoss(), targets, 1)
        mean = yes.mean().item()
        guess = torch.full((64, 1), math.log(mean / (1 - mean)))
        constant = functional.binary_cross_entropy_with_logits(guess, yes).item()
        assert binary["chance_loss"] == pytest.approx(constant, rel=1e-5)
        assert binary["task"] == "classification"
        assert 0 <= binary["train_score"] <= 1
    assert facts(nn.MSELoss(reduction="sum"), values, 2)["chance_loss"] is None
    assert facts(nn.SoftMarginLoss(), values.sign(), 2)["chance_loss"] is None


def test_sequences_with_the_time_first_tell_the_size_of_the_batch() -> None:
    network = nn.GRU(2, 3)
    loss = nn.CrossEntropyLoss()
    with watch(network, loss=loss) as doctor:
        outputs = network(torch.randn(4, 32, 2))[0][-1]
        doctor.step(loss(outputs, torch.arange(32) % 3))
    assert doctor.case().settings["batch_size"] == 32
    assert doctor.findings() == []


@pytest.mark.parametrize("sparse", [False, True])
def test_words_are_not_called_unscaled(sparse: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    network = Words(sparse)
    network.words.weight.data.normal_(generator=generator)
    words = torch.randint(0, 40, (60, 4), generator=generator)
    kind = torch.optim.SparseAdam if sparse else torch.optim.Adam
    optimizer = kind([network.words.weight], lr=0.01)
    rest = torch.optim.Adam(network.head.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    with watch(network, loss=loss, every=2) as doctor:
        for _ in range(20):
            value = loss(network(words), words[:, 0] % 3)
            value.backward()
            optimizer.step()
            rest.step()
            optimizer.zero_grad()
            rest.zero_grad()
            doctor.step(value)
    checks = {f.check for f in doctor.findings()}
    assert not checks & {"inputs_not_scaled", "exploding_gradients"}
    assert "input_rms" not in doctor.case().facts


def test_unusual_answers_do_not_fail() -> None:
    """Segments and sentences, ignored targets, layers without a part in a step, two answers."""
    loss = nn.CrossEntropyLoss()
    for outputs, targets in (
        (torch.randn(6, 3, 5), torch.randint(0, 3, (6, 5))),
        (torch.randn(6, 3), torch.tensor([0, 1, 2, -100, -100, 1])),
        (torch.randn(6, 3), torch.rand(6, 3).softmax(1)),
        (torch.randn(6, 3), torch.full((6,), -100)),
    ):
        with watch(nn.Linear(6, 3), loss=loss) as doctor:
            doctor.network(torch.randn(6, 6))
            loss(outputs, targets)
            doctor.step(1.0)
        assert doctor.case().facts["task"] == "classification"
        doctor.findings()
    network = Forgetful()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with watch(network, loss=loss, optimizer=optimizer, every=1) as doctor:
        for step in range(6):
            outputs, hidden = network(torch.randn(6, 6))
            value = loss(outputs, torch.arange(6) % 3) if step % 2 else hidden.square().mean()
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            doctor.step(value)
    assert len(doctor.rows) == 6
    assert "frozen_parameters" in {f.check for f in doctor.findings()}


# Sick and healthy loops.


def task(count: int = 320) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(count, 6, generator=generator)
    return inputs, (inputs[:, :3] + 0.3 * inputs[:, 3:]).argmax(1)


def found(
    network: nn.Module,
    lr: float = 0.005,
    *,
    scale: float = 1.0,
    sort: bool = False,
    epochs: int = 12,
) -> list[Finding]:
    inputs, targets = task()
    inputs = inputs * scale
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def given() -> Any:
        for _ in range(epochs):
            order = targets.argsort() if sort else torch.randperm(320, generator=generator)
            for part in order.split(32):
                yield inputs[part], targets[part]

    findings = diagnose(network, nn.CrossEntropyLoss(), optimizer, given(), every=5)
    assert hooks_of(network) == 0
    return findings


def network(*last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3), *last
    )


def sigmoids() -> nn.Module:
    torch.manual_seed(0)
    widths = [6, *[32] * 10]
    hidden = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.Sigmoid())]
    return nn.Sequential(*hidden, nn.Linear(32, 3))


def test_healthy_loops() -> None:
    assert found(network()) == []
    torch.manual_seed(0)
    assert found(Recurrent(), lr=0.02) == []


@pytest.mark.parametrize(
    ("check", "sick"),
    [
        ("learning_rate_too_high", lambda: found(network(), 1.0)),
        ("learning_rate_too_low", lambda: found(network(), 1e-7, epochs=20)),
        ("inputs_not_scaled", lambda: found(network(), scale=1000)),
        ("unshuffled", lambda: found(network(), sort=True)),
        ("wrong_output", lambda: found(network(nn.Softmax(1)))),
        ("vanishing_gradients", lambda: found(sigmoids())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sick_loops(check: str, sick: Callable[[], list[Finding]]) -> None:
    findings = sick()
    assert findings[0].check == check, [str(f) for f in findings]
    assert findings[0].cause == check
