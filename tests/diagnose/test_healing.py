"""Remedies are kept where they verifiably help, by the letter of the rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import healing
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.healing import heal
from nnatomy.diagnose.plan import Plan, Trial, carry_out
from nnatomy.diagnose.remedies import NORMALIZED, RELU, REMEDIES, RESIDUAL, Remedy
from nnatomy.models.mlp import MLP
from nnatomy.training.settings import Settings


def lr_by(factor: float) -> Remedy:
    def change(plan: Plan, _case: Any) -> Plan:
        return replace(plan, training=replace(plan.training, lr=plan.training.lr * factor))

    return Remedy(f"lr × {factor}", change)


class Clinic:
    """Runs whose score and illnesses are given by the learning rate."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        outcomes: dict[float, tuple[float, list[str]]],
        remedies: dict[str, list[Remedy]],
    ) -> None:
        self.outcomes, self.made = outcomes, list[float]()
        monkeypatch.setattr(healing, "carry_out", lambda plan, *_: self.trial(plan))
        monkeypatch.setattr(healing, "findings_of", lambda case: case)
        monkeypatch.setattr(healing, "REMEDIES", remedies)
        monkeypatch.setattr(healing, "TUNING", ())

    def trial(self, plan: Plan) -> Trial:
        score, checks = self.outcomes[plan.training.lr]
        self.made.append(plan.training.lr)
        case: Any = [type("F", (), {"check": check}) for check in checks]
        session: Any = None
        return Trial(plan, session, case, score)

    def heal(self) -> tuple[float, list[tuple[str, float, bool, bool]]]:
        plan = Plan(lambda _: nn.Identity(), {}, Settings(lr=1.0))
        samples: Any = range(1000)
        result = heal(self.trial(plan), samples, None)
        tried = [(a.check, a.after, a.gone, a.kept) for a in result.attempts]
        return result.after.plan.training.lr, tried


@pytest.mark.parametrize(
    ("after", "left", "kept"),
    [
        (0.506, ["a"], True),  # it rises by more than half a point
        (0.504, ["a"], False),
        (0.5, [], True),  # the finding is gone and the score no worse
        (0.499, [], False),
        (-math.inf, [], False),
    ],
)
def test_what_is_kept(
    after: float, left: list[str], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = {1.0: (0.5, ["a"]), 2.0: (after, left), 4.0: (after, left)}
    clinic = Clinic(monkeypatch, outcomes, {"a": [lr_by(2)]})
    rate, tried = clinic.heal()
    assert tried[0] == ("a", after, not left, kept)
    assert rate == (2.0 if kept else 1.0)


def test_a_score_that_was_not_real_may_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {1.0: (0.99, ["leakage"]), 2.0: (0.6, [])}
    clinic = Clinic(monkeypatch, outcomes, {"leakage": [lr_by(2)]})
    assert clinic.heal() == (2.0, [("leakage", 0.6, True, True)])


def test_longer_training_and_other_rates_are_tried_on_what_was_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcomes = {1.0: (0.1, ["a"]), 2.0: (0.5, []), 6.0: (0.7, []), 3.0: (0.6, [])}
    clinic = Clinic(monkeypatch, outcomes, {"a": [lr_by(2)]})
    monkeypatch.setattr(healing, "TUNING", (lr_by(3), lr_by(0.5)))
    rate, tried = clinic.heal()
    assert rate == 6.0
    assert [(check, kept) for check, *_, kept in tried] == [
        ("a", True),
        ("tuning", True),
        ("tuning", False),
    ]


def test_after_a_failure_anything_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {1.0: (-math.inf, ["a"]), 2.0: (-5.0, [])}
    assert Clinic(monkeypatch, outcomes, {"a": [lr_by(2)]}).heal()[0] == 2.0


def test_steps_of_one_kind_go_on_while_they_help(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {1.0: (0.1, ["a"]), 2.0: (0.3, ["a"]), 3.0: (0.6, ["a"]), 4.0: (0.5, ["a"])}
    clinic = Clinic(monkeypatch, outcomes, {"a": [lr_by(2), lr_by(3), lr_by(4)]})
    monkeypatch.setattr(healing, "_ROUNDS", 1)
    rate, tried = clinic.heal()
    assert rate == 3.0
    assert [kept for *_, kept in tried] == [True, True, False]
    assert clinic.made == [1.0, 2.0, 3.0, 4.0]


def test_findings_are_treated_in_their_order_and_plans_tried_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcomes = {1.0: (0.5, ["a", "b"]), 2.0: (0.4, ["a"]), 3.0: (0.7, ["a"]), 6.0: (0.1, ["a"])}
    clinic = Clinic(monkeypatch, outcomes, {"a": [lr_by(2)], "b": [lr_by(2), lr_by(3)]})
    rate, tried = clinic.heal()
    assert [check for check, *_ in tried] == ["a", "b", "a"]
    assert clinic.made == [1.0, 2.0, 3.0, 6.0]
    assert rate == 3.0


def task(count: int, seed: int) -> TensorSamples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 4, generator=generator)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).long()
    return TensorSamples(inputs, labels)


def test_a_learning_rate_is_really_healed() -> None:
    def build(_: Any) -> nn.Module:
        return MLP((4,), 2, hidden=(24,), activation="relu")

    said: list[str] = []
    say: Callable[[str], None] = said.append
    plan = Plan(build, {}, Settings(epochs=15, batch_size=16, lr=3.0, device="cpu"))
    train, valid = task(240, 1), task(120, 2)
    before = carry_out(plan, train, valid)
    assert "learning_rate_too_high" in [f.check for f in findings_of(before.case)]
    result = heal(before, train, valid, say=say)
    assert result.before is before
    assert result.after.plan.training.lr < 1
    assert result.after.score > before.score + 0.1
    assert "learning_rate_too_high" not in [f.check for f in result.left]
    assert len(said) == len(result.attempts)
    assert said[0].startswith(f"{result.attempts[0].check}: {result.attempts[0].remedy}: ")
    again = carry_out(result.after.plan, train, valid)
    assert again.score == result.after.score


def test_what_vanishes_is_healed_by_shortcuts_where_nothing_else_can_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(healing, "TUNING", ())
    own = {"hidden": (12,) * 14, "residual": False}
    settings = Settings(epochs=30, batch_size=16, lr=0.01, device="cpu")
    train, valid = task(400, 1), task(200, 2)
    plan = Plan(lambda a: MLP((4,), 2, activation="sigmoid", **a), own, settings)
    before = carry_out(plan, train, valid)
    assert findings_of(before.case)[0].check == "vanishing_gradients"
    result = heal(before, train, valid)
    first = result.attempts[0]
    assert (first.check, first.remedy) == ("vanishing_gradients", RESIDUAL.name)
    assert first.kept
    assert first.gone
    assert result.after.plan.architecture == {**own, "residual": True}
    assert result.after.score > before.score + 0.2


SIGMOID = {"activation": "sigmoid", "init": "xavier_normal", "residual": False}
CHANGED = {"activation": "tanh", "init": "default", "residual": True}


@pytest.mark.parametrize(
    ("architecture", "changed"),
    [
        ({"hidden": (12,) * 9, **SIGMOID}, CHANGED),
        ({"hidden": [9, 4, 4], **SIGMOID}, CHANGED),
        ({"hidden": (8, 8), "residual": False}, {"residual": True}),
        ({"hidden": (16, 8, 16), **SIGMOID}, None),  # no two in a row are alike
        ({"hidden": (), **SIGMOID}, None),
        ({"hidden": (8, 8), "activation": "sigmoid"}, None),  # the network has no such setting
        (SIGMOID, None),
        ({"hidden": (8, 8), "residual": True}, None),
    ],
)
def test_what_shortcuts_change(
    architecture: dict[str, Any], changed: dict[str, Any] | None
) -> None:
    plan, case = Plan(lambda _: nn.Identity(), architecture, Settings(lr=0.5)), Any
    expected = None if changed is None else replace(plan, architecture=architecture | changed)
    assert RESIDUAL.change(plan, case) == expected


def test_two_layers_of_other_widths_have_no_shortcut() -> None:
    shallower = REMEDIES["vanishing_gradients"][-1]
    plan = Plan(lambda a: MLP((3,), 2, **a), {"hidden": (9, 4, 4), "residual": True})
    made = shallower.change(plan, Any)
    assert made.architecture == {"hidden": (9, 4), "residual": False}
    assert made.build(made.architecture)(torch.zeros(1, 3)).shape == (1, 2)


@pytest.mark.parametrize(
    ("hidden", "residual", "kept"),
    [((2,), True, False), ((2, 5), True, False), ((3, 3), True, True), ((3, 3), False, False)],
)
def test_wider_layers_keep_shortcuts_where_they_can(
    hidden: tuple[int, ...], residual: bool, kept: bool
) -> None:
    (wider,) = REMEDIES["too_little_capacity"]
    plan = Plan(lambda a: MLP((2,), 2, **a), {"hidden": hidden, "residual": residual})
    made = wider.change(plan, Any)
    assert made.architecture["residual"] == kept
    assert min(made.architecture["hidden"]) == 32
    assert made.build(made.architecture)(torch.zeros(1, 2)).shape == (1, 2)


def test_a_remedy_that_cannot_be_built_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(plan: Plan, _case: Any) -> Plan:
        return replace(plan, architecture={"hidden": (0,)})

    def bigger(plan: Plan, _case: Any) -> Plan:
        return replace(plan, architecture={"hidden": (24,)})

    own = [Remedy("no units", refused), Remedy("more units", bigger)]
    monkeypatch.setattr(healing, "REMEDIES", {"too_little_capacity": own})
    monkeypatch.setattr(healing, "TUNING", ())
    said: list[str] = []
    plan = Plan(
        lambda a: MLP((4,), 2, **a),
        {"hidden": (1,)},
        Settings(epochs=40, batch_size=16, lr=0.02, device="cpu"),
    )
    train, valid = task(400, 1), task(200, 2)
    before = carry_out(plan, train, valid)
    assert "too_little_capacity" in [f.check for f in findings_of(before.case)]
    result = heal(before, train, valid, say=said.append)
    assert said[0].startswith("no units: cannot be tried: hidden: every width must be at least 1")
    assert [attempt.remedy for attempt in result.attempts] == ["more units"]
    assert result.after.score > before.score


def test_a_deep_network_that_other_units_do_not_heal_is_healed_by_shortcuts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(healing, "TUNING", ())
    own = {**SIGMOID, "hidden": (12,) * 24, "batch_norm": False}
    settings = Settings(epochs=12, batch_size=8, lr=0.03, optimizer="momentum", device="cpu")
    train, valid = task(400, 1), task(200, 2)
    plan = Plan(lambda a: MLP((4,), 2, **a), own, settings)
    before = carry_out(plan, train, valid)
    scores = [
        carry_out(remedy.change(plan, before.case), train, valid).score
        for remedy in (RELU, NORMALIZED)
    ]
    assert max(scores) < 0.7
    result = heal(before, train, valid)
    assert (result.attempts[0].remedy, result.attempts[0].kept) == (RESIDUAL.name, True)
    assert result.after.score > 0.9
    assert result.after.plan.architecture["residual"]


def test_other_units_are_tried_where_no_shortcut_can_be_had() -> None:
    own = {**SIGMOID, "hidden": (16, 12) * 7}
    settings = Settings(epochs=3, batch_size=32, lr=0.01, device="cpu")
    train, valid = task(400, 1), task(200, 2)
    before = carry_out(Plan(lambda a: MLP((4,), 2, **a), own, settings), train, valid)
    assert findings_of(before.case)[0].check == "vanishing_gradients"
    assert heal(before, train, valid).attempts[0].remedy == RELU.name
