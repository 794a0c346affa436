"""What a loss is given and gives between two updates, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from diagnose.networks import batches, built, hooks_of, records
from nnatomy.diagnose.hearing import Heard
from nnatomy.diagnose.watching import Doctor, watch
from nnatomy.errors import SettingError

Told = Callable[[Tensor, Tensor, nn.Module], Tensor]
CROSS = nn.CrossEntropyLoss()


def trained(
    network: nn.Module, told: Told, *, loss: Any = CROSS, outputs: bool = False, steps: int = 24
) -> Doctor:
    """A loop whose loss is made of the watched one in some way."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    with watch(network, optimizer=optimizer, loss=loss, every=3) as doctor:
        for inputs, targets in list(batches(records(), 20, 8))[:steps]:
            optimizer.zero_grad()
            answers = network(inputs)
            value = told(answers, targets, network)
            value.backward()
            optimizer.step()
            doctor.step(value, **({"outputs": answers, "targets": targets} if outputs else {}))
    return doctor


def squares(network: nn.Module) -> Tensor:
    return torch.stack([p.square().sum() for p in network.parameters()]).sum()


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (lambda y, t, _net: CROSS(y, t), True),
        (lambda y, t, _net: 100 * CROSS(y, t), False),
        (lambda y, t, net: CROSS(y, t) + 0.01 * squares(net), False),
        (lambda y, t, _net: CROSS(y, t) + CROSS(-y, t), False),
        (lambda y, t, _net: 0 * CROSS(y, t) + CROSS(y, t), True),
    ],
    ids=["itself", "a multiple", "more", "two", "the last"],
)
def test_a_loss_that_is_not_the_one_heard_is_not_compared_with_guessing(
    told: Told, known: bool
) -> None:
    doctor = trained(built("cnn"), told)
    facts = doctor.case().facts
    assert (facts["chance_loss"] is not None) == known
    assert facts["classes"] == 3
    assert "exploding_gradients" not in {f.check for f in doctor.findings()}
    if not known:
        assert facts["perfect_loss"] is None
        assert "loss of guessing" in doctor.not_judged()["learning_rate_too_low"]


@pytest.mark.parametrize(("reduction", "known"), [("mean", True), ("sum", False)])
def test_a_function_is_asked_for_its_value(reduction: str, known: bool) -> None:
    loss = functional.cross_entropy
    told = trained(
        built("cnn"), lambda y, t, _: loss(y, t, reduction=reduction), loss=loss, outputs=True
    )
    assert (told.case().facts["chance_loss"] is not None) == known


def test_what_one_step_in_ten_is_told_otherwise_does_not_matter() -> None:
    for wrong, agrees in ((1, True), (2, False)):
        heard = Heard(CROSS)
        for step in range(10):
            heard.hear((torch.zeros(4, 3), torch.arange(4) % 3), {}, torch.tensor(math.log(3)))
            heard.compare(0.5 if step < wrong else math.log(3), due=False)
            heard.close()
        assert heard.agrees == agrees


def accumulated(network: nn.Module, size: int, parts: int) -> Doctor:
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    with watch(network, optimizer=optimizer, loss=CROSS, every=2) as doctor:
        together = 0.0
        for number, (inputs, targets) in enumerate(batches(records(320), size, 2)):
            value = CROSS(network(inputs), targets) / parts
            value.backward()
            together += value.item()
            if number % parts == parts - 1:
                optimizer.step()
                optimizer.zero_grad()
                doctor.step(together)
                together = 0.0
    return doctor


def test_parts_of_a_batch_are_counted_together() -> None:
    doctor = accumulated(built("cnn"), 1, 16)
    case = doctor.case()
    assert case.settings["batch_size"] == 16
    assert case.settings["part_size"] == 1
    assert {row["batch"] for row in doctor.rows} == {16}
    assert case.facts["chance_loss"] is not None
    assert not {f.check for f in doctor.findings()} & {"batch_too_small", "unshuffled"}
    normed = accumulated(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), 2, 8)
    (finding,) = [f for f in normed.findings() if f.check == "batch_norm_tiny_batch"]
    assert finding.evidence[0].value == 2


def test_two_losses_of_one_pass_are_one_batch() -> None:
    doctor = trained(built("cnn"), lambda y, t, _: CROSS(y, t) + CROSS(y.flip(1), t))
    assert doctor.case().settings["batch_size"] == 20
    assert "part_size" not in doctor.case().settings


@pytest.mark.parametrize("last", [nn.Tanh, nn.ReLU])
def test_what_stands_before_another_part_need_not_be_linear(last: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network, head = nn.Sequential(nn.Linear(6, 8), last()), nn.Linear(8, 3)
    doctor = trained(network, lambda y, t, _: CROSS(head(y), t))
    assert "wrong_output" not in {f.check for f in doctor.findings()}
    assert doctor.rows[0]["out_low"] < 0 < doctor.rows[0]["out_high"]
    doctor = trained(nn.Sequential(network, nn.Linear(8, 3), last()), lambda y, t, _: CROSS(y, t))
    assert "wrong_output" in {f.check for f in doctor.findings()}


def test_guessing_counts_what_comes_often() -> None:
    """Ten different records, of which one comes nine times in ten."""
    doctor = Doctor(nn.Linear(1, 3), None, CROSS, 1)
    inputs = torch.tensor([[0.0]] * 90 + [[float(k)] for k in range(1, 11)])
    targets = torch.tensor([0] * 90 + [1] * 5 + [2] * 5)
    with doctor:
        doctor.step(CROSS(doctor.network(inputs), targets))
    facts = doctor.case().facts
    assert facts["records"] == 11
    assert facts["majority"] == 0.9
    assert facts["chance_loss"] == pytest.approx(stats.entropy([0.9, 0.05, 0.05]), rel=1e-6)


def test_tensors_that_are_filled_anew_are_copied() -> None:
    network, inputs, targets = nn.Linear(6, 3), torch.empty(20, 6), torch.empty(20).long()
    with watch(network, loss=CROSS, every=1) as doctor:
        for x, t in batches(records(), 20, 2):
            inputs.copy_(x)
            targets.copy_(t)
            doctor.step(CROSS(network(inputs), targets))
        outputs = network(inputs)
        doctor.validate(1.0, outputs=outputs, targets=targets)
        rights = (outputs.argmax(1) == targets).double().mean().item()
        targets.fill_(0)
    facts = doctor.case().facts
    assert facts["records"] == 60
    assert facts["valid_score"] == pytest.approx(rights)


def test_words_that_are_strung_together() -> None:
    network = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))
    words = torch.randint(0, 5, (16, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    with watch(network, loss=CROSS, optimizer=optimizer, every=2) as doctor:
        for _ in range(8):
            optimizer.zero_grad()
            value = CROSS(network(words).reshape(-1, 5), words.reshape(-1))
            value.backward()
            optimizer.step()
            doctor.step(value)
    case = doctor.case()
    shares = torch.bincount(words.flatten())
    assert case.settings["batch_size"] == 16
    assert case.facts["chance_loss"] == pytest.approx(stats.entropy(shares), rel=1e-5)
    missing = "inputs and targets that match record by record"
    assert doctor.not_judged()["leakage"] == (missing,)
    assert "learning_rate_too_low" not in doctor.not_judged()
    assert "training records" not in str(doctor.not_judged())


def test_no_graph_is_kept() -> None:
    with watch(nn.Linear(6, 3), loss=CROSS) as doctor:
        doctor.network(torch.zeros(4, 6))
        assert doctor._passed[1].grad_fn is None


@pytest.mark.parametrize("smooth", [0.0, 0.1])
def test_targets_that_are_ignored_are_no_class(smooth: float) -> None:
    loss = nn.CrossEntropyLoss(label_smoothing=smooth, ignore_index=255)
    targets = torch.tensor([0, 1, 1, 2, 255, 255])
    with watch(nn.Linear(6, 3), loss=loss) as doctor:
        doctor.step(loss(doctor.network(torch.randn(6, 6)), targets))
    facts = doctor.case().facts
    assert facts["classes"] == 3
    shares = (1 - smooth) * torch.tensor([0.25, 0.5, 0.25]) + smooth / 3
    assert facts["chance_loss"] == pytest.approx(stats.entropy(shares), rel=1e-5)
    right = torch.tensor([1 - smooth + smooth / 3, smooth / 3, smooth / 3])
    assert facts["perfect_loss"] == pytest.approx(stats.entropy(right), abs=1e-5)


class Heads(nn.Module):
    """Two answers of two classes; a layer and a norm that are never called."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
        self.one, self.other = nn.Linear(16, 3), nn.Linear(16, 3)
        self.spare, self.norm = nn.Linear(16, 5), nn.BatchNorm1d(16)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(inputs)
        return self.one(hidden), self.other(hidden)


def test_heads_are_no_narrow_layers_and_norms_are_known_to_be_called() -> None:
    network = Heads()
    doctor = trained(network, lambda y, t, _: CROSS(y[0], t) + CROSS(y[1], t), steps=9)
    structure = doctor.case().structure
    assert structure["heads"] == ["one", "other"]
    assert structure["untrained"] == dict.fromkeys(
        ["spare.weight", "spare.bias", "norm.weight", "norm.bias"], "uncalled"
    )
    assert "too_little_capacity" not in {f.check for f in doctor.findings()}
    assert hooks_of(network) == 0


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
@pytest.mark.parametrize("which", ["network", "loss"])
def test_what_is_scripted_is_refused_and_left_alone(which: str) -> None:
    network, loss = nn.Linear(6, 3), nn.CrossEntropyLoss()
    scripted = torch.jit.script(network if which == "network" else loss)
    given = {"network": network, "loss": loss, which: scripted}
    with pytest.raises(SettingError, match=f"the {which} is scripted"):
        watch(given["network"], loss=given["loss"])
    assert hooks_of(network) == hooks_of(loss) == 0
