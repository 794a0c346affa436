"""Update rules by name, and what they keep between steps."""

from __future__ import annotations

import pytest
import torch

from nnatomy.errors import SettingError
from nnatomy.training.optimizers import OPTIMIZERS, build_optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slots_are_all_that_a_rule_remembers(name: str) -> None:
    torch.manual_seed(0)
    gradients = torch.randn(10, 7)
    gradient = torch.zeros(7)
    weights = torch.randn(7)
    rule = build_optimizer(name, weights, gradient, 0.9)
    for row in gradients[:5]:
        gradient.copy_(row)
        rule.update(0.1)
    other = weights.clone()
    successor = build_optimizer(name, other, gradient, 0.9)
    assert set(successor.slots) == set(rule.slots)
    for slot_name, slot in successor.slots.items():
        slot.copy_(rule.slots[slot_name])
    for row in gradients[5:]:
        gradient.copy_(row)
        rule.update(0.1)
        successor.update(0.1)
    assert torch.equal(weights, other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rate_of_each_step_is_the_one_given(name: str) -> None:
    weights, gradient = torch.ones(3), torch.ones(3)
    rule = build_optimizer(name, weights, gradient, 0.9)
    rule.update(0.0)
    assert torch.equal(weights, torch.ones(3))
    rule.update(0.5)
    assert (weights < 1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_is_only_read(name: str) -> None:
    gradient = torch.tensor([1.0, -2.0])
    rule = build_optimizer(name, torch.zeros(2), gradient, 0.9)
    for _ in range(3):
        rule.update(0.1)
    assert gradient.tolist() == [1.0, -2.0]


def test_unknown_rule_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"'adm' is unknown: did you mean 'adam'\?"):
        build_optimizer("adm", torch.zeros(1), torch.zeros(1), 0.9)
