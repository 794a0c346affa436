"""The table of a comparison and its verdict: made scores in, standings and words out."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from nnatomy.jobs.compare import verdict
from nnatomy.jobs.comparison import ComparedRow, ComparedRun, Comparison, rows_of, t_interval
from nnatomy.report.comparison import table_of


def run_of(name: str, seed: int, score: float | None) -> ComparedRun:
    return ComparedRun({"lr": name, "seed": seed}, seed, score, 0.1, 1, 1, 1.0, "compiled", "", [])


def rows_by(
    scores: dict[str, list[float | None]], score_name: str = "accuracy"
) -> list[ComparedRow]:
    """Rows of made scores: a list a setting, one score a seed."""
    return rows_of(
        [run_of(name, seed, s) for name, own in scores.items() for seed, s in enumerate(own)],
        score_name,
    )


def test_rows_pair_equal_seeds() -> None:
    runs = [run_of("a", 0, 0.9), run_of("a", 1, 0.7), run_of("b", 0, 0.8), run_of("b", 5, 0.1)]
    best, other = rows_of(runs)
    assert best.settings == {"lr": "a"}
    assert other.behind == pytest.approx(0.1)  # not 0.8 - 0.45
    assert other.behind_interval is None
    assert other.standing == "not comparable"


def test_survivors_do_not_win() -> None:
    for scores in ([0.99, *[None] * 9], [0.99, 0.99, *[None] * 8]):
        rows = rows_by({"10": scores, "0.1": [0.9, 0.92] * 5})
        assert [row.settings["lr"] for row in rows] == ["0.1", "10"]
        lucky = rows[1]
        assert (lucky.behind, lucky.behind_interval, lucky.interval) == (None, None, None)
        words = verdict(rows, "accuracy")
        assert words.startswith("Best: lr=0.1 with accuracy 0.91 over 10 seeds.")
        assert f"Not comparable with it: lr=10 ({lucky.diverged} of 10 runs diverged)." in words
        assert "One seed each" not in words


def test_the_more_diverged_the_further_down() -> None:
    rows = rows_by({"a": [None, None, 0.9], "b": [None] * 3, "c": [0.1, None, 0.2]})
    assert [row.settings["lr"] for row in rows] == ["c", "a", "b"]
    words = verdict(rows, "accuracy")
    assert "none is best" in words
    assert "lr=c (1 of 3 runs diverged)" in words
    assert "Best:" not in words


def test_verdict_has_three_groups() -> None:
    rows = rows_by(
        {
            "best": [0.90, 0.92, 0.91, 0.93, 0.92],
            "level": [0.91, 0.89, 0.92, 0.90, 0.91],
            "far": [0.30, 0.31, 0.33, 0.30, 0.29],
            "constant": [0.85, 0.87, 0.86, 0.88, 0.87],
            "wild": [0.99, 0.99, 0.99, 0.99, None],
        }
    )
    assert {row.settings["lr"]: row.standing for row in rows} == {
        "best": "best",
        "level": "not distinguishable",
        "constant": "not comparable",
        "far": "behind",
        "wild": "not comparable",
    }
    level = next(row for row in rows if row.settings["lr"] == "level")
    assert level.behind_interval is not None
    assert level.behind_interval[0] < 0 < level.behind_interval[1]
    assert verdict(rows, "accuracy") == (
        "Best: lr=best with accuracy 0.916 over 5 seeds. Behind it: lr=far. "
        "Not distinguishable from it: lr=level. Not comparable with it: "
        "lr=constant (seeds make no difference); lr=wild (1 of 5 runs diverged)."
    )


def test_one_seed_each_names_those_that_diverged() -> None:
    words = verdict(rows_by({"a": [0.9], "b": [0.8], "c": [None]}), "accuracy")
    assert "One seed each" in words
    assert "lr=c (1 of 1 runs diverged)" in words
    assert "lr=b" not in words


def test_long_verdicts_are_cut() -> None:
    words = verdict(rows_by({"a": [0.9, 0.8], **{f"b{i}": [0.9, 0.8] for i in range(20)}}), "r2")
    assert "lr=b11 (the same in every seed); 8 more." in words


def test_no_spread_is_no_interval() -> None:
    best, other = rows_by({"a": [0.9091] * 3, "b": [0.8] * 3})
    assert best.interval is None
    assert (other.behind_interval, other.reason) == (None, "seeds make no difference")
    third = 1 / 3
    rows = rows_by({"a": [0.9, 0.8], "b": [0.9 - third, 0.8 - third]})
    assert rows[1].behind_interval is None
    runs = [run_of("a", seed, 0.9091) for seed in range(2)]
    made = Comparison(rows_of(runs), runs, "accuracy", {"valid": 3, "test": 1}, 0.5, "s", "v")
    assert "seeds make no difference" in repr(made)
    assert "[" not in repr(made)


def test_scores_that_are_tied_while_losses_differ() -> None:
    runs = [replace(run_of("a", seed, 0.9091), loss=0.1 + seed) for seed in range(2)]
    made = Comparison(rows_of(runs), runs, "accuracy", {"valid": 3, "test": 1}, 0.5, "s", "v")
    assert "the same score in every seed" in repr(made)
    assert "seeds make no difference" not in repr(made)


def test_intervals_stay_within_the_limits_of_the_score() -> None:
    (row,) = rows_by({"a": [1.0, 0.9, 1.0]})
    assert row.interval == (pytest.approx(0.8232, abs=1e-4), 1.0)
    (row,) = rows_by({"a": [0.0, 0.1]})
    assert row.interval is not None
    assert row.interval[0] == 0
    (row,) = rows_by({"a": [0.0, 0.9]}, "r2")
    assert row.interval is not None
    assert row.interval[0] < 0
    assert row.interval[1] == 1


def test_intervals_behind_are_those_of_all_pairs() -> None:
    scores = {"a": [0.9, 0.8, 0.9], "b": [0.7, 0.7, 0.6], "c": [0.4, 0.5, 0.3], "d": [0.9, 0.8]}
    rows = rows_by({**scores, "d": [0.9, None, 0.9]})  # three rows can be compared: three pairs
    assert rows[1].behind_interval == pytest.approx(t_interval([0.2, 0.1, 0.3], 1 - 0.05 / 3))
    two = rows_by({name: scores[name] for name in "ab"})
    assert two[1].behind_interval == pytest.approx(t_interval([0.2, 0.1, 0.3]))


@pytest.mark.parametrize(("settings", "seeds"), [(5, 5), (20, 10), (2, 3)])
@pytest.mark.parametrize("records", [None, 30])
def test_equal_settings_are_seldom_called_behind(
    settings: int, seeds: int, records: int | None
) -> None:
    """At most 5 % of comparisons; 7 % leaves room for the chance in 400 of them.

    With so few records scores are steps of 1/30 and not normal.
    """
    random, wrong = np.random.default_rng(0), 0
    for _ in range(400):
        effect = random.normal(0, 0.03, seeds)  # what a seed does to all settings
        scores = 0.8 + effect + random.normal(0, 0.03, (settings, seeds))
        if records is not None:
            scores = np.round(scores * records) / records
        rows = rows_by({str(i): own.tolist() for i, own in enumerate(scores)})
        wrong += any(row.standing == "behind" for row in rows)
    assert wrong / 400 <= 0.07


def test_a_real_difference_is_found() -> None:
    random, found = np.random.default_rng(1), 0
    for _ in range(100):
        scores = random.normal(0.8, 0.01, (4, 10))
        scores[3] -= 0.05
        rows = rows_by({str(i): own.tolist() for i, own in enumerate(scores)})
        found += rows[-1].settings["lr"] == "3" and rows[-1].standing == "behind"
    assert found >= 95


@pytest.mark.parametrize(
    ("engines", "title"),
    [
        (["autograd", "autograd"], "time of a run"),
        (["compiled"], "time of a run"),
        (["compiled", "compiled"], "time, others beside"),
        (["stacked", "stacked"], None),
    ],
)
def test_title_of_times(engines: list[str], title: str | None) -> None:
    runs = [replace(run_of("a", i, 0.5), engine=name) for i, name in enumerate(engines)]
    rows = [asdict(row) for row in rows_of(runs)]
    head, lines = table_of(
        {"rows": rows, "runs": [asdict(run) for run in runs], "score_name": "accuracy"}
    )
    assert (head[-1] if "time" in head[-1] else None) == title
    assert {len(cells) for cells in lines} == {len(head)}


def test_interval_by_hand() -> None:
    # mean 2, s = 1, n = 3: t(0.975, 2) = 4.302653
    low, high = t_interval([1.0, 2.0, 3.0])  # type: ignore[misc]
    assert high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - low == pytest.approx(high - 2)
    assert t_interval([1.0]) is None
