from __future__ import annotations

import copy
import io

import pytest
from rich.console import Console

from nnatomy.report.notebook import text_snippet
from nnatomy.report.terminal import LiveProgress, print_terminal
from report import cases


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")


def run(stream, rows, total=3, **more):
    clock = Clock()
    progress = LiveProgress(total, stream, clock=clock, **more)
    for row in rows:
        clock.now += 2.0
        progress.row(row)
    progress.close()
    return stream.getvalue()


ROWS = [
    {"epoch": 1, "loss": 2.0, "valid_loss": 1.5, "valid_score": 0.5},
    {"epoch": 2, "loss": 1.0, "valid_loss": 1.25, "valid_score": 0.75},
    {"epoch": 3, "loss": 0.5, "valid_loss": 1.75, "valid_score": 0.7},
]


def test_without_a_terminal_every_epoch_is_one_plain_line():
    lines = run(io.StringIO(), ROWS).splitlines()
    assert lines == [
        "epoch 1/3  loss 2  valid 1.5  score 0.500  best 1.5 @ 1  left 4.0 s",
        "epoch 2/3  loss 1  valid 1.25  score 0.750  best 1.25 @ 2  left 2.0 s",
        "epoch 3/3  loss 0.5  valid 1.75  score 0.700  best 1.25 @ 2  left 0 ms",
    ]


def test_on_a_terminal_one_line_is_written_anew():
    text = run(Terminal(), ROWS)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.count("\r\x1b[2K") == 3
    assert all(len(line) < 110 for line in text.split("\r\x1b[2K"))


def test_a_narrow_terminal_gets_no_wrapped_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    shown = run(Terminal(), ROWS).rstrip().split("\r\x1b[2K")
    assert max(len(line) for line in shown) <= 29


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in run(Terminal(), ROWS)


def test_the_best_epoch_is_that_whose_weights_are_kept():
    rows = [*ROWS, {"epoch": 4, "loss": 0.4, "valid_loss": 1.7, "valid_score": 0.75}]
    rows.append({"epoch": 5, "loss": 0.4, "valid_loss": 1.2, "valid_score": 0.75})
    lines = run(io.StringIO(), rows, total=5, monitor="score").splitlines()
    assert [line.split("best ")[1].split("  ")[0] for line in lines] == [
        "0.500 @ 1",
        "0.750 @ 2",
        "0.750 @ 2",
        "0.750 @ 2",
        "0.750 @ 5",
    ]


@pytest.mark.parametrize("monitor", ["loss", "score"])
def test_without_validation_the_best_is_the_training_loss(monitor):
    rows = [{"epoch": 1, "loss": 2.0, "valid_loss": None, "valid_score": None}]
    shown = run(io.StringIO(), rows, monitor=monitor)
    assert shown == "epoch 1/3  loss 2  best 2 @ 1  left 4.0 s\n"


def test_a_resumed_run_estimates_from_its_own_epochs():
    rows = [{"epoch": 9, "loss": 1.0}]
    assert "left 2.0 s" in run(io.StringIO(), rows, total=10)


def test_losses_that_are_not_finite_are_named():
    assert "loss nan" in run(io.StringIO(), [{"epoch": 1, "loss": "nan"}])


def printed(facts, stream, **settings):
    print_terminal(facts, Console(file=stream, **settings))
    return stream.getvalue()


def test_the_table_holds_every_metric_interval_and_baseline(digits):
    facts, frame = digits
    text = printed(facts, io.StringIO(), width=120)
    share = 100 * (frame["truth"] == frame["prediction"]).mean()
    assert f"{share:.1f} %" in text
    for words in (
        "gradient boosting",
        "Log loss",
        "network   11 layers",
        "1,080 train".replace(",", " "),
    ):
        assert words in text
    assert "report.html" in text
    assert "\x1b" not in text
    assert not set(text) & set("─━│┃╭╰")


def test_no_color_is_honored_on_a_terminal(digits, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(digits[0], Terminal(), width=120)
    assert "\x1b[3" not in text
    assert "─" in text


def test_hostile_text_cannot_drive_the_terminal(hostile):
    facts = copy.deepcopy(hostile[0])
    facts["result"]["network"] = "[red]\x1b]0;title\x07[/red]"
    text = printed(facts, io.StringIO(), width=200)
    assert "\x1b" not in text
    assert "[red]" in text


def test_a_note_on_the_training_is_called_so(digits):
    found = {"check": "frozen_parameters", "symptom": "Weights that are not trained."}
    given = [{**found, "severity": "warning"}, {**found, "severity": "note"}]
    facts = {**digits[0], "result": {**digits[0]["result"], "findings": given}}
    lines = [" ".join(row.split()) for row in printed(facts, io.StringIO(), width=120).splitlines()]
    assert "finding warning: frozen_parameters: Weights that are not trained." in lines
    assert "note frozen_parameters: Weights that are not trained." in lines


def test_a_stream_of_another_encoding_is_no_obstacle(houses):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_terminal(houses[0], Console(file=stream, width=120))
    stream.flush()
    assert b"Root mean squared error" in stream.buffer.getvalue()


def test_the_text_of_a_run_is_complete_without_a_terminal(digits, houses):
    for facts, _ in (digits, houses):
        text = text_snippet(facts)
        assert facts["result"]["verdict"]["text"][:40] in text
        assert all(len(row) <= 100 for row in text.splitlines()[1:])
        assert "report.html" in text


def test_facts_with_nothing_in_them_print_nothing():
    assert text_snippet({}) == ""
    assert text_snippet(cases.Facts(result={"network": "x"})) == ""
