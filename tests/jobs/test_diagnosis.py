"""A run is watched, keeps what was measured, and says what is wrong with it."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

import nnatomy
from nnatomy.diagnose import Case, findings_of
from nnatomy.diagnose.checks.catalog import CHECKS
from nnatomy.diagnose.probe import Probe
from nnatomy.errors import IntegrityError, NonFiniteError, RunError
from nnatomy.jobs import train as job
from nnatomy.jobs.diagnosis import FILE, read_case
from nnatomy.models import MLP
from nnatomy.report.build import build_document
from nnatomy.report.facts import read_facts
from nnatomy.report.html import render_html
from nnatomy.training.checkpoint import load_latest
from nnatomy.training.checkpointing import Checkpointer
from nnatomy.training.fit import fit
from nnatomy.training.observers import Observer
from nnatomy.training.settings import Settings
from small_run import data_of, network_of


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return nnatomy.train("iris", out=tmp_path_factory.mktemp("d") / "ok")


@pytest.fixture(scope="module")
def hot(tmp_path_factory):
    out = tmp_path_factory.mktemp("d") / "hot"
    return nnatomy.train("iris", lr=5.0, batch_size=16, epochs=8, out=out)


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    out = tmp_path_factory.mktemp("d") / "failed"
    with pytest.raises(NonFiniteError, match=f"not finite at step .* nnatomy diagnose {out}"):
        nnatomy.train("diabetes", optimizer="sgd", lr=1e10, out=out)
    return out


def test_a_healthy_run_has_no_findings(healthy):
    assert nnatomy.findings(healthy.path) == []
    assert healthy.result["findings"] == []
    case = read_case(healthy.path)
    assert case.rows
    assert case.history == healthy.history
    assert case.settings["steps"] == case.history[-1]["step"]


def test_findings_are_in_the_result_the_file_and_the_report(hot):
    found = nnatomy.findings(str(hot.path))
    assert found[0].check == "learning_rate_too_high"
    content = json.loads((hot.path / FILE).read_text())
    assert content["findings"] == [json.loads(json.dumps(f.to_json())) for f in found]
    assert [entry["check"] for entry in hot.result["findings"]] == [f.check for f in found]
    first = {"check", "severity", "cause", "symptom", "remedy", "lecture"}
    assert set(hot.result["findings"][0]) == first
    page = hot.report.read_text(encoding="utf-8")
    assert 'id="health"' in page
    assert "learning rate too high" in page


def test_the_report_written_again_is_the_same_page(hot):
    facts = read_facts(hot.path)
    assert render_html(build_document(facts), facts) == hot.report.read_text(encoding="utf-8")


def test_a_run_that_breaks_off_is_diagnosed(failed):
    assert not (failed / "result.json").exists()
    case = read_case(failed)
    assert case.failure.startswith("the loss or its gradient is not finite at step ")
    checks = {finding.check: finding for finding in nnatomy.findings(failed)}
    assert checks["non_finite"].cause == "learning_rate_too_high"


def test_a_diagnosis_that_cannot_be_written_does_not_hide_why(tmp_path, monkeypatch):
    def full(path, content):
        raise RunError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(job, "write_diagnosis", full)
    with pytest.raises(NonFiniteError):
        nnatomy.train("diabetes", optimizer="sgd", lr=1e10, out=tmp_path / "run")


def test_overwriting_a_failed_run_heals_its_diagnosis(failed, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(NonFiniteError):
        nnatomy.train("diabetes", optimizer="sgd", lr=1e10, out=out)
    nnatomy.train("diabetes", optimizer="sgd", lr=1e-3, epochs=3, out=out, overwrite=True)
    assert read_case(out).failure == ""


def test_numbers_that_are_not_finite_come_back(healthy, tmp_path):
    content = json.loads((healthy.path / FILE).read_text())
    content["case"]["rows"][0]["norm"] = "nan"
    content["case"]["facts"]["input_rms"] = "inf"
    for name in ("config.json", FILE):
        (tmp_path / name).write_text(json.dumps(content))
    case = read_case(tmp_path)
    assert math.isnan(case.rows[0]["norm"])
    assert case.facts["input_rms"] == math.inf
    assert nnatomy.findings(tmp_path)[0].check == "inputs_not_scaled"


def test_folders_without_a_diagnosis_say_what_to_do(healthy, tmp_path):
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RunError, match="is no run folder"):
            nnatomy.findings(folder)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="not come to an end; run the same command again"):
        nnatomy.findings(tmp_path)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(RunError, match=r"older version .* train it again with --overwrite"):
        nnatomy.findings(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "[]",
        lambda _: "{}",
        lambda text: text.replace('"rows"', '"cows"'),
        lambda text: text.replace('"rows":[', '"rows":[3,'),
        lambda text: text.replace('"fan_in"', '"fan"'),
        lambda _: '{"case": 3}',
    ],
)
def test_a_damaged_file_is_refused(healthy, tmp_path, damage):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / FILE).write_text(damage((healthy.path / FILE).read_text()))
    with pytest.raises(IntegrityError, match=r"diagnosis\.json is damaged .*--overwrite"):
        nnatomy.findings(tmp_path)


def test_an_older_run_has_a_report_without_health(healthy, tmp_path):
    result = {k: v for k, v in healthy.result.items() if k != "findings"}
    (tmp_path / "result.json").write_text(json.dumps(result))
    facts = read_facts(tmp_path)
    assert "health" not in facts
    assert 'id="health"' not in render_html(build_document(facts), facts)


NETWORKS = [
    lambda: network_of(3),  # with dropout and batch normalization: by autograd
    lambda: MLP(6, 3, hidden=(8, 8)),  # in compiled steps
]


def bits(network):
    return [tensor.numpy().tobytes() for tensor in network.state_dict().values()]


def trained(build, observers, **rest):
    torch.manual_seed(5)
    network = build()
    settings = Settings(epochs=12, batch_size=8, lr=0.01, seed=3, threads=1)
    return fit(
        network, data_of(40, 1), data_of(20, 2), settings=settings, observers=observers, **rest
    )


@pytest.mark.parametrize("build", NETWORKS)
def test_a_watched_run_is_the_same_run(build):
    plain, watched = trained(build, []), trained(build, [Probe()])
    assert bits(plain.network) == bits(watched.network)
    assert [row["loss"] for row in plain.history] == [row["loss"] for row in watched.history]
    assert len(watched.probed) > 5


class Blind(Probe):
    def next_look(self, step):
        return None

    def on_step(self, session):
        pass


def test_a_watched_job_writes_the_same_model(tmp_path, monkeypatch):
    models = []
    for watch in (Probe, Blind):
        monkeypatch.setattr(job, "Probe", watch)
        run = nnatomy.train("iris", epochs=9, settings={"dropout": 0.2}, out=tmp_path / str(watch))
        models.append((run.path / "model.nnatomy").read_bytes())
    assert models[0] == models[1]


@pytest.mark.parametrize("build", NETWORKS)
def test_a_run_that_goes_on_has_the_same_rows(build):
    """Also from the step before a measurement, whose gradient is compared with the next one."""
    whole = trained(build, [Probe()])
    assert all(row["cosine"] is not None for row in whole.probed[1:])
    for step in range(1, 60, 3):
        halt = Halt(step)
        state = trained(build, [Probe(), halt], stop=halt).capture()
        again = trained(build, [Probe()], state=state)
        assert bits(again.network) == bits(whole.network)
        assert again.probed == whole.probed


class Halt(Observer):
    """Asks for a stop after a step."""

    def __init__(self, after):
        self.after, self.due = after, False

    def on_step(self, session):
        self.due = session.step >= self.after

    def __call__(self):
        return self.due


def test_a_killed_job_keeps_its_rows(tmp_path, monkeypatch):
    """Every checkpoint has the rows up to its step: the run goes on from any of them."""
    frame = pd.DataFrame({"x": np.linspace(-1, 1, 200)})
    frame["y"] = np.where(frame.x > 0.1, "a", "b")
    arguments = {"epochs": 12, "batch_size": 8, "settings": {"patience": "none"}}
    whole = nnatomy.train(frame, "y", out=tmp_path / "whole", **arguments)
    out = tmp_path / "killed"
    monkeypatch.setattr(job, "Checkpointer", EveryStep)
    with pytest.raises(KilledError):
        nnatomy.train(frame, "y", out=out, observers=[Kill(150)], **arguments)
    monkeypatch.undo()
    state, _ = load_latest(out / "ckpt")
    rows = read_case(whole.path).rows
    assert [row["step"] for row in state.values["probed"]] == [
        row["step"] for row in rows if row["step"] <= state.values["step"]
    ]
    again = nnatomy.train(frame, "y", out=out, **arguments)
    assert read_case(again.path).rows == rows
    assert (again.path / "model.nnatomy").read_bytes() == (
        whole.path / "model.nnatomy"
    ).read_bytes()


class KilledError(Exception):
    pass


class Kill(Observer):
    def __init__(self, step):
        self.step = step

    def on_step(self, session):
        if session.step >= self.step:
            raise KilledError


class EveryStep(Checkpointer):
    def __init__(self, folder, *, every_seconds, stop):
        super().__init__(folder, every_steps=1, stop=stop)


def test_the_file_holds_a_case(hot):
    content = json.loads((hot.path / FILE).read_text())
    assert findings_of(Case.from_json(content["case"])) == nnatomy.findings(hot.path)
    assert {finding["check"] for finding in content["findings"]} <= set(CHECKS)
