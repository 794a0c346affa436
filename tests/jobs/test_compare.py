"""Comparisons: every run is the run that `train` would do, and the table is that of its runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn

import nnatomy
from nnatomy.data.prepared import Prepared
from nnatomy.data.source import prepare
from nnatomy.errors import OccupiedError, RunError, SettingError
from nnatomy.jobs.comparison import ComparedRun, Comparison, rows_of, t_interval
from nnatomy.jobs.grid import combinations, read_grid
from nnatomy.jobs.verdict import verdict
from nnatomy.report.comparison import curves_png, settings_text
from nnatomy.training.inference import evaluate
from nnatomy.training.model_file import read_model
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.types import Batch, Samples

SETTINGS = {"epochs": 4, "hidden": (6,)}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return nnatomy.compare(
        "iris",
        over={"init": ["zeros", "he"], "seed": [0, 3, 5]},
        network="mlp",
        settings={"epochs": 12, "lr": 0.02},
    )


def test_a_run_is_that_of_train(tmp_path: Path) -> None:
    compared = nnatomy.compare(
        "iris", over={"lr": [0.01, 0.05]}, network="mlp", settings=SETTINGS, seed=2
    )
    for run in compared.runs:
        alone = nnatomy.train(
            "iris",
            network="mlp",
            settings={**SETTINGS, "lr": run.settings["lr"]},
            seed=2,
            out=tmp_path / str(run.settings["lr"]),
        )
        rows = [
            json.loads(text) for text in (alone.path / "metrics.jsonl").read_text().splitlines()
        ]
        for ours, theirs in zip(run.history, rows, strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
            assert ours["valid_score"] == pytest.approx(theirs["valid_score"], abs=1e-6)
    best = max(compared.runs, key=lambda run: run.score or 0.0)
    result = json.loads((tmp_path / str(best.settings["lr"]) / "result.json").read_text())
    assert compared.test_score == pytest.approx(result["metrics"]["accuracy"]["value"])
    assert read_model(alone.path / "model.nnatomy")


def test_table(comparison: Comparison) -> None:
    assert [run.settings for run in comparison.runs] == [
        {"init": init, "seed": seed} for init in ("zeros", "he") for seed in (0, 3, 5)
    ]
    assert [row.settings for row in comparison.rows] == [{"init": "he"}, {"init": "zeros"}]
    assert comparison.best == {"init": "he"}
    he, zeros = comparison.rows
    scores = {
        name: [r.score for r in comparison.runs if r.settings["init"] == name]
        for name in ("he", "zeros")
    }
    assert he.score == pytest.approx(np.mean(scores["he"]))
    assert zeros.behind == pytest.approx(np.subtract(scores["he"], scores["zeros"]).mean())
    assert he.behind is None
    assert he.interval == t_interval(scores["he"])
    assert sum(comparison.records.values()) == 150
    assert {run.engine for run in comparison.runs} == {"compiled"}
    for run in comparison.runs:
        assert run.best_epoch == 1 + int(np.argmin([row["valid_loss"] for row in run.history]))


def test_what_is_needed_to_do_it_again(comparison: Comparison) -> None:
    found = json.loads(json.dumps(comparison.to_json()))
    assert found["config"]["source"] == "iris"
    assert found["config"]["network"] == "mlp"
    assert found["config"]["settings"] == {"epochs": 12, "lr": 0.02}
    assert found["config"]["over"] == {"init": ["zeros", "he"], "seed": [0, 3, 5]}
    assert found["config"]["split"]["valid"] == 0.15
    assert {"torch", "numpy", "platform", "nnatomy"} <= set(found["env"])
    assert found["data"]["fingerprint"] == prepare("iris").report.fingerprint
    assert found["data"]["used"] == sum(comparison.records.values())
    assert found["common"]["lr"] == 0.02
    assert found["common"]["batch_size"] == 64
    assert not {"init", "seed"} & set(found["common"])
    for form in (repr(comparison), comparison.html(), comparison._repr_html_()):
        assert "same for all: network=mlp hidden=100 activation=relu epochs=12" in form
    again = nnatomy.compare(
        found["config"]["source"],
        over=found["config"]["over"],
        network=found["config"]["network"],
        settings=found["config"]["settings"],
        seed=found["config"]["seed"],
    )
    assert [run.score for run in again.runs] == [run.score for run in comparison.runs]


def test_keywords_are_those_of_train() -> None:
    found = nnatomy.compare(
        "iris",
        over={"seed": np.arange(2)},
        network="mlp",
        epochs=2,
        batch_size=16,
        lr=0.05,
        optimizer="sgd",
    )
    expected = {"epochs": 2, "batch_size": 16, "lr": 0.05, "optimizer": "sgd"}
    assert found.config["settings"] == expected
    assert {name: found.common[name] for name in expected} == expected
    assert [run.settings for run in found.runs] == [{"seed": 0}, {"seed": 1}]
    json.dumps(found.to_json())


def test_data_are_accounted_for(flawed_csv: Path) -> None:
    found = nnatomy.compare(flawed_csv, "answer", over={"seed": [0, 1]}, epochs=1)
    report = prepare(flawed_csv, target="answer").report
    assert found.data["rejected"] == len(report.rejected) == 1
    assert "constant" in found.data["unused_columns"]
    assert "answer" not in found.data["unused_columns"]
    page = found.html()
    assert "cannot be used" in page
    assert "Unused columns: " in page
    assert "is not used: every cell is" in page


def test_folders_hold_one_thing(tmp_path: Path) -> None:
    job = {"over": {"init": ["zeros", "he"]}, "network": "mlp", "epochs": 1}
    out = tmp_path / "c"
    nnatomy.compare("iris", **job, out=out)
    nnatomy.compare("iris", **job, out=out)
    before = (out / "comparison.json").read_bytes()
    with pytest.raises(OccupiedError, match=r"another comparison \(settings.lr: not set → 0.1\)"):
        nnatomy.compare("iris", **job, lr=0.1, out=out)
    with pytest.raises(OccupiedError, match=r"another comparison \(data: "):
        nnatomy.compare(load_wine(as_frame=True).frame, "target", **job, out=out)
    assert (out / "comparison.json").read_bytes() == before
    nnatomy.compare("iris", **job, lr=0.1, out=out, overwrite=True)
    assert json.loads((out / "comparison.json").read_text())["common"]["lr"] == 0.1


def test_a_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    job = {"over": {"init": ["zeros", "he"]}, "network": "mlp", "epochs": 1}
    out = tmp_path / "run"
    nnatomy.train("iris", epochs=1, out=out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OccupiedError, match="holds a training run; add --overwrite"):
        nnatomy.compare("iris", **job, out=out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    nnatomy.compare("iris", **job, out=out, overwrite=True)
    assert {path.name for path in out.iterdir()} == {"LOCK", "comparison.json", "index.html"}
    (out / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match=r"belong to no comparison \(letter.txt\)"):
        nnatomy.compare("iris", **job, out=out, overwrite=True)


def test_forms(comparison: Comparison) -> None:
    text = repr(comparison)
    assert text.split()[:3] == ["init", "runs", "accuracy"]
    assert comparison.verdict in text
    assert json.loads(json.dumps(comparison.to_json(), allow_nan=False))["score_name"] == "accuracy"
    snippet, page = comparison._repr_html_(), comparison.html()
    assert len(snippet) < 30_000
    assert "<script" not in page + snippet
    assert "default-src 'none'" in page
    assert curves_png(comparison.to_json()).startswith(b"\x89PNG")


def test_texts_of_the_user_are_escaped() -> None:
    hostile = {"init": "<b>he</b>"}
    run = ComparedRun(hostile, 0, 0.5, 1.0, 1, 1, 0.1, "compiled", "", [{"valid_loss": 1.0}])
    made = Comparison(rows_of([run]), [run], "accuracy", {"valid": 3, "test": 1}, 0.5, "<i>", "v")
    assert "<b>he" not in made.html() + made._repr_html_()
    assert "<i>" not in made.html()


@dataclass
class Counting:
    """Samples that count how often they are read."""

    samples: Samples
    passes: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.samples.input_shape

    def batches(self, order: torch.Tensor | None, size: int) -> Iterator[Batch]:
        self.passes += 1
        return self.samples.batches(order, size)


def test_test_records_are_read_once_by_the_best_run(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Counting] = []
    chosen: list[nn.Module] = []

    def counted(*arguments: object, **named: object) -> Prepared:
        prepared = prepare(*arguments, **named)  # type: ignore[arg-type]
        kept.append(Counting(prepared.test))
        return replace(prepared, test=kept[0])

    def noted(network: nn.Module, samples: Samples) -> object:
        chosen.append(network)
        return evaluate(network, samples)

    monkeypatch.setattr("nnatomy.jobs.compare.prepare", counted)
    monkeypatch.setattr("nnatomy.jobs.compare.evaluate", noted)
    seen: list[Session] = []

    class Watch(Observer):
        def on_end(self, session: Session) -> None:
            seen.append(session)

    found = nnatomy.compare(
        "iris",
        over={"lr": [0.0001, 0.001], "seed": [0, 1, 2]},
        network="mlp",
        settings={"epochs": 3},
        observers=[Watch()],
    )
    assert [samples.passes for samples in kept] == [1]
    of_best = [run for run in found.runs if {"lr": run.settings["lr"]} == found.best]
    assert len({run.score for run in of_best}) > 1, "the choice among them must matter"
    (session,) = [s for s in seen if s.network is chosen[0]]
    row = session.history[session.rules.best_epoch - 1]
    assert session.settings.lr == found.best["lr"]
    assert row["valid_score"] == max(run.score or 0.0 for run in of_best)


def test_words_say_what_intervals_leave_out(comparison: Comparison) -> None:
    for form in (repr(comparison), comparison.html(), comparison._repr_html_()):
        assert "Intervals are over the seeds only" in form


def test_all_diverged() -> None:
    found = nnatomy.compare(
        "iris",
        over={"seed": [0, 1]},
        network="mlp",
        settings={"optimizer": "sgd", "lr": 1e30, "epochs": 5},
    )
    assert found.rows[0].score is None
    assert found.rows[0].diverged == 2
    assert "diverged" in found.verdict
    assert "diverged" in repr(found)
    assert found.test_score is None
    assert found.runs[0].stopped.startswith("diverged: the loss")
    assert found.html()


def run_of(score: float | None, seed: int = 0, **settings: object) -> ComparedRun:
    stopped = "" if score is not None else "diverged"
    own = {**settings, "seed": seed}
    return ComparedRun(own, seed, score, 1.0, 1, 1, 0.1, "compiled", stopped, [])


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([run_of(0.8), run_of(0.9, 1)], "One setting, mean accuracy 0.85 over 2 seeds."),
        ([run_of(0.8, lr=1)], "One setting and one seed, accuracy 0.8: nothing to compare"),
        (
            [run_of(0.8, lr=1), run_of(0.8, lr=2)],
            "No difference: lr=1; lr=2 all reach accuracy 0.8. One seed each: add --over",
        ),
        (
            [run_of(0.8, lr=1), run_of(0.8, lr=2), run_of(0.7, lr=3)],
            "Best, and equal: lr=1; lr=2 with accuracy 0.8. One seed each: differences may be luck",
        ),
        (
            [run_of(0.8, lr=1), run_of(0.7, lr=2)],
            "Best: lr=1 with accuracy 0.8. One seed each: differences may be luck; add --over",
        ),
        (
            [run_of(0.8, lr=1), run_of(None, lr=2)],
            "add --over seed=0..9. Not comparable with it: lr=2 (1 of 1 runs diverged).",
        ),
    ],
)
def test_verdicts(runs: list[ComparedRun], words: str) -> None:
    said = verdict(rows_of(runs), "accuracy")
    assert words in said
    assert "all alike" not in said
    assert not said.startswith("No difference") or "luck" not in said


def test_one_seed_says_so(comparison: Comparison) -> None:
    one = nnatomy.compare("iris", over={"hidden": [(4,), (8, 4)]}, settings={"epochs": 2})
    assert "One seed each" in one.verdict
    assert all(row.interval is None for row in one.rows)
    assert "over 3 seeds" in comparison.verdict


def test_networks_of_several_kinds() -> None:
    found = nnatomy.compare("iris", over={"network": ["perceptron", "mlp"]}, settings={"epochs": 3})
    assert {run.settings["network"] for run in found.runs} == {"perceptron", "mlp"}


def test_the_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    nnatomy.compare("iris", over={"dropout": [0.0, 0.5]}, network="mlp", settings={"epochs": 1})
    assert torch.equal(before, torch.get_rng_state())


def test_grid() -> None:
    grid = read_grid(["init=zeros, he", "seed=0..2", "hidden=64;64,32", "epochs=5..20..5"])
    assert grid == {
        "init": ["zeros", "he"],
        "seed": ["0", "1", "2"],
        "hidden": ["64", "64,32"],
        "epochs": ["5", "10", "15", "20"],
    }
    assert read_grid(["hidden=64/64,32"]) == {"hidden": ["64", "64,32"]}
    found = combinations({"a": [1, 2], "b": ["x", "y"]})
    assert found == [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["init"], "takes name=value"),
        (["=1"], "takes name=value"),
        (["init="], "takes name=value"),
        (["init=a,,b"], "takes name=value"),
        (["lr=1", "lr=2"], "given twice"),
        (["seed=5..2"], "no range"),
        (["seed=0..99999999"], "no range"),
    ],
)
def test_mistakes_in_the_grid(entries: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        read_grid(entries)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({}, "nothing to compare"),
        ({"lr": []}, "needs a list"),
        ({"init": "he"}, "needs a list"),
        ({"lr": [0.1, 0.1]}, "a value twice"),
        ({"lr": list(range(50)), "seed": list(range(50))}, "2,500 combinations"),
        ({"inti": ["he"]}, "did you mean 'init'"),
        ({"seed": [-1]}, "whole number"),
        ({"lr": ["auto"]}, "lr=auto"),
        ({"epochs": [3]}, "both varied and set"),
        ({"network": ["mpl"]}, "did you mean 'mlp'"),
        ("seed=0..1", "over takes a mapping from name to a list of values"),
        (["lr"], "over takes a mapping from name to a list of values"),
        ({"seed": 3}, "over takes a mapping from name to a list of values: 'seed'"),
        ({3: [1]}, "over takes a mapping from name to a list of values"),
    ],
)
def test_mistakes(over: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        nnatomy.compare("iris", over=over, settings={"epochs": 2})


def test_no_epochs_are_a_mistake() -> None:
    with pytest.raises(SettingError, match="epochs must be at least 1"):
        nnatomy.compare("iris", over={"lr": [0.1, 0.2]}, settings={"epochs": 0})
    with pytest.raises(SettingError, match="epochs must be at least 1"):
        nnatomy.compare("iris", over={"epochs": [0, 2]})


def test_words_of_settings() -> None:
    assert settings_text({}) == "all alike"
    assert settings_text({"hidden": (64, 32), "lr": 0.1}) == "hidden=64,32 lr=0.1"
    assert settings_text({"hidden": ()}) == "hidden=none"
