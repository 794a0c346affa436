"""The record of a run survives being written down."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import nn

from diagnose.networks import batches, cnn, records
from nnatomy.diagnose.case import Case, Layer
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.plan import Plan, carry_out
from nnatomy.diagnose.watching import watch
from nnatomy.training.settings import Settings


def build(_settings: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def test_a_trained_case_is_the_same_after_json() -> None:
    plan = Plan(build, {}, Settings(epochs=12, batch_size=8, device="cpu"))
    case = carry_out(plan, records(), records(20, seed=2)).case
    again = Case.from_json(json.loads(json.dumps(case.to_json(), allow_nan=False)))
    assert again.to_json() == case.to_json()
    assert again.layers == tuple(case.layers)
    assert again.layers[1].dropout == 0.2
    assert len(again.rows) > 5
    assert findings_of(again) == findings_of(case)


def test_a_watched_case_is_the_same_after_json() -> None:
    network, loss = cnn(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters())
    with watch(network, loss=loss, optimizer=optimizer, every=2) as doctor:
        for inputs, targets in batches(records(), 20, 3):
            value = loss(network(inputs), targets)
            value.backward()
            optimizer.step()
            doctor.step(value)
    case = doctor.case()
    again = Case.from_json(json.loads(json.dumps(case.to_json(), allow_nan=False)))
    assert again == Case.from_json(case.to_json())
    assert findings_of(again) == findings_of(case)
    for finding in findings_of(case):
        json.dumps(finding.to_json(), allow_nan=False)


def test_columns_and_curves_leave_gaps_out() -> None:
    rows = [{"a": 1.0}, {"a": None}, {}, {"a": [2.0, 3.0]}]
    history = [{"loss": 2, "valid_loss": None}, {"loss": 1.5, "valid_loss": 4}]
    case = Case((Layer("0", "Linear", "input", 1, 2, False, 2),), {}, {}, {}, rows, history)
    assert case.column("a") == [1.0, [2.0, 3.0]]
    assert case.column("b") == []
    assert case.curve("loss") == [2.0, 1.5]
    assert case.curve("valid_loss") == [4.0]
    assert case.failure == ""
