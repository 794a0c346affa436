"""Every measured number against a hand calculation, NumPy or a slow twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnatomy.diagnose import measure
from nnatomy.diagnose.measure import (
    agreement,
    by_unit,
    dense,
    fed_numbers,
    guess,
    norms,
    output_numbers,
    participation,
    spread,
    target_numbers,
)


def test_by_unit_has_one_column_a_unit() -> None:
    flat = torch.arange(6.0).reshape(2, 3)
    assert by_unit(flat, nn.Linear(3, 1)).tolist() == [[0, 1, 2], [3, 4, 5]]
    steps = torch.arange(12.0).reshape(2, 2, 3)
    assert by_unit(steps, nn.Linear(3, 1)).tolist() == steps.reshape(4, 3).tolist()
    image = torch.arange(24.0).reshape(2, 3, 2, 2)
    expected = [
        [image[b, c, i, j].item() for c in range(3)]
        for b in range(2)
        for i in range(2)
        for j in range(2)
    ]
    assert by_unit(image, nn.Conv2d(3, 1, 1)).tolist() == expected
    assert by_unit(flat.double(), nn.Linear(3, 1)).dtype == torch.float32


def test_by_unit_looks_at_a_part_of_much() -> None:
    many = torch.arange(200_000.0).reshape(100_000, 2)
    rows = by_unit(many, nn.Linear(2, 1))
    assert rows.shape == (measure._VALUES // 2, 2)
    assert torch.equal(rows, many[: len(rows)])
    wide = torch.arange(80.0 * 1024 * 8).reshape(80, 1024, 8)
    rows = by_unit(wide, nn.Linear(8, 1))
    assert rows.shape == (measure._VALUES // 8, 8)
    assert torch.equal(rows, wide[:8].reshape(-1, 8)[::4])


def test_fed_numbers_by_hand() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0], [0.0, 3.0, 2.0]]).repeat(4, 1)
    numbers = fed_numbers(rows, "relu")
    values = [0, 1, 0, 0, 3, 2] * 4
    assert numbers["mean"] == pytest.approx(1.0)
    assert numbers["std"] == pytest.approx(np.std(values, ddof=1))
    assert (numbers["low"], numbers["high"]) == (0, 3)
    assert numbers["dead"] == pytest.approx(1 / 3)
    assert numbers["saturated"] == 0
    assert fed_numbers(torch.tensor([[2.0]]), "relu")["std"] == 0


def test_a_few_rows_do_not_make_a_unit_dead() -> None:
    rows = torch.tensor([[0.0, 1.0]])
    assert fed_numbers(rows.repeat(3, 1), "relu")["dead"] == 0
    assert fed_numbers(rows.repeat(4, 1), "relu")["dead"] == 0.5


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_saturated_is_where_the_slope_is_a_twentieth(kind: str) -> None:
    before = torch.linspace(-8, 8, 4001, dtype=torch.float64, requires_grad=True)
    values = getattr(torch, kind)(before)
    (slope,) = torch.autograd.grad(values.sum(), before)
    flat = (slope < slope.max() / 20).double().mean().item()
    rows = values.detach().float().reshape(-1, 1)
    assert fed_numbers(rows, kind)["saturated"] == pytest.approx(flat, abs=1e-3)
    assert 0.3 < flat < 0.8
    assert fed_numbers(rows, "relu")["saturated"] == 0


def test_dropout_neither_saturates_nor_hides_saturation() -> None:
    torch.manual_seed(0)
    for kind in ("sigmoid", "tanh"):
        values = getattr(torch, kind)(3 * torch.randn(400, 50))
        plain = fed_numbers(values, kind)["saturated"]
        dropped = fed_numbers(nn.Dropout(0.4)(values), kind, 0.4)
        assert 0.1 < plain < 0.7
        assert dropped["saturated"] == pytest.approx(plain, abs=0.01)
    assert fed_numbers(torch.zeros(9, 2), "tanh", 0.5)["saturated"] == 0


def test_guess() -> None:
    assert guess(0, 3, 0.4) == "relu"
    assert guess(0, 3, 0.0) == ""
    assert guess(0.1, 0.9, 0) == "sigmoid"
    assert guess(-0.5, 0.9, 0) == "tanh"
    assert guess(-0.5, 1.1, 0) == ""
    assert guess(-2, -1, 0) == ""
    rows = torch.tensor([[-0.99], [0.1]])
    assert fed_numbers(rows, "")["saturated"] == 0.5
    assert fed_numbers(rows, "other")["saturated"] == 0


def test_participation_is_that_of_the_eigenvalues() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 10)) * np.arange(1, 11)
    eigenvalues = np.linalg.eigvalsh(np.cov(values.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert participation(torch.tensor(values)) == pytest.approx(expected, rel=1e-6)


def test_participation_from_one_direction_to_all() -> None:
    line = torch.arange(9.0)[:, None] * torch.tensor([1.0, -2.0, 0.5])
    assert participation(line) == pytest.approx(1)
    assert participation(torch.cat([torch.eye(8), -torch.eye(8)])) == pytest.approx(8)
    assert participation(torch.ones(9, 4)) == 0
    assert participation(1e12 * line) == pytest.approx(1)


def test_output_numbers_of_classes_by_hand() -> None:
    outputs = torch.tensor([[0.0, 2.0], [1.0, -1.0], [0.0, 4.0]])
    numbers = output_numbers(outputs, torch.tensor([1, 1, 0]))
    assert numbers["batch"] == 3
    assert numbers["out_mean"] == pytest.approx(1)
    assert numbers["out_std"] == pytest.approx(np.std([0, 2, 1, -1, 0, 4], ddof=1))
    assert (numbers["out_low"], numbers["out_high"]) == (-1, 4)
    assert numbers["out_zeros"] == pytest.approx(1 / 3)
    assert numbers["out_sum"] == 3  # of the last row
    assert numbers["share"] == pytest.approx(2 / 3)
    assert numbers["target_share"] == pytest.approx(2 / 3)


def test_output_numbers_of_one_unit_and_of_sequences() -> None:
    single = output_numbers(torch.tensor([[0.5], [-1.0], [-2.0]]), None)
    assert single["share"] == pytest.approx(2 / 3)
    assert single["out_sum"] == 3
    assert single["target_share"] is None
    flat = output_numbers(torch.tensor([0.5, -1.0, -2.0]), None)
    assert flat == single
    assert output_numbers(torch.tensor(2.0), None)["out_sum"] == 1
    steps = output_numbers(torch.tensor([[[0.5, 0.5], [0.25, 0.75]]]), None)
    assert steps["out_sum"] == 0
    assert steps["share"] is None
    assert output_numbers(torch.ones(1, 1), None)["out_std"] == 0


def test_target_numbers() -> None:
    assert target_numbers(torch.tensor([2, 2, 0, 2])) == {"target_share": 0.75}
    values = target_numbers(torch.tensor([[1.0], [2.0], [6.0]]))
    assert values["target_mean"] == pytest.approx(3)
    assert values["target_std"] == pytest.approx(np.std([1, 2, 6], ddof=1))
    assert target_numbers(torch.tensor([[7.0]]))["target_std"] == 0


def test_norms_with_gaps() -> None:
    assert norms([torch.tensor([3.0, 4.0]), None, torch.full((2, 2), -1.0)]) == [5.0, 0.0, 2.0]
    assert norms([None]) == [0.0]
    assert norms([]) == []


def test_sparse_gradients_are_measured_in_full() -> None:
    words = nn.Embedding(5, 2, sparse=True)
    words(torch.tensor([1, 1, 3])).sum().backward()  # type: ignore[no-untyped-call]
    gradient = words.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert dense(gradient).tolist() == [[0, 0], [2, 2], [0, 0], [1, 1], [0, 0]]
    assert norms([gradient]) == [pytest.approx(math.sqrt(10))]


def test_spread() -> None:
    # The mean unit is (2, 0); both are 1 away from it, and the largest weight is 3.
    assert spread(torch.tensor([[1.0, 0.0], [3.0, 0.0]])) == pytest.approx(1 / 3)
    assert spread(torch.ones(4, 2, 3, 3)) == 0
    assert spread(torch.zeros(4, 2)) == 0


def test_agreement_of_two_gradients() -> None:
    one = torch.tensor([1.0, 0.0])
    assert agreement(one, torch.tensor([1.0, 1.0])) == {
        "cosine": pytest.approx(math.sqrt(0.5)),
        "power": pytest.approx(1.0),  # 1·1 + 0·1
        "noise": pytest.approx(0.5),  # |(0, -1)|² / 2
    }
    assert agreement(one, -3 * one)["cosine"] == pytest.approx(-1)
    assert agreement(one, one)["noise"] == 0
    nothing = {"cosine": None, "power": None, "noise": None}
    assert agreement(one, torch.zeros(2)) == nothing
    assert agreement(one, torch.tensor([math.nan, 1.0])) == nothing
    assert agreement(one, torch.ones(3)) == nothing


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_the_spread_of_tiny_and_huge_activations(size):
    rows = torch.linspace(-1, 2, 96).reshape(12, 8) * size
    expected = rows.double().std().item()
    assert fed_numbers(rows, "")["std"] == pytest.approx(expected, rel=1e-5)
    assert output_numbers(rows, None)["out_std"] == pytest.approx(expected, rel=1e-5)


def test_targets_that_are_not_asked_for_are_no_error():
    assert target_numbers(torch.tensor([2, 2, 2, 1, -100]))["target_share"] == pytest.approx(0.75)
    assert target_numbers(torch.tensor([-100, -1])) == {"target_share": None}
