"""A plan is carried out the same each time, on records prepared as it wants."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from diagnose.networks import hooks_of, records, same_tensors
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import plan as planning
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.examination import examine_records
from nnatomy.diagnose.plan import Plan, Standardize, Trial, carry_out
from nnatomy.models.mlp import MLP
from nnatomy.training.settings import Settings


def build(architecture: Any) -> nn.Module:
    return MLP((6,), architecture.get("units", 3), hidden=(8,), activation="tanh", dropout=0.1)


PLAN = Plan(build, {}, Settings(epochs=3, batch_size=16, lr=0.01, device="cpu", seed=4))
VALUES = replace(PLAN, architecture={"units": 1}, objective="squared", scale_targets=True)


def run(plan: Plan, train: TensorSamples, valid: TensorSamples | None = None) -> Trial:
    trial = carry_out(plan, train, valid)
    assert hooks_of(trial.session.network) == 0
    return trial


def test_standardize_is_scikit_learns() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(50, 3) * torch.tensor([1.0, 1000.0, 0.01]) + torch.tensor([0.0, 5, -7])
    expected = StandardScaler().fit_transform(inputs.double().numpy()) * np.sqrt(49 / 50)
    found = Standardize(inputs)(inputs)
    torch.testing.assert_close(found.double().numpy(), expected, rtol=1e-3, atol=1e-4)
    assert not list(Standardize(inputs).parameters())
    assert list(Standardize(inputs).state_dict()) == ["mean", "scale"]


def test_standardize_takes_all_pixels_together() -> None:
    torch.manual_seed(0)
    images = 3 * torch.randn(5, 2, 4, 4) + 9
    found = Standardize(images)(images)
    assert found.mean().item() == pytest.approx(0, abs=1e-5)
    assert found.std().item() == pytest.approx(1, abs=1e-5)
    assert found[:, 0].mean().abs() > 1e-4


def test_standardize_of_constant_broken_and_single_inputs() -> None:
    constant = torch.full((50, 2), 0.1)
    assert constant.std(0).max() < 1e-6
    assert Standardize(constant)(constant + 1).sub(1).abs().max() < 1e-5
    assert torch.equal(Standardize(torch.ones(1, 2))(torch.ones(3, 2)), torch.zeros(3, 2))
    broken = torch.tensor([[1.0], [3.0], [math.nan], [math.inf]])
    layer = Standardize(broken)
    assert layer.get_buffer("mean").item() == 1
    assert torch.isfinite(layer.get_buffer("scale")).all()


def test_carried_out_twice_it_is_the_same() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    found = [run(PLAN, records(), records(20, seed=2)) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    one, other = found
    same_tensors(one.session.network.state_dict(), other.session.network.state_dict())
    assert one.case.rows == other.case.rows
    assert one.case.facts == other.case.facts
    assert one.score == other.score == one.case.facts["valid_score"]
    assert run(PLAN, records()).score == run(PLAN, records()).case.facts["train_score"]
    another = run(replace(PLAN, training=replace(PLAN.training, seed=5)), records())
    assert another.case.rows[0]["loss"] != one.case.rows[0]["loss"]


def test_scaled_inputs_are_part_of_the_network() -> None:
    plain = records()
    shifted = TensorSamples(plain.inputs * 40 + 300, plain.targets)
    trial = run(replace(PLAN, scale_inputs=True), shifted)
    layer = trial.session.network[0]
    assert isinstance(layer, Standardize)
    torch.testing.assert_close(layer.get_buffer("mean")[0], shifted.inputs.mean(0))
    torch.testing.assert_close(layer.get_buffer("scale")[0], shifted.inputs.std(0))
    reference = run(replace(PLAN, scale_inputs=True), plain)
    assert trial.case.rows[0]["loss"] == pytest.approx(reference.case.rows[0]["loss"], rel=1e-4)
    checks = [{f.check for f in findings_of(r.case)} for r in (trial, run(PLAN, shifted))]
    assert "inputs_not_scaled" not in checks[0]
    assert "inputs_not_scaled" in checks[1]


def values(count: int, seed: int, mean: float, spread: float) -> TensorSamples:
    samples = records(count, seed)
    return TensorSamples(samples.inputs, mean + spread * samples.inputs[:, :1])


def test_scaled_targets_are_scaled_by_the_training_records() -> None:
    train, valid = values(60, 1, 100, 20), values(20, 2, 300, 5)
    trial = run(VALUES, train, valid)
    assert trial.case.facts["target_mean"] == pytest.approx(0, abs=1e-5)
    mean, spread = train.targets.mean(), train.targets.std()
    held = trial.session.valid
    assert held is not None
    (batch,) = held.batches(None, 20)
    torch.testing.assert_close(batch.targets, (valid.targets - mean) / spread)
    torch.testing.assert_close(batch.inputs, valid.inputs)
    assert batch.targets.mean() > 5
    assert train.targets.mean() > 90  # the caller's are as they were


def test_scaled_targets_of_one_value() -> None:
    train = values(60, 1, 7, 0)
    trial = run(VALUES, train, train)
    assert trial.case.failure == ""
    assert abs(trial.case.facts["target_low"]) < 1e-4


def test_balance_weighs_by_the_training_frequencies() -> None:
    inputs = torch.randn(8, 6)
    train = TensorSamples(inputs, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]))
    valid = TensorSamples(inputs[:4], torch.tensor([0, 1, 1, 2]))
    trial = run(replace(PLAN, balance=True), train, valid)
    held = trial.session.train, trial.session.valid
    weights = [s.weights.tolist() for s in held if isinstance(s, TensorSamples)]
    # Two classes of eight records: 8 / (2 * 6) and 8 / (2 * 2).
    assert weights[0] == pytest.approx([8 / 12] * 6 + [2] * 2)
    assert weights[1] == pytest.approx([8 / 12, 2, 2, 4])
    own = torch.arange(1.0, 9)
    weighted = TensorSamples(inputs, train.targets, own)
    both = run(replace(PLAN, balance=True), weighted).session.train
    torch.testing.assert_close(both.weights, own * torch.tensor(weights[0]))


def test_a_column_is_dropped_everywhere() -> None:
    train, valid = records(), records(20, seed=2)
    trial = run(replace(PLAN, drop_column=1), train, valid)
    for samples, given in ((trial.session.train, train), (trial.session.valid, valid)):
        assert samples is not None
        (batch,) = samples.batches(None, 100)
        assert batch.inputs[:, 1].abs().max() == 0
        assert torch.equal(batch.inputs[:, [0, 2, 3, 4, 5]], given.inputs[:, [0, 2, 3, 4, 5]])
        assert torch.equal(batch.targets, given.targets)
        assert given.inputs[:, 1].abs().min() > 0


def test_weights_outlast_other_changes() -> None:
    given = records()
    weights = torch.rand(60) + 0.5
    given.inputs[4, 2] = math.nan
    plan = replace(PLAN, drop_column=1, drop_not_finite=True)
    samples = run(plan, TensorSamples(given.inputs, given.targets, weights)).session.train
    assert torch.equal(samples.weights, torch.cat([weights[:4], weights[5:]]))


def test_records_that_are_not_finite() -> None:
    train, valid = values(60, 1, 0, 1), values(20, 2, 0, 1)
    train.inputs[3, 2], train.inputs[7, 0] = math.nan, math.inf
    train.targets[9] = math.nan
    valid.inputs[0, 0] = math.nan
    plan = replace(VALUES, scale_targets=False)
    broken = run(plan, train, valid)
    assert broken.score == -math.inf
    assert "it began in the " in broken.case.failure
    assert broken.case.facts["not_finite"] == 3
    assert findings_of(broken.case)[0].check == "non_finite"
    mended = run(replace(plan, drop_not_finite=True), train, valid)
    assert (len(mended.session.train), len(mended.session.valid or ())) == (57, 19)
    assert mended.case.failure == ""
    assert math.isfinite(mended.score)
    scaled = run(replace(VALUES, drop_not_finite=True), train, valid)
    assert scaled.case.facts["target_std"] == pytest.approx(1, abs=0.02)


def test_a_run_that_breaks_off_has_a_case() -> None:
    samples = values(60, 1, 0, 1e18)
    plan = replace(VALUES, scale_targets=False)
    trial = run(replace(plan, training=replace(plan.training, lr=1e18, optimizer="sgd")), samples)
    assert trial.case.failure
    assert trial.score == -math.inf
    assert trial.case.settings["steps"] == trial.session.step == len(trial.case.rows)
    assert "train_score" not in trial.case.facts


def test_the_score_of_uneven_classes_is_their_mean_recall() -> None:
    inputs = records().inputs
    trial = run(PLAN, TensorSamples(inputs, (torch.arange(60) > 50).long()))
    assert trial.score == trial.case.facts["balanced"]
    assert trial.score != trial.case.facts["train_score"]
    assert planning._UNEVEN == 0.65


def test_facts_about_records_that_stay_the_same_are_looked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []

    def counted(train: Any, objective: str) -> dict[str, Any]:
        looked.append(len(train))
        return examine_records(train, objective)

    monkeypatch.setattr(planning, "examine_records", counted)
    train, examined = records(40), planning.Examined()
    first = carry_out(PLAN, train, None, examined)
    other = replace(PLAN, training=replace(PLAN.training, lr=0.02))
    second = carry_out(other, train, None, examined)
    assert len(looked) == 1
    assert second.case.facts["single_score"] == first.case.facts["single_score"]
    assert second.case.facts["train_loss"] != first.case.facts["train_loss"]
    assert "train_loss" not in next(iter(examined.values()))  # of the records, not of the answers
    without = carry_out(replace(other, drop_column=0), train, None, examined)
    assert len(looked) == 2
    assert without.case.facts["input_rms"] < first.case.facts["input_rms"]
    alone = carry_out(replace(other, drop_column=0), train, None)
    assert without.case.facts == alone.case.facts
