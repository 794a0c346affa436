"""nnatomy diagnose: what was wrong with a training, and the lines of nnatomy train about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.commands import Server
from cli.conftest import Command, measurements

EVIDENCE = {"what", "value", "limit"}
KEYS = {"check", "severity", "symptom", "evidence", "remedy", "lecture", "cause"}


def findings(server: Server, folder: Path) -> list[dict]:
    code, out, err = server.run("diagnose", folder, "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert set(content) == {"findings", "not_judged"}
    assert (
        content["not_judged"] == json.loads((folder / "diagnosis.json").read_text())["not_judged"]
    )
    for finding in content["findings"]:
        assert set(finding) == KEYS
        assert all(set(proof) == EVIDENCE for proof in finding["evidence"])
    return content["findings"]


def test_a_healthy_run(server: Server, tmp_path: Path) -> None:
    trained = server.run("train", "iris", "--quiet", "--out", tmp_path)
    assert (trained.code, trained.err) == (0, "")
    assert "finding" not in trained.out
    assert "nnatomy diagnose" not in trained.out
    assert findings(server, tmp_path) == []
    code, out, _ = server.run("diagnose", tmp_path)
    assert code == 0
    assert out.startswith("no findings: 22 checks, ")
    assert out.endswith(" of 400 steps\n")
    assert "not judged" not in out


def test_what_was_not_judged(server: Server, tmp_path: Path) -> None:
    frame = measurements(60)
    frame.to_csv(tmp_path / "data.csv", index=False)
    out = tmp_path / "run"
    words = ("--epochs", 2, "--quiet", "--out", out)
    assert server.run("train", tmp_path / "data.csv", "--target", "grade", *words).code == 0
    diagnosis = json.loads((out / "diagnosis.json").read_text())
    for row in diagnosis["case"]["history"]:
        row["valid_loss"] = None
    del diagnosis["case"]["facts"]["valid_score"]
    (out / "diagnosis.json").write_text(json.dumps(diagnosis))
    shown = json.loads(server.run("diagnose", out, "--json").out)["not_judged"]
    assert shown["overfitting"] == ["validation records"]
    assert "overfitting (no validation records)" in server.run("diagnose", out).out.splitlines()[-1]


def test_a_note(server: Server, tmp_path: Path) -> None:
    assert server.run("train", "iris", "--quiet", "--out", tmp_path).code == 0
    diagnosis = json.loads((tmp_path / "diagnosis.json").read_text())
    diagnosis["case"]["structure"]["untrained"] = {"0.weight": "requires_grad"}
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis))
    first, second, *_ = server.run("diagnose", tmp_path).out.splitlines()
    assert first.startswith("no findings: ")
    assert second == "note: frozen_parameters"


def test_a_learning_rate_that_is_too_high(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "my run"
    words = ("train", "iris", "--quiet", "--lr", 5, "--batch-size", 16, "--epochs", 8, "--out", out)
    trained = server.run(*words)
    assert trained.code == 0
    lines = [line for line in trained.out.splitlines() if line.startswith("finding ")]
    found = findings(server, out)
    assert [line.split()[2].rstrip(":") for line in lines] == [f["check"] for f in found]
    assert lines[0].startswith("finding   critical: learning_rate_too_high: The steps are too")
    assert f"evidence and remedies: nnatomy diagnose '{out}'" in trained.out
    assert found[0]["evidence"][0]["limit"] == "> 0.2"
    assert found[0]["cause"] == "learning_rate_too_high"
    again = server.run(*words, "--json")
    assert [f["check"] for f in json.loads(again.out)["findings"]] == [f["check"] for f in found]
    shown = server.run("diagnose", out).out
    for finding in found:
        assert f"{finding['severity']}: {finding['check']}\n  symptom:  " in shown
        assert f"  remedy:   {finding['remedy']}\n" in shown
        assert f"  lecture:  item {finding['lecture']}\n" in shown
    assert " (limit: > 0.2)\n" in shown


def test_a_run_that_broke_off(server: Server, tmp_path: Path) -> None:
    frame = measurements(120)
    frame["price"] = 10 * frame.length + frame.width
    frame.to_csv(tmp_path / "data.csv", index=False)
    out = tmp_path / "run"
    words = ("--target", "price", "--optimizer", "sgd", "--lr", "1e20", "--quiet", "--out", out)
    trained = server.run("train", tmp_path / "data.csv", *words)
    assert trained.code == 1
    assert trained.err.endswith(f" More: nnatomy diagnose {out}\n")
    found = {finding["check"]: finding for finding in findings(server, out)}
    assert found["non_finite"]["severity"] == "critical"
    shown = server.run("diagnose", out).out
    assert shown.startswith("training broke off: the loss or its gradient is not finite at step ")
    assert "critical: non_finite\n" in shown


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_damaged_diagnosis(command: Command, options: tuple[str, ...]) -> None:
    Path("run").mkdir()
    Path("run/config.json").write_text("{}")
    Path("run/diagnosis.json").write_text('{"case": {"rows": [')
    code, out, err = command("diagnose", "run", *options)
    assert (code, out) == (1, "")
    assert err.startswith("error: run/diagnosis.json is damaged (")
    assert err.endswith("; train the run again with --overwrite\n")


def test_an_older_run(command: Command) -> None:
    Path("run").mkdir()
    Path("run/config.json").write_text("{}")
    assert "run the same command again" in command("diagnose", "run").err
    Path("run/result.json").write_text("{}")
    assert "an older version of nnatomy" in command("diagnose", "run").err
