"""Losses and scores against NumPy, scikit-learn, finite differences and Rosenblatt's rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score
from torch import Tensor

from nnatomy.errors import DataError, SettingError
from nnatomy.training.objectives import OBJECTIVES, objective_named


def cross_entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = np.exp(a) / np.exp(a).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(t)), t])


def binary_cross_entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-a[:, 0]))
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def squared(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 0.5 * ((t - a) ** 2).sum(1)


def perceptron(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    signs = np.where(np.arange(a.shape[1]) == t[:, None], 1.0, -1.0)
    return np.maximum(0, -signs * a).sum(1)


BY_FORMULA: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared": squared,
    "perceptron": perceptron,
}


def case(name: str, records: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    columns = 1 if name == "binary_cross_entropy" else 3
    outputs = 2 * torch.randn(records, columns, generator=generator, dtype=torch.float64)
    if name == "squared":
        return outputs, torch.randn(records, 3, generator=generator, dtype=torch.float64)
    return outputs, torch.randint(max(2, columns), (records,), generator=generator)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_is_the_mean_of_the_formula(name: str) -> None:
    outputs, targets = case(name)
    expected = BY_FORMULA[name](outputs.numpy(), targets.numpy()).mean()
    assert OBJECTIVES[name].loss(outputs, targets, None).item() == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_weighted_loss_is_the_mean_of_weighted_losses(name: str) -> None:
    outputs, targets = case(name)
    weights = torch.linspace(0.5, 3, len(targets), dtype=torch.float64)
    losses = BY_FORMULA[name](outputs.numpy(), targets.numpy())
    expected = (losses * weights.numpy()).sum() / len(targets)
    assert OBJECTIVES[name].loss(outputs, targets, weights).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_weight_two_is_the_record_twice(name: str) -> None:
    outputs, targets = case(name)
    counts = torch.tensor([1, 2, 0, 1, 3, 1, 2, 1])
    repeated = torch.arange(8).repeat_interleave(counts)
    loss = OBJECTIVES[name].loss
    weighted = loss(outputs, targets, counts.double())
    twice = loss(outputs[repeated], targets[repeated], None).item() * len(repeated) / len(targets)
    assert weighted.item() == pytest.approx(twice)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_weights_are_equal_weights(name: str) -> None:
    outputs, targets = case(name)
    loss = OBJECTIVES[name].loss
    ones = torch.ones(8, dtype=torch.float64)
    assert loss(outputs, targets, None).item() == pytest.approx(loss(outputs, targets, ones).item())
    assert loss(outputs, targets, 7 * ones).item() == pytest.approx(
        7 * loss(outputs, targets, ones).item()
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_weight_counts_in_a_batch_of_one(name: str) -> None:
    outputs, targets = case(name)
    loss = OBJECTIVES[name].loss
    three = torch.tensor([3.0], dtype=torch.float64)
    for i in range(8):
        alone = loss(outputs[i : i + 1], targets[i : i + 1], None).item()
        assert loss(outputs[i : i + 1], targets[i : i + 1], three).item() == pytest.approx(
            3 * alone
        )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_batch_without_weight_teaches_nothing(name: str) -> None:
    outputs, targets = case(name)
    outputs.requires_grad_()
    loss = OBJECTIVES[name].loss(outputs, targets, torch.zeros(8, dtype=torch.float64))
    loss.backward()
    assert loss.item() == 0.0
    assert outputs.grad is not None
    assert not outputs.grad.any()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_is_the_finite_difference(name: str, weighted: bool) -> None:
    outputs, targets = case(name)
    weights = torch.linspace(0.5, 3, 8, dtype=torch.float64) if weighted else None

    def loss(values: Tensor) -> Tensor:
        return OBJECTIVES[name].loss(values, targets, weights)

    assert torch.autograd.gradcheck(loss, (outputs.requires_grad_(),))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_nan_is_never_a_small_loss(name: str) -> None:
    outputs, targets = case(name)
    outputs[2, 0] = float("nan")
    assert torch.isnan(OBJECTIVES[name].loss(outputs, targets, None))


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_perceptron_gradient_is_rosenblatts_rule(scale: float) -> None:
    """w_k ← w_k + η t_k x where the unit is on the wrong side or on the boundary."""
    generator = torch.Generator().manual_seed(3)
    for x in torch.randn(20, 4, generator=generator, dtype=torch.float64):
        weight = scale * torch.randn(3, 4, generator=generator, dtype=torch.float64)
        weight.requires_grad_()
        target = torch.randint(3, (1,), generator=generator)
        outputs = (weight @ x)[None]
        OBJECTIVES["perceptron"].loss(outputs, target, None).backward()
        expected = torch.zeros(3, 4, dtype=torch.float64)
        for k in range(3):
            t = 1.0 if k == target.item() else -1.0
            if t * outputs[0, k].item() <= 0:
                expected[k] = t * x
        assert weight.grad is not None
        torch.testing.assert_close(-weight.grad, expected)


@pytest.mark.parametrize("columns", [1, 3])
def test_r2_is_that_of_scikit_learn(columns: int) -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(30, columns)) * [1, 10, 0.1][:columns] + 5
    outputs = targets + rng.normal(size=targets.shape)
    found = OBJECTIVES["squared"].score(torch.tensor(outputs), torch.tensor(targets))
    assert found == pytest.approx(r2_score(targets, outputs), rel=1e-12)


@pytest.mark.parametrize("met", [True, False])
def test_r2_of_constant_targets_is_that_of_scikit_learn(met: bool) -> None:
    targets = np.column_stack([np.full(5, 2.0), np.arange(5.0)])
    outputs = targets + (0.0 if met else 0.5)
    found = OBJECTIVES["squared"].score(torch.tensor(outputs), torch.tensor(targets))
    assert found == pytest.approx(r2_score(targets, outputs), rel=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "perceptron", "binary_cross_entropy"])
def test_accuracy_is_that_of_scikit_learn_on_the_decoded_class(name: str) -> None:
    outputs, targets = case(name, 50)
    predicted = OBJECTIVES[name].decode(outputs).argmax(1).numpy()
    expected = accuracy_score(targets.numpy(), predicted)
    assert 0.1 < expected < 0.9
    assert OBJECTIVES[name].score(outputs, targets) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "perceptron", "binary_cross_entropy"])
def test_decoded_rows_are_distributions(name: str) -> None:
    shares = OBJECTIVES[name].decode(case(name)[0])
    assert shares.shape[1] >= 2
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(8, dtype=torch.float64))


def test_probabilities_by_hand() -> None:
    two = torch.tensor([[np.log(3.0)]])
    assert OBJECTIVES["binary_cross_entropy"].decode(two).tolist()[0] == pytest.approx([0.25, 0.75])
    three = torch.tensor([[0.0, np.log(2.0), np.log(5.0)]])
    expected = [1 / 8, 2 / 8, 5 / 8]
    assert OBJECTIVES["cross_entropy"].decode(three).tolist()[0] == pytest.approx(expected)


@pytest.mark.parametrize("columns", [1, 3])
def test_weighted_r2_is_that_of_scikit_learn(columns: int) -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(30, columns)) * [1, 10, 0.1][:columns] + 5
    outputs = targets + rng.normal(size=targets.shape)
    targets[:, -1] = 2.0 if columns > 1 else targets[:, -1]
    weights = rng.integers(0, 5, 30).astype(float)
    found = OBJECTIVES["squared"].score(*map(torch.tensor, (outputs, targets, weights)))
    expected = r2_score(targets, outputs, sample_weight=weights)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found != pytest.approx(r2_score(targets, outputs), rel=1e-3)


@pytest.mark.parametrize("name", ["cross_entropy", "perceptron", "binary_cross_entropy"])
def test_weighted_accuracy_is_that_of_scikit_learn(name: str) -> None:
    outputs, targets = case(name, 50)
    weights = torch.rand(50, generator=torch.Generator().manual_seed(4))
    predicted = OBJECTIVES[name].decode(outputs).argmax(1).numpy()
    expected = accuracy_score(targets.numpy(), predicted, sample_weight=weights.double().numpy())
    found = OBJECTIVES[name].score(outputs, targets, weights)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found != pytest.approx(accuracy_score(targets.numpy(), predicted), rel=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_mean_loss_is_the_weighted_average(name: str, scale: float) -> None:
    outputs, targets = case(name)
    weights = torch.linspace(0.5, 3, len(targets), dtype=torch.float64)
    losses = BY_FORMULA[name](outputs.numpy(), targets.numpy())
    mean_loss = OBJECTIVES[name].mean_loss
    expected = np.average(losses, weights=weights.numpy())
    assert mean_loss(outputs, targets, scale * weights) == pytest.approx(expected, rel=1e-12)
    assert mean_loss(outputs, targets, None) == pytest.approx(losses.mean(), rel=1e-12)


def test_unknown_objective_gets_a_hint() -> None:
    with pytest.raises(SettingError, match=r"'cross_entrop' is unknown: did you mean 'cross_entr"):
        objective_named("cross_entrop")


def test_targets_in_one_row_are_values_one_by_one() -> None:
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0])
    squared = OBJECTIVES["squared"]
    assert squared.loss(outputs, targets, None).item() == pytest.approx(1.0)  # (0 + ½ 4) / 2
    assert squared.score(outputs, targets) == pytest.approx(1 - 4 / 4.5)
    with pytest.raises(DataError, match="do not fit outputs"):
        squared.loss(torch.zeros(2, 3), targets, None)
