"""What guessing costs by the loss in use: closed forms, and a search for the best answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from torch import Tensor, nn
from torch.nn import functional

from nnatomy.diagnose.guessing import OBJECTIVES, loss_of_guessing, objective_of
from nnatomy.diagnose.watching import diagnose, watch

N, K = 60, 4
LABELS = torch.from_numpy(np.random.default_rng(0).choice(K, N, p=[0.5, 0.3, 0.15, 0.05]))
YES = (torch.arange(N) % 4 == 0).float()
SKEWED = torch.from_numpy(np.random.default_rng(1).gamma(1.0, 3.0, N)).float()
COUNTS = torch.from_numpy(np.random.default_rng(2).poisson(2.5, N)).float()
WEIGHT = torch.tensor([1.0, 2.0, 0.5, 7.0])
SOFT = torch.nn.functional.one_hot(LABELS, K) * 0.8 + 0.05


def chance(loss: Any, targets: Tensor, *shape: int) -> float:
    found = loss_of_guessing(loss, targets, torch.zeros(3, *shape))
    assert found is not None
    return found[0]


def searched(loss: nn.Module, targets: Tensor, size: int, like: Any) -> float:
    """The lowest loss of a constant answer, found by a search; `like` spreads it to all records."""

    def cost(constant: Any) -> float:
        return loss(
            like(torch.tensor(np.atleast_1d(constant), dtype=torch.float32)), targets
        ).item()

    options = {"xatol": 1e-5, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000}
    found = optimize.minimize(
        cost, np.full(size, 0.4), method="Nelder-Mead", options={**options, "adaptive": True}
    )
    return float(found.fun)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.2),
        nn.CrossEntropyLoss(weight=WEIGHT),
        nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.2),
        nn.CrossEntropyLoss(ignore_index=1),
    ],
    ids=["plain", "smoothed", "weighted", "both", "ignored"],
)
def test_cross_entropy_is_lowest_at_its_shares(loss: nn.Module) -> None:
    best = searched(loss, LABELS, K, lambda logits: logits.expand(N, K))
    assert chance(loss, LABELS, K) == pytest.approx(best, abs=2e-5)


def test_the_entropy_of_the_classes() -> None:
    counts = np.bincount(LABELS)
    entropy = stats.entropy(counts)
    log_shares = nn.NLLLoss()
    assert chance(nn.CrossEntropyLoss(), LABELS, K) == pytest.approx(entropy, rel=1e-6)
    assert chance(functional.cross_entropy, LABELS, K) == pytest.approx(entropy, rel=1e-6)
    assert chance(log_shares, LABELS, K) == pytest.approx(entropy, rel=1e-6)
    assert chance(functional.nll_loss, LABELS, K + 2) == pytest.approx(entropy, rel=1e-6)
    share = counts * WEIGHT.numpy() / (counts * WEIGHT.numpy()).sum()
    assert chance(nn.NLLLoss(WEIGHT), LABELS, K) == pytest.approx(stats.entropy(share), rel=1e-5)
    pixels = LABELS.reshape(15, 2, 2)
    assert chance(nn.CrossEntropyLoss(), pixels, K, 2, 2) == pytest.approx(entropy, rel=1e-6)


def test_the_right_answers_cost_something_where_labels_are_shared() -> None:
    found = loss_of_guessing(nn.CrossEntropyLoss(label_smoothing=0.2), LABELS, torch.zeros(1, K))
    assert found is not None
    assert found[1] == pytest.approx(stats.entropy([0.85, 0.05, 0.05, 0.05]), rel=1e-6)
    found = loss_of_guessing(nn.CrossEntropyLoss(), SOFT, torch.zeros(1, K))
    assert found is not None
    assert found[0] == pytest.approx(stats.entropy(SOFT.mean(0).numpy()), rel=1e-6)
    assert found[1] == pytest.approx(stats.entropy([0.85, 0.05, 0.05, 0.05]), rel=1e-6)
    weighted = nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.2)
    found = loss_of_guessing(weighted, LABELS, torch.zeros(1, K))
    perfect = WEIGHT * (0.8 * functional.one_hot(LABELS, K) + 0.05)
    assert found is not None
    assert found[1] == pytest.approx(weighted(perfect.log(), LABELS).item(), rel=1e-5)
    found = loss_of_guessing(nn.CrossEntropyLoss(), LABELS, torch.zeros(1, K))
    assert found is not None
    assert found[1] == 0
    found = loss_of_guessing(nn.BCEWithLogitsLoss(), YES * 0.8 + 0.1, torch.zeros(1))
    assert found is not None
    assert found[1] == pytest.approx(stats.entropy([0.9, 0.1]), rel=1e-6)


@pytest.mark.parametrize("shape", [(N,), (N, 1), (20, 3)])
def test_two_classes(shape: tuple[int, ...]) -> None:
    targets = YES.reshape(shape)
    share = targets.mean(0).double().numpy()
    entropy = special.entr(share) + special.entr(1 - share)
    for loss in (nn.BCEWithLogitsLoss(), functional.binary_cross_entropy_with_logits):
        assert chance(loss, targets, *shape[1:]) == pytest.approx(entropy.mean(), rel=1e-5)
    for loss in (nn.BCELoss(), functional.binary_cross_entropy):
        assert chance(loss, targets, *shape[1:]) == pytest.approx(entropy.mean(), rel=1e-5)
    weighted = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0]))
    q = 3 * share / (3 * share + 1 - share)
    expected = -3 * share * np.log(q) - (1 - share) * np.log(1 - q)
    assert chance(weighted, targets, *shape[1:]) == pytest.approx(expected.mean(), rel=1e-5)
    assert chance(nn.BCEWithLogitsLoss(), torch.ones(shape), *shape[1:]) == 0


def test_values() -> None:
    values = SKEWED.double().numpy()
    several = torch.stack((SKEWED, COUNTS), 1)
    assert chance(nn.MSELoss(), SKEWED) == pytest.approx(values.var(), rel=1e-6)
    assert chance(functional.mse_loss, several, 2) == pytest.approx(
        several.double().numpy().var(0).mean(), rel=1e-6
    )
    assert chance(nn.MSELoss(), COUNTS.long()) == pytest.approx(COUNTS.var(correction=0).item())
    deviation = stats.median_abs_deviation(values, scale=1.0)
    absolute = np.abs(values - np.median(values)).mean()
    assert absolute != pytest.approx(deviation)
    for loss in (nn.L1Loss(), functional.l1_loss):
        assert chance(loss, SKEWED) == pytest.approx(absolute, rel=1e-6)
    far = torch.tensor([1e6, 1e6 + 1, 1e6 + 2])
    assert chance(nn.MSELoss(), far) == pytest.approx(2 / 3, rel=1e-6)


@pytest.mark.parametrize(
    "loss", [nn.SmoothL1Loss(beta=4.0), nn.HuberLoss(delta=4.0), nn.HuberLoss(delta=0.1)]
)
def test_between_mean_and_median(loss: nn.Module) -> None:
    best = searched(loss, SKEWED, 1, lambda value: value.expand(N))
    centers = (SKEWED.mean(), SKEWED.median())
    found = chance(loss, SKEWED)
    assert found == pytest.approx(min(loss(c.expand(N), SKEWED).item() for c in centers), rel=1e-5)
    assert best <= found + 1e-6 < 1.1 * best


@pytest.mark.parametrize("log_input", [True, False])
def test_counts(log_input: bool) -> None:
    mean = COUNTS.mean().item()
    loss = nn.PoissonNLLLoss(log_input=log_input)
    found = loss_of_guessing(loss, COUNTS.long(), torch.zeros(3))
    assert found is not None
    assert found[0] == pytest.approx(mean - mean * math.log(mean), rel=1e-5)
    counts = COUNTS.numpy()
    floor = (counts - special.xlogy(counts, counts)).mean()
    assert found[1] == pytest.approx(floor, abs=1e-5)
    full = nn.PoissonNLLLoss(log_input=log_input, full=True)
    assert chance(full, COUNTS) > chance(loss, COUNTS)


class Own(nn.CrossEntropyLoss):
    """Of the user's own: nobody knows what its forward does."""


def mse_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """The name of PyTorch's."""
    raise AssertionError("called")


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(reduction="sum"),
        nn.CrossEntropyLoss(reduction="none"),
        nn.KLDivLoss(),
        Own(),
        mse_loss,
        lambda outputs, targets: (outputs - targets).sum(),
        None,
    ],
    ids=["sum", "none", "kl", "own", "namesake", "nameless", "no loss"],
)
def test_of_other_losses_nothing_is_said(loss: Any) -> None:
    assert loss_of_guessing(loss, torch.ones(4, 3), torch.zeros(4, 3)) is None


def test_what_the_loss_refuses_is_not_known() -> None:
    by_record = nn.BCEWithLogitsLoss(weight=torch.ones(7))
    assert loss_of_guessing(by_record, YES, torch.zeros(3)) is None
    assert loss_of_guessing(nn.CrossEntropyLoss(), LABELS, torch.zeros(K)) is None
    ignored = torch.full((4,), -100)
    assert loss_of_guessing(nn.CrossEntropyLoss(), ignored, torch.zeros(4, K)) is None
    assert loss_of_guessing(nn.CrossEntropyLoss(), LABELS[:0], torch.zeros(4, K)) is None
    assert objective_of(Own()) == objective_of(None) == ""


def test_no_hook_is_called_and_the_loss_stays_as_it_is() -> None:
    loss, calls = nn.CrossEntropyLoss(weight=WEIGHT), []
    loss.register_forward_hook(lambda *arguments: calls.append(arguments))
    chance(loss, LABELS, K)
    assert calls == []
    assert torch.equal(loss.weight, WEIGHT)


def test_of_many_classes_a_part_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnatomy.diagnose.guessing._MOST", 20 * K)
    labels = LABELS.repeat(50).sort().values  # the first of them are of one class
    for loss in (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)):
        part = chance(loss, labels, K)
        monkeypatch.undo()
        assert part == pytest.approx(chance(loss, labels, K), rel=0.15)
        monkeypatch.setattr("nnatomy.diagnose.guessing._MOST", 20 * K)


MODULES = [
    (nn.CrossEntropyLoss(label_smoothing=0.1), LABELS, K),
    (nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])), YES[:, None], 1),
    (nn.BCELoss(), YES[:, None], 1),
    (nn.L1Loss(), SKEWED[:, None], 1),
    (nn.HuberLoss(), SKEWED[:, None], 1),
    (nn.SmoothL1Loss(), SKEWED[:, None], 1),
    (nn.PoissonNLLLoss(), COUNTS[:, None].long(), 1),
    (functional.l1_loss, SKEWED[:, None], 1),
    (functional.cross_entropy, LABELS, K),
]


@pytest.mark.parametrize(("loss", "targets", "units"), MODULES)
def test_a_network_that_learns_nothing_is_told_so_by_each_loss(
    loss: Any, targets: Tensor, units: int
) -> None:
    """Steps of no length: the check that needs the loss of guessing finds them."""
    torch.manual_seed(0)
    ends = [nn.Sigmoid()] if isinstance(loss, nn.BCELoss) else []
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, units), *ends)
    inputs = torch.randn(N, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-7)
    findings = diagnose(network, loss, optimizer, [(inputs, targets)] * 30, every=5)
    assert "learning_rate_too_low" in {f.check for f in findings}


def test_whole_numbers_are_values_for_a_loss_of_values() -> None:
    with watch(nn.Linear(3, 1), loss=nn.PoissonNLLLoss()) as doctor:
        outputs = doctor.network(torch.randn(N, 3))
        doctor.step(doctor._loss(outputs, COUNTS[:, None].long()))
    assert doctor.case().facts["task"] == "regression"


def test_probabilities_are_scored_as_such() -> None:
    loss = nn.BCELoss()
    with watch(nn.Linear(3, 1), loss=loss) as doctor:
        outputs = 0.25 + 0.5 * YES[:, None]
        doctor.network(torch.randn(N, 3))
        doctor.step(loss(outputs, YES[:, None]))
    facts = doctor.case().facts
    assert facts["objective"] == "binary_probability"
    assert facts["train_score"] == 1


def test_every_named_loss_has_its_answers() -> None:
    from nnatomy.diagnose.guessing import _ANSWERS

    assert set(OBJECTIVES.values()) == set(_ANSWERS)
    assert all(hasattr(nn, name) or hasattr(functional, name) for name in OBJECTIVES)
