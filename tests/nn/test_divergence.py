from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from torch.nn import functional

from nnatomy.nn.divergence import kl_divergence

parts = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda v: sum(v) > 0.1)


@given(parts, parts)
def test_it_is_that_of_scipy_and_never_negative(p: list[float], q: list[float]) -> None:
    one, two = torch.tensor(p).double() / sum(p), torch.tensor(q).double() / sum(q)
    expected = rel_entr(one.numpy(), two.numpy()).sum()
    found = kl_divergence(one, two).item()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found >= -1e-12


def test_it_is_cross_entropy_minus_entropy() -> None:
    p, logits = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.3, -1.0, 2.0])
    entropy = -(p * p.log()).sum()
    expected = functional.cross_entropy(logits, p) - entropy
    torch.testing.assert_close(kl_divergence(p, logits.softmax(0)), expected)


def test_zeros() -> None:
    assert kl_divergence(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])) == pytest.approx(
        math.log(2)
    )
    assert kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])) == math.inf


def test_gradient_is_that_of_torch() -> None:
    p = torch.tensor([0.2, 0.5, 0.3]).double()
    q = torch.tensor([0.6, 0.1, 0.3]).double().requires_grad_()
    (ours,) = torch.autograd.grad(kl_divergence(p, q), q)
    (theirs,) = torch.autograd.grad(functional.kl_div(q.log(), p, reduction="sum"), q)
    torch.testing.assert_close(ours, theirs)


def test_gradient_is_finite_where_both_are_zero() -> None:
    p = torch.tensor([0.0, 0.4, 0.6], requires_grad=True)
    q = torch.tensor([0.0, 0.5, 0.5], requires_grad=True)
    kl_divergence(p, q).backward()
    assert torch.isfinite(p.grad).all()
    assert q.grad.tolist() == pytest.approx([0.0, -0.8, -1.2])


def test_what_is_no_probability_gives_nan() -> None:
    for p, q in (
        ([math.nan, 1.0], [0.5, 0.5]),
        ([0.0, 1.0], [math.nan, 0.5]),
        ([-0.5, 1.5], [0.5, 0.5]),
        ([-0.5, 1.5], [-0.5, 1.5]),
        ([0.0, 1.0], [-0.5, 1.5]),
    ):
        assert math.isnan(kl_divergence(torch.tensor(p), torch.tensor(q)).item())
