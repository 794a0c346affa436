"""Facts about records and answers against slow twins and scikit-learn."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import examination
from nnatomy.diagnose.examination import answers_facts, examine_answers, examine_records
from nnatomy.training.objectives import objective_named

rng = np.random.default_rng


def facts_of(inputs: Any, targets: Any, objective: str = "cross_entropy") -> dict[str, Any]:
    return examine_records(
        TensorSamples(torch.as_tensor(inputs), torch.as_tensor(targets)), objective
    )


def test_scales_by_hand() -> None:
    inputs = torch.tensor([[0.0, 100.0, 5.0], [2.0, 104.0, 5.0]])
    facts = facts_of(inputs, torch.tensor([0, 1]))
    values = inputs.numpy()
    assert facts["records"] == 2
    assert facts["inputs"] == 3
    assert facts["input_axes"] == 1
    assert facts["input_rms"] == pytest.approx(math.sqrt((values**2).mean()))
    assert facts["input_std"] == pytest.approx(values.std())
    assert facts["input_mean"] == pytest.approx(values.mean())
    # Spreads of the columns are 1, 2 and none: the constant one is left out.
    assert facts["scale_ratio"] == pytest.approx(2 / 1.5)
    assert facts["offset"] == pytest.approx(102 / 2)
    assert facts["largest_std"] == pytest.approx(2)


def test_images_are_scaled_as_one() -> None:
    inputs = torch.arange(16.0).reshape(2, 2, 2, 2) + 30
    facts = facts_of(inputs, torch.tensor([0, 1]))
    assert (facts["inputs"], facts["input_axes"]) == (8, 3)
    assert facts["scale_ratio"] == 1
    assert facts["offset"] == pytest.approx(inputs.mean().item() / inputs.numpy().std())


def test_constant_inputs() -> None:
    facts = facts_of(torch.full((40, 3), 2.0), torch.arange(40) % 2)
    assert (facts["scale_ratio"], facts["input_std"]) == (1, 0)
    assert facts["single_score"] == 0
    assert facts["offset"] == pytest.approx(2e12)
    values = facts_of(torch.full((40, 3), 2.0), torch.arange(40.0)[:, None], "squared")
    assert values["single_score"] == 0


def test_word_numbers_have_no_scale() -> None:
    facts = facts_of(torch.arange(40).reshape(20, 2) * 100, torch.arange(20) % 2)
    assert "input_rms" not in facts
    assert "offset" not in facts
    assert facts["majority"] == 0.5


def test_class_facts_by_hand() -> None:
    facts = facts_of(torch.randn(8, 2), torch.tensor([0, 0, 0, 0, 0, 3, 3, 5]))
    assert facts["task"] == "classification"
    assert facts["classes"] == 3
    assert (facts["majority"], facts["rarest"], facts["chance_score"]) == (5 / 8, 1 / 8, 5 / 8)
    shares = [5 / 8, 2 / 8, 1 / 8]
    assert facts["chance_loss"] == pytest.approx(-sum(s * math.log(s) for s in shares))


def test_value_facts_by_hand() -> None:
    values = torch.tensor([[1.0, 10.0], [3.0, 10.0], [8.0, 10.0]])
    facts = facts_of(torch.randn(3, 2), values, "squared")
    assert facts["task"] == "regression"
    assert facts["target_mean"] == pytest.approx(7)
    assert facts["target_std"] == pytest.approx(values.numpy().std())
    assert (facts["target_low"], facts["target_high"]) == (1, 10)
    best = objective_named("squared").mean_loss(values.mean(0).expand(3, 2), values, None)
    assert facts["chance_loss"] == pytest.approx(best)
    assert facts["target_whole"] is True
    assert facts_of(torch.randn(3, 2), values + 0.5, "squared")["target_whole"] is False
    many = torch.arange(30.0)[:, None]
    assert facts_of(torch.randn(30, 2), many, "squared")["target_whole"] is False


def nearest_slowly(column: np.ndarray, labels: np.ndarray) -> float:
    right = 0
    for i, value in enumerate(column):
        distances = np.abs(column - value)
        distances[i] = np.inf
        right += labels[distances.argmin()] == labels[i]
    return right / len(column)


def test_the_best_column_by_a_slow_loop() -> None:
    generator = rng(0)
    rows = generator.normal(size=(90, 5))
    labels = (rows[:, 3] > 0.2).astype(int) + (rows[:, 3] > 1)
    rows[:, 2] = rows[:, 2].round()  # too few values to have a nearest one
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0)).numpy()
    scores = [nearest_slowly(rows[order, j], labels[order]) for j in (0, 1, 3, 4)]
    facts = facts_of(rows, labels)
    assert facts["single_column"] == 3
    assert facts["single_score"] == pytest.approx(max(scores))
    assert facts["second_score"] == pytest.approx(sorted(scores)[-2])
    assert facts["single_score"] > 0.9 > facts["second_score"] > 0
    few = examination._nearest_scores(rows[:, 2:3], labels)
    assert few.tolist() == [0]


def test_the_best_column_for_values_is_spearmans() -> None:
    generator = rng(1)
    rows = generator.normal(size=(80, 4))
    rows[:, 3] = rows[:, 3] > 1.3  # many ties, in the target too
    values = np.exp(rows[:, 1] + 0.2 * rows[:, 2])
    values[values < 1] = 0
    expected = [abs(spearmanr(column, values).statistic) for column in rows.T]
    assert examination._rank_correlations(rows, values) == pytest.approx(expected)
    facts = facts_of(rows, values[:, None], "squared")
    assert facts["single_column"] == 1
    assert facts["single_score"] == pytest.approx(sorted(expected)[-1])
    assert facts["second_score"] == pytest.approx(sorted(expected)[-2])


def test_an_input_that_is_one_of_many_answers_tells_no_more() -> None:
    rows = rng(6).normal(size=(60, 4))
    facts = facts_of(rows, rows, "squared")
    expected = np.abs(spearmanr(rows, rows).statistic[:4, :4]).mean(0)
    assert facts["single_score"] == pytest.approx(expected.max())
    assert facts["single_score"] < 0.5
    assert facts["reference_score"] > 0.3  # of all four, as the network is scored
    wide = facts_of(rows, np.repeat(rows[:, :1], 100, 1), "squared")
    assert wide["single_score"] == pytest.approx(1)


def test_independent_columns_of_many_ties_tell_nothing() -> None:
    generator = rng(2)
    rows = (generator.random((500, 1)) > 0.95).astype(float)
    values = (generator.random(500) > 0.95) * generator.random(500)
    assert examination._rank_correlations(rows, values)[0] < 0.15


def neighbors_slowly(rows: np.ndarray, answers: np.ndarray, classes: bool) -> float:
    scores = []
    kind = StratifiedKFold if classes else KFold
    for fit, test in kind(3).split(rows, answers):
        mean, spread = rows[fit].mean(0), rows[fit].std(0)
        known, asked = (rows[fit] - mean) / spread, (rows[test] - mean) / spread
        told = []
        for row in asked:
            nearest = np.argsort(((known - row) ** 2).sum(1))[:5]
            own = answers[fit][nearest]
            told.append(np.bincount(own).argmax() if classes else own.mean())
        truth = answers[test]
        scores.append((np.array(told) == truth).mean() if classes else r2_score(truth, told))
    return float(np.mean(scores))


@pytest.mark.parametrize("classes", [True, False])
def test_references(classes: bool) -> None:
    rows = rng(3).normal(size=(90, 3)) * [1, 100, 1]
    answers: Any = (rows[:, 0] > 0).astype(int) if classes else rows[:, 0] + rows[:, 2]
    found = examination._references(rows, answers, classes=classes)
    assert found["neighbor_score"] == pytest.approx(neighbors_slowly(rows, answers, classes))
    assert found["neighbor_score"] <= found["reference_score"] <= 1
    assert found == examination._references(rows, answers, classes=classes)
    noise = examination._references(rows, rng(4).permutation(answers), classes=classes)
    assert noise["reference_score"] < found["reference_score"] - 0.2


def test_references_of_wide_records_look_at_some_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rng(5).normal(size=(60, 12))
    labels = (rows[:, 3] > 0).astype(int)
    thin = examination._references(rows[:, ::3], labels, classes=True)
    monkeypatch.setattr(examination, "_COLUMNS", 4)
    assert examination._references(rows, labels, classes=True) == thin


@pytest.mark.parametrize("targets", [torch.zeros(40).long(), torch.arange(40) // 38])
def test_one_class_and_rare_classes(targets: Tensor) -> None:
    facts = facts_of(torch.randn(40, 3), targets)
    assert facts["classes"] == len(targets.unique())
    if facts["classes"] == 1:
        assert (facts["chance_loss"], facts["reference_score"]) == (0, 1)
        assert facts["sorted"] == 0
    else:
        assert facts["reference_score"] is None


def test_a_few_records() -> None:
    for count in (1, 2, 29):
        facts = facts_of(torch.randn(count, 3), torch.arange(count) % 2)
        assert facts["single_column"] is None
        assert facts["reference_score"] is None
        values = facts_of(torch.randn(count, 3), torch.randn(count, 1), "squared")
        assert values["single_score"] == 0
        json.dumps([facts, values], allow_nan=False)
    assert facts_of(torch.randn(19, 3), torch.zeros(19).long())["sorted"] == 0


def test_values_that_are_not_finite_are_counted_by_record() -> None:
    inputs, values = torch.ones(40, 3), torch.randn(40, 1)
    inputs[3, 0] = inputs[3, 2] = math.nan
    inputs[5, 1] = -math.inf
    assert facts_of(inputs, torch.arange(40) % 2)["not_finite"] == 2
    values[5] = values[7] = math.inf
    facts = facts_of(inputs, values, "squared")
    assert facts["not_finite"] == 3
    assert facts["input_rms"] == pytest.approx(math.sqrt(117 / 120))
    assert "task" not in facts
    json.dumps(facts, allow_nan=False)


def test_targets_to_be_ignored_and_many_a_record() -> None:
    assert facts_of(torch.randn(5, 2), torch.tensor([0, 1, 1, -100, 1]))["majority"] == 0.75
    facts = facts_of(torch.randn(2, 2), torch.tensor([[0, 1, 2], [2, 2, 2]]))
    assert (facts["classes"], facts["majority"]) == (3, 4 / 6)
    assert facts["task"] == "classification"


def test_sortedness_of_classes() -> None:
    def sortedness(labels: Tensor) -> float:
        return facts_of(torch.randn(len(labels), 2), labels)["sorted"]

    labels = torch.arange(300) % 3
    mixed = labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    assert sortedness(labels.sort().values) == pytest.approx((297 / 299 - 1 / 3) / (2 / 3))
    assert sortedness(mixed) < 0.1
    assert sortedness(labels) == 0


def test_sortedness_of_values() -> None:
    def sortedness(values: Tensor) -> float:
        inputs = torch.randn(len(values), 2)
        return facts_of(inputs, values[:, None], "squared")["sorted"]

    values = torch.randn(300, generator=torch.Generator().manual_seed(0))
    ordered = values.sort().values.double().numpy()
    gaps = (np.diff(ordered) ** 2).mean() / (2 * ordered.var(ddof=1))
    assert sortedness(values.sort().values) == pytest.approx(1 - gaps)
    assert sortedness(values.sort().values) > 0.95
    assert sortedness(values) < 0.2
    assert sortedness(torch.arange(300.0) % 2) == 0
    assert sortedness(torch.ones(300)) == 0


def test_a_sample_is_the_same_each_time_and_holds_no_record_twice() -> None:
    inputs = torch.arange(5000.0)[:, None]
    samples = TensorSamples(inputs, inputs)
    one, two = examination._sample(samples), examination._sample(samples)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[0], one[1])
    assert len(one[0].unique()) == 2000
    wide = TensorSamples(torch.zeros(1000, 501), torch.zeros(1000).long())
    assert len(examination._sample(wide)[0]) == 800


def test_answers_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(200, 3, generator=generator)
    labels = torch.where(torch.rand(200, generator=generator) < 0.6, outputs.argmax(1), 0)
    facts = answers_facts("train", outputs, labels)
    probabilities, truth = outputs.softmax(1).numpy(), labels.numpy()
    answers = probabilities.argmax(1)
    right = answers == truth
    assert 10 < right.sum() < 190
    assert facts == {
        "train_score": pytest.approx(right.mean()),
        "balanced": pytest.approx(balanced_accuracy_score(truth, answers)),
        "predicted_share": np.bincount(answers).max() / 200,
        "errors": (~right).sum(),
        "confidence_auc": pytest.approx(roc_auc_score(right, probabilities.max(1))),
    }
    json.dumps(facts, allow_nan=False)
    sure = answers_facts("valid", outputs, outputs.argmax(1))
    assert (sure["valid_score"], sure["errors"], sure["confidence_auc"]) == (1, 0, None)


def test_answers_of_one_unit_and_of_values() -> None:
    outputs, labels = torch.tensor([[2.0], [-1.0], [3.0], [0.5]]), torch.tensor([1, 0, 0, 1])
    binary = answers_facts("train", outputs, labels, objective_named("binary_cross_entropy"))
    assert (binary["train_score"], binary["balanced"]) == (0.75, 0.75)
    assert binary["predicted_share"] == 0.75
    values = torch.tensor([1.0, 0.0, 2.0, 1.0])
    expected = pytest.approx(r2_score(values, outputs[:, 0]))
    assert answers_facts("train", outputs, values) == {"train_score": expected}
    assert answers_facts("train", outputs, values[:, None]) == {"train_score": expected}
    assert answers_facts("train", outputs * math.nan, labels) == {}
    half = answers_facts("train", torch.eye(4).bfloat16(), torch.tensor([0, 1, 2, 0]))
    assert half["train_score"] == 0.75


def test_examine_answers_of_a_network() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2)).train()
    train = TensorSamples(torch.randn(40, 3), torch.arange(40) % 2)
    valid = TensorSamples(torch.randn(10, 3), torch.arange(10) % 2)
    facts = examine_answers(network, train, valid, objective_named("cross_entropy"))
    assert network.training
    for name, samples in (("train", train), ("valid", valid)):
        outputs = network[1](samples.inputs)
        loss = nn.functional.cross_entropy(outputs, samples.targets).item()
        score = (outputs.argmax(1) == samples.targets).double().mean().item()
        assert facts[f"{name}_loss"] == pytest.approx(loss, rel=1e-5)
        assert facts[f"{name}_score"] == pytest.approx(score)
    alone = examine_answers(network, train, None, objective_named("cross_entropy"))
    assert not [name for name in alone if name.startswith("valid")]
