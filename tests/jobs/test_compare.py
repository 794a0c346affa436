"""Comparisons: every run is the run that `train` would do, and the table is that of its runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import nnatomy
from nnatomy.errors import SettingError
from nnatomy.jobs.comparison import ComparedRun, Comparison, rows_of, t_interval
from nnatomy.jobs.grid import combinations, read_grid
from nnatomy.report.comparison import curves_png, settings_text
from nnatomy.training.model_file import read_model

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


def run_of(name: str, seed: int, score: float | None) -> ComparedRun:
    return ComparedRun({"lr": name, "seed": seed}, seed, score, 0.1, 1, 1, 1.0, "compiled", "", [])


def test_rows_pair_equal_seeds_and_count_what_diverged() -> None:
    runs = [run_of("a", 0, 0.9), run_of("a", 1, 0.7), run_of("b", 0, 0.8), run_of("b", 1, None)]
    best, other = rows_of(runs)
    assert best.settings == {"lr": "a"}
    assert (other.runs, other.diverged) == (1, 1)
    assert other.behind == pytest.approx(0.1)  # not 0.8 - 0.8
    assert other.behind_interval is None


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


def test_interval_by_hand() -> None:
    # mean 2, s = 1, n = 3: t(0.975, 2) = 4.302653
    low, high = t_interval([1.0, 2.0, 3.0])  # type: ignore[misc]
    assert high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - low == pytest.approx(high - 2)
    assert t_interval([1.0]) is None


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
    ],
)
def test_mistakes(over: dict[str, list[object]], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        nnatomy.compare("iris", over=over, settings={"epochs": 2})


def test_words_of_settings() -> None:
    assert settings_text({}) == "all alike"
    assert settings_text({"hidden": (64, 32), "lr": 0.1}) == "hidden=64,32, lr=0.1"
