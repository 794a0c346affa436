"""What a check needs: without it the check is silent, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from diagnose.cases import LAYERS, spoiled
from diagnose.networks import batches, built, records
from diagnose.test_diagnosis import ILL, ill
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.plan import Plan, carry_out
from nnatomy.diagnose.unjudged import APPLIES, WORDS, unjudged
from nnatomy.diagnose.watching import watch
from nnatomy.training.settings import Settings

SICK: Mapping[str, Case] = {
    **{check: ill(check) for check in ILL},
    "wrong_output": spoiled(rows={"out_low": 0.0, "out_high": 1.0, "out_sum": 0.0}),
    "over_regularized": spoiled(settings={"weight_decay": 0.1}, end=0.6),
}
NEEDS = [(check, need) for check in CHECKS for need in CHECKS[check].needs]


def without(case: Case, need: str) -> Case:
    """The case in which all is unknown that satisfies a need."""
    for one in need.split("|"):
        part, name = one.split(".", 1)
        values: Any = getattr(case, part)
        if part in ("rows", "history"):
            left: Any = [{k: v for k, v in row.items() if k != name} for row in values]
        else:
            left = {k: v for k, v in values.items() if k != name}
        case = replace(case, **{part: left})
    return case


@pytest.mark.parametrize(("check", "need"), NEEDS)
def test_without_what_it_needs_a_check_is_silent_and_says_so(check: str, need: str) -> None:
    case = SICK[check]
    assert CHECKS[check].find(case) is not None
    assert check not in unjudged(case)
    lacking = without(case, need)
    assert CHECKS[check].find(lacking) is None
    assert unjudged(lacking)[check] == (WORDS[need.split("|")[0]],)


@pytest.mark.parametrize(("check", "need"), [n for n in NEEDS if "|" in n[1]])
def test_one_of_several_things_will_do(check: str, need: str) -> None:
    for one in need.split("|"):
        # With dropout that is strong, the check of penalties applies whatever is known of them.
        case = spoiled(settings={"weight_decay": 0.0}, structure={"dropout": [0.9]})
        assert check not in unjudged(case)
        if check != "unshuffled":
            assert check in unjudged(without(case, need))
        others = [other for other in need.split("|") if other != one]
        for other in others:
            case = without(case, other)
        assert check not in unjudged(case)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_but_what_it_needs_keeps_a_check_from_judging(check: str) -> None:
    """A healthy and a sick case in which all needs are met."""
    assert unjudged(spoiled()) == {}
    assert check not in unjudged(SICK[check])


def test_each_word_is_used_and_each_need_has_one() -> None:
    firsts = {need.split("|")[0] for _, need in NEEDS}
    assert firsts <= set(WORDS)
    assert set(WORDS) - firsts == set()
    assert set(APPLIES) <= set(CHECKS)


def wiped(**parts: Any) -> Case:
    return replace(spoiled(), **parts)


def test_without_records_nothing_is_known_of_them() -> None:
    found = unjudged(wiped(facts={}))
    assert found["leakage"] == ("training records",)
    assert found["overfitting"] == ("training records", "answers to validation records")
    assert "learning_rate_too_high" not in found
    case = wiped(history=[{**row, "valid_loss": None} for row in spoiled().history])
    assert unjudged(without(case, "facts.valid_score"))["overfitting"] == ("validation records",)
    assert unjudged(without(spoiled(facts={"objective": ""}), "facts.chance_loss"))[
        "learning_rate_too_low"
    ] == ("known loss",)
    spoilt = without(spoiled(facts={"not_finite": 3}), "facts.single_score")
    assert unjudged(spoilt) == {"leakage": ("records that are finite throughout",)}


def test_a_network_that_is_heard_but_once_is_not_known() -> None:
    case = spoiled()
    once = [case.rows[0], *({**row, "fed_dead": None} for row in case.rows[1:])]
    assert unjudged(replace(case, rows=once))["dead_relus"] == ("activations",)
    assert "dead_relus" not in unjudged(replace(case, rows=once[:1]))


TANH = [replace(layer, fed_by="tanh") for layer in LAYERS]


@pytest.mark.parametrize(
    ("case", "check", "need"),
    [
        (replace(spoiled(), layers=TANH), "dead_relus", "rows.fed_dead"),
        (spoiled(), "saturated_units", "rows.fed_saturated"),
        (replace(spoiled(), layers=LAYERS[:2]), "vanishing_gradients", "rows.gradient"),
        (replace(spoiled(), layers=LAYERS[:1]), "exploding_gradients", "rows.fed_std"),
        (replace(spoiled(), layers=LAYERS[:1]), "symmetric_start", "rows.spread"),
        (spoiled(), "batch_norm_tiny_batch", "settings.batch_size"),
        (spoiled(settings={"objective": "perceptron"}), "batch_too_small", "settings.batch_size"),
        (spoiled(facts={"task": "regression"}), "majority_collapse", "facts.balanced"),
        (spoiled(), "targets_not_scaled", "facts.target_std"),
        (spoiled(facts={"words": True}), "inputs_not_scaled", "facts.input_rms"),
        (spoiled(structure={"standardized": True}), "inputs_not_scaled", "facts.input_rms"),
        (spoiled(facts={"inputs": 1}), "leakage", "facts.single_score"),
        (spoiled(facts={"errors": 14}), "label_noise", "facts.neighbor_score"),
        (spoiled(facts={"records": 149}), "label_noise", "facts.neighbor_score"),
        (spoiled(facts={"confidence_auc": None}), "label_noise", "facts.neighbor_score"),
        (spoiled(facts={"objective": "poisson"}), "wrong_output", "rows.out_low"),
        (spoiled(settings={"batch_size": 640}), "unshuffled", "facts.sorted|facts.majority"),
        (spoiled(), "too_little_capacity", "facts.reference_score"),
        (spoiled(), "over_regularized", "facts.chance_loss|facts.reference_score"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_apply_is_not_called_unjudged(case: Case, check: str, need: str) -> None:
    assert need in CHECKS[check].needs
    assert check not in unjudged(without(case, need))


def test_a_run_is_judged_but_for_what_it_did_not_have() -> None:
    def build(_settings: Any) -> nn.Module:
        return built("mlp")

    plan = Plan(build, {}, Settings(epochs=6, batch_size=8, device="cpu"))
    assert unjudged(carry_out(plan, records(), records(30, seed=2)).case) == {}
    alone = unjudged(carry_out(plan, records(), None).case)
    assert alone == {"overfitting": ("validation records",)}


def test_a_loop_is_judged_as_far_as_it_tells() -> None:
    network, loss = built("mlp"), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)

    def run(judge: Any, *, told: bool, **known: Any) -> dict[str, tuple[str, ...]]:
        with watch(network, every=2, **known) as doctor:
            for inputs, targets in batches(records(), 20, 6):
                optimizer.zero_grad()
                outputs = network(inputs)
                value = judge(outputs, targets)
                value.backward()
                optimizer.step()
                doctor.step(value, **({"outputs": outputs, "targets": targets} if told else {}))
            if told:
                network.eval()
                doctor.validate(1.0, outputs=network(inputs), targets=targets)
                network.train()
        return doctor.not_judged()

    full = run(loss, told=True, loss=loss, optimizer=optimizer)
    assert full == {"batch_too_large": ("number of epochs",)}
    function = functional.cross_entropy
    assert run(function, told=True, loss=function, optimizer=optimizer) == full
    bare = run(loss, told=False)
    assert bare["learning_rate_too_low"] == ("training records",)
    assert bare["over_regularized"] == ("optimizer", "training records")
    assert "vanishing_gradients" not in bare
    assert "learning_rate_too_high" not in bare
