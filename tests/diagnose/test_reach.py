"""Which parameters a loop does not train, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from diagnose.networks import Forgetful, batches, records
from nnatomy.diagnose.checks.frozen import REASONS
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.watching import Doctor, watch

Change = Callable[[nn.Module, Tensor], Tensor]


class Parts(nn.Module):
    """A body, a norm and a head, of which one may be cut off or multiplied by 0."""

    def __init__(self, between: Change = lambda _network, hidden: hidden) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.norm, self.head = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)
        self.spare = nn.Linear(8, 8)
        self.between = between

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.spare(self.body(inputs).tanh())
        return self.head(self.norm(self.between(self, hidden)))


def trained(
    network: nn.Module,
    optimizer: Any = None,
    *,
    others: Any = (),
    told: bool = True,
    clear: str = "before",
    to_none: bool = True,
    every: int = 3,
) -> Doctor:
    optimizer = optimizer or torch.optim.SGD(network.parameters(), lr=0.05)
    loss = nn.CrossEntropyLoss()
    with watch(network, loss=loss, optimizer=optimizer if told else None, every=every) as doctor:
        for inputs, targets in batches(records(), 20, 4):
            if clear == "before":
                optimizer.zero_grad(to_none)
            answers = network(inputs)
            answers = answers[0] if isinstance(answers, tuple) else answers
            value = loss(answers, targets)
            value.backward()
            for own in (optimizer, *others):
                own.step()
            if clear == "after":
                network.zero_grad(to_none)
            doctor.step(value)
    return doctor


def reasons(doctor: Doctor) -> dict[str, str]:
    found = doctor.case().structure["untrained"]
    assert found is not None
    return found


def of(doctor: Doctor) -> Finding | None:
    found = [f for f in doctor.findings() if f.check == "frozen_parameters"]
    return found[0] if found else None


BODY = dict.fromkeys(["body.weight", "body.bias"])
BELOW = {**BODY, "spare.weight": None, "spare.bias": None}


def under(reason: str, names: Any) -> dict[str, str]:
    return dict.fromkeys(names, reason)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("to_none", [True, False])
def test_all_that_is_trained(told: bool, to_none: bool) -> None:
    doctor = trained(Parts(), told=told, to_none=to_none)
    assert reasons(doctor) == {}
    assert of(doctor) is None


def test_a_layer_that_is_never_called_though_weight_decay_moves_it() -> None:
    network = Forgetful()
    before = network.never.weight.detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)  # so that weight decay takes hold
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, weight_decay=0.1)
    doctor = trained(network, optimizer, to_none=False)
    assert not torch.equal(before, network.never.weight)
    assert reasons(doctor) == under("zero", ["never.weight", "never.bias"])
    assert of(doctor) is not None


@pytest.mark.parametrize("told", [True, False])
def test_a_layer_that_is_never_called(told: bool) -> None:
    doctor = trained(Forgetful(), told=told)
    assert reasons(doctor) == under("uncalled", ["never.weight", "never.bias"])
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert "never.weight, never.bias belong to layers that are never called" in finding.symptom
    assert "Call these layers in forward" in finding.remedy


def without_gradient(network: nn.Module, hidden: Tensor) -> Tensor:
    with torch.no_grad():
        return hidden * 1


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("cut", [lambda _network, hidden: hidden.detach(), without_gradient])
def test_a_part_that_is_cut_off(cut: Change, told: bool) -> None:
    doctor = trained(Parts(cut), told=told)
    assert reasons(doctor) == under("cut", [*BELOW])
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert "body.weight, body.bias, spare.weight and 1 more get no gradient" in finding.symptom
    assert "detach()" in finding.remedy
    assert finding.evidence[0].value == 4


def test_a_factor_of_zero() -> None:
    doctor = trained(Parts(lambda _network, hidden: hidden * 0))
    found = reasons(doctor)
    assert under("zero", [*BELOW]).items() <= found.items()
    finding = of(doctor)
    assert finding is not None
    assert "dead units" in finding.remedy


def test_a_norm_alone_that_is_cut_off() -> None:
    network = Parts()
    network.norm.register_forward_hook(lambda _module, inputs, _output: inputs[0])
    assert reasons(trained(network)) == under("cut", ["norm.weight", "norm.bias"])


def test_a_bias_that_cancels_out_is_no_illness() -> None:
    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs @ self.linear.weight.T + 0 * self.linear.bias

    assert reasons(trained(Shift())) == {}


def test_a_matrix_whose_gradient_is_zero_is_no_shift() -> None:
    """One step alone: the weights of the state before it are multiplied with 0."""

    class OneStep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.cells(inputs[:, None])[0][:, -1])

    doctor = trained(OneStep())
    assert reasons(doctor) == {"cells.weight_hh_l0": "zero"}
    finding = of(doctor)
    assert finding is not None
    assert "what is multiplied with them is 0" in finding.remedy


@pytest.mark.parametrize("clear", ["before", "after"])
def test_a_network_that_gets_no_gradient_at_all(clear: str) -> None:
    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(6, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.body(inputs).detach().requires_grad_()

    doctor = trained(Behind(), clear=clear)
    assert reasons(doctor) == under("cut", BODY)
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert "frozen_parameters" not in doctor.not_judged()


@pytest.mark.parametrize("clear", [True, False])
def test_gradients_that_a_closure_computes_are_read_behind_it(clear: bool) -> None:
    network, loss = Parts(), nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(network.parameters(), lr=0.1, max_iter=2)
    inputs, targets = next(batches(records(), 60, 1))

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(network(inputs), targets)
        value.backward()
        return value

    with watch(network, loss=loss, optimizer=optimizer) as doctor:
        for _ in range(3):
            if clear:
                optimizer.zero_grad()
            doctor.step(optimizer.step(closure))
    assert reasons(doctor) == {}


def test_a_group_of_learning_rate_zero() -> None:
    network = Parts()
    rest = [p for name, p in network.named_parameters() if not name.startswith("norm")]
    groups = [{"params": rest}, {"params": network.norm.parameters(), "lr": 0.0}]
    doctor = trained(network, torch.optim.Adam(groups, lr=0.01))
    assert reasons(doctor) == under("rate", ["norm.weight", "norm.bias"])
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert "norm.weight, norm.bias have learning rate 0" in finding.symptom
    assert "lr" in finding.remedy


@pytest.mark.parametrize("told", [True, False])
def test_a_rate_that_warms_up_is_not_zero(told: bool) -> None:
    network = Parts()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    optimizer.register_step_post_hook(lambda *_: optimizer.param_groups[0].update(lr=0.01))
    assert reasons(trained(network, optimizer, told=told)) == {}


def test_parameters_that_the_optimizer_does_not_know() -> None:
    network = Parts()
    optimizer = torch.optim.SGD([*network.body.parameters(), *network.head.parameters()], lr=0.1)
    doctor = trained(network, optimizer)
    names = ["norm.weight", "norm.bias", "spare.weight", "spare.bias"]
    assert reasons(doctor) == under("optimizer", names)
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert "unknown to the optimizer" in finding.symptom
    assert "network.parameters()" in finding.remedy


def test_what_a_second_optimizer_moves_is_trained() -> None:
    network = Parts()
    first = torch.optim.SGD(network.head.parameters(), lr=0.1)
    rest = [p for name, p in network.named_parameters() if not name.startswith("head")]
    assert reasons(trained(network, first, others=[torch.optim.SGD(rest, lr=0.1)])) == {}


def test_what_is_thawed_and_moved_by_another_optimizer_is_trained() -> None:
    network = Parts()
    network.body.requires_grad_(False)
    first = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    second = torch.optim.SGD(network.body.parameters(), lr=0.1)
    first.register_step_post_hook(lambda *_: network.body.requires_grad_(True))
    assert reasons(trained(network, first, others=[second])) == {}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("large", [True, False])
def test_a_slow_copy_that_follows_the_network_is_no_frozen_part(told: bool, large: bool) -> None:
    network = Parts()
    network.spare = nn.Linear(8, 8)
    width = 2**14 if large else 8
    network.slow = nn.Linear(8, width).requires_grad_(False)
    fast = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(fast, lr=0.1)

    def follow(*_arguments: object) -> None:
        with torch.no_grad():
            for p in network.slow.parameters():
                p.lerp_(torch.ones_like(p), 0.1)

    optimizer.register_step_post_hook(follow)
    assert reasons(trained(network, optimizer, told=told)) == {}


@pytest.mark.parametrize("told", [True, False])
def test_a_frozen_body_is_a_note(told: bool) -> None:
    network = Parts()
    network.body.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    doctor = trained(network, optimizer, told=told)
    assert reasons(doctor) == under("requires_grad", [*BODY])
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "note"
    assert str(finding).startswith("frozen_parameters (a note: it may be meant): ")
    assert "unless it is meant so" in finding.remedy


def test_a_bias_alone_that_is_frozen_and_a_part_that_is_forgotten() -> None:
    network = Parts()
    network.head.bias.requires_grad_(False)
    network.norm.weight.requires_grad_(False)
    known = [*network.body.parameters(), *network.norm.parameters(), network.head.weight]
    doctor = trained(network, torch.optim.SGD(known, lr=0.1))
    assert reasons(doctor) == {
        "norm.weight": "requires_grad",
        "head.bias": "requires_grad",
        "spare.weight": "optimizer",
        "spare.bias": "optimizer",
    }
    finding = of(doctor)
    assert finding is not None
    assert finding.severity == "warning"
    assert finding.symptom.index("spare.weight") < finding.symptom.index("head.bias")


def test_what_was_trained_and_then_frozen_is_not_called_so() -> None:
    network = Parts()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    optimizer.register_step_post_hook(lambda *_: network.body.requires_grad_(False))
    assert reasons(trained(network, optimizer)) == {}


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("network", [Forgetful, lambda: Parts(without_gradient)])
def test_gradients_that_nobody_could_read_tell_nothing(network: Any, to_none: bool) -> None:
    doctor = trained(network(), told=False, clear="after", to_none=to_none)
    assert doctor.case().structure["untrained"] is None
    assert of(doctor) is None
    assert "gradients" in doctor.not_judged()["frozen_parameters"]
    assert all(row["gradient"] is None for row in doctor.rows)


def test_cleared_gradients_that_the_optimizer_has_seen_are_read() -> None:
    doctor = trained(Forgetful(), clear="after")
    assert reasons(doctor) == under("uncalled", ["never.weight", "never.bias"])


def test_an_attention_that_is_trained_and_one_that_is_cut_off() -> None:
    """Its output weights are used by the layer around them, which calls nothing."""

    class Attentive(nn.Module):
        def __init__(self, cut: bool) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
            self.head, self.cut = nn.Linear(6, 3), cut

        def forward(self, inputs: Tensor) -> Tensor:
            row = inputs[:, None] * torch.ones(1, 2, 1)
            mixed = self.attention(row, row, row, need_weights=False)[0][:, 0]
            return self.head(mixed.detach() if self.cut else mixed)

    doctor = trained(Attentive(cut=False))
    assert reasons(doctor) == {}
    stds = doctor.rows[0]["fed_std"]
    names = [layer.name for layer in doctor.case().layers]
    assert [n for n, std in zip(names, stds, strict=True) if std is None] == ["attention.out_proj"]
    found = reasons(trained(Attentive(cut=True)))
    assert set(found.values()) == {"cut"}
    assert all(name.startswith("attention.") for name in found)


def test_a_rare_part_is_seen_between_the_measurements() -> None:
    class Rare(Parts):
        steps = 0

        def forward(self, inputs: Tensor) -> Tensor:
            self.steps += 1
            hidden = self.body(inputs)
            return self.head(self.norm(self.spare(hidden) if self.steps == 7 else hidden))

    assert reasons(trained(Rare(), every=50)) == {}


def test_sparse_gradients_and_rates_that_are_unknown() -> None:
    network = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten(), nn.Linear(12, 3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    optimizer.param_groups[0]["relative"] = True
    with watch(network, optimizer=optimizer, loss=nn.CrossEntropyLoss()) as doctor:
        doctor.network(torch.ones(4, 4, dtype=torch.long)).square().sum().backward()
        optimizer.step()
        doctor.step(1.0)
        optimizer.param_groups[0]["lr"] = None
        doctor._reach.look()
    assert reasons(doctor) == {}
    assert doctor.case().settings["lr"] is None


def test_every_reason_has_its_words() -> None:
    from typing import get_args

    from nnatomy.diagnose.reach import Reason

    assert set(get_args(Reason)) == set(REASONS)
    assert len({words for words, _ in REASONS.values()}) == len(REASONS)
