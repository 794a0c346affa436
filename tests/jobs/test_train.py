"""The main job from a source to a finished run folder."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

import nnatomy
from jobs.conftest import flawed_rows
from nnatomy.data.table import prepare_table
from nnatomy.data.table_file import ParquetStream
from nnatomy.errors import DataError, RunError, SettingError
from nnatomy.jobs.config import TrainConfig, resolve
from nnatomy.jobs.train import run_training
from nnatomy.report.verify import verify_report
from nnatomy.training.model_file import read_model

FILES = {
    "config.json", "env.json", "data_report.json", "metrics.jsonl", "model.nnatomy",
    "report.html", "result.json", "test_predictions.csv", "diagnosis.json", "ckpt",
}  # fmt: skip


def test_a_run_folder_has_everything(table_run):
    assert {p.name for p in table_run.path.iterdir()} - {"LOCK"} == FILES
    assert verify_report(table_run.report, table_run.path / "test_predictions.csv") == []


def test_a_form_of_a_network_has_a_rate_of_its_own():
    def rate(**settings):
        config = TrainConfig(source="x", network="googlenet", settings=settings)
        return resolve(config, (1, 8, 8), "classification").training.lr

    assert (rate(), rate(batch_norm="false"), rate(batch_norm="no", lr=0.1)) == (0.001, 0.0005, 0.1)


def test_the_figures_follow_from_the_predictions(table_run, regression_run):
    table = pd.read_csv(table_run.path / "test_predictions.csv", keep_default_na=False)
    assert len(table) == table_run.result["splits"]["test"]
    accuracy = accuracy_score(table["truth"], table["prediction"])
    assert table_run.metrics["accuracy"]["value"] == pytest.approx(accuracy)
    table = pd.read_csv(regression_run.path / "test_predictions.csv")
    r2 = r2_score(table["truth"], table["prediction"])
    assert regression_run.metrics["r2"]["value"] == pytest.approx(r2)
    assert table["truth"].between(20, 350).all(), "in the units of the target"


def test_flawed_data_are_learned_and_every_row_is_accounted_for(table_run, flawed_csv):
    report = json.loads((table_run.path / "data_report.json").read_text())
    assert report["read"] == 241
    assert report["used"] == 240
    [rejected] = report["rejected"]
    assert rejected["line"] == 242
    assert table_run.result["classes"] == ["=yes", "NA"], "labels stay as they are"
    kinds = {c["name"]: c["kind"] for c in report["columns"]}
    assert kinds["plz"] == "category"
    assert kinds["id"] == "id"
    assert kinds["constant"] == "constant"
    majority = table_run.result["baseline"]["majority"]["accuracy"]["value"]
    assert table_run.metrics["accuracy"]["low"] > majority


def test_baselines_stand_beside_the_network(table_run, regression_run):
    assert set(table_run.result["baseline"]) == {"majority", "logistic", "boosting"}
    assert set(regression_run.result["baseline"]) == {"mean", "ridge", "boosting"}
    assert regression_run.result["baseline"]["mean"]["r2"]["value"] == pytest.approx(0, abs=0.15)
    for run in (table_run, regression_run):
        assert run.result["verdict"]["outcome"] in ("wins", "ties", "loses")


def test_the_same_call_reads_the_finished_run_back(flawed_csv, table_run):
    said = []
    config = TrainConfig.from_json(json.loads((table_run.path / "config.json").read_text()))
    again = run_training(config, out=table_run.path, say=said.append)
    assert again.result == table_run.result
    assert "finished" in said[0]


def test_two_runs_give_the_same_model_to_the_byte(flawed_csv, table_run, tmp_path):
    settings = {"hidden": "16", "epochs": 60, "lr": 0.01}
    again = nnatomy.train(flawed_csv, "answer", settings=settings, out=tmp_path / "again")
    assert (again.path / "model.nnatomy").read_bytes() == (
        table_run.path / "model.nnatomy"
    ).read_bytes()
    assert again.metrics == table_run.metrics


def test_other_settings_are_refused_in_the_same_folder(table_run, flawed_csv):
    with pytest.raises(RunError, match=r"settings\.epochs.*--overwrite"):
        nnatomy.train(
            flawed_csv,
            "answer",
            settings={"hidden": "16", "epochs": 61, "lr": 0.01},
            out=table_run.path,
        )


def test_changed_data_are_noticed(tmp_path):
    data = tmp_path / "d.csv"
    frame = pd.DataFrame({"x": np.arange(60) % 7 + 0.5, "y": ["a", "b", "c"] * 20})
    frame.to_csv(data, index=False)
    run = nnatomy.train(data, settings={"epochs": 2}, out=tmp_path / "run")
    (run.path / "result.json").unlink()
    frame.assign(x=frame.x + 1).to_csv(data, index=False)
    with pytest.raises(RunError, match="changed since the run began"):
        nnatomy.train(data, settings={"epochs": 2}, out=tmp_path / "run")


def test_a_finished_run_is_not_read_back_for_other_data_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"x": np.arange(60) % 7 + 0.5, "y": ["a", "b", "c"] * 20})
    run = nnatomy.train(frame, epochs=2)
    assert nnatomy.train(frame.copy(), epochs=2).result == run.result
    other = frame.assign(x=frame.x + 1)
    with pytest.raises(RunError, match="changed since the run began"):
        nnatomy.train(other, epochs=2)
    assert nnatomy.train(other, epochs=2, out="other").path != run.path


def test_the_saved_model_predicts_what_the_run_predicted(image_run, table_run, flawed_csv):
    model = nnatomy.load(table_run.path / "model.nnatomy")
    predictions = model.predict(flawed_csv)
    assert len(predictions) == 240
    assert set(predictions) <= {"=yes", "NA"}
    probabilities = model.predict_proba(flawed_csv)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    digits = nnatomy.load(image_run.path)
    assert digits.predict_proba("digits").shape == (1797, 10)


def test_a_model_file_says_how_it_was_made(table_run):
    facts = nnatomy.inspect(table_run.path / "model.nnatomy")
    assert facts["network"] == "mlp"
    assert facts["network_settings"]["hidden"] == [16]
    assert facts["made"]["config"]["target"] == "answer"
    whole = nnatomy.inspect(table_run.path)
    assert whole["result"]["metrics"] == table_run.metrics


def test_the_model_file_holds_the_weights_of_the_best_epoch(regression_run):
    tensors, _ = read_model(regression_run.path / "model.nnatomy")
    losses = [row["valid_loss"] for row in regression_run.history]
    assert regression_run.result["best_epoch"] == int(np.argmin(losses)) + 1
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_evaluation_on_the_training_source(table_run, flawed_csv):
    result = nnatomy.evaluate(table_run.path, flawed_csv)
    table = nnatomy.load(table_run.path)
    encoded = table.encode(flawed_csv, answers=True)
    predicted = table.predict(flawed_csv)
    assert result["records"] == 240
    assert result["metrics"]["accuracy"]["value"] == pytest.approx(
        accuracy_score(list(encoded.truth), predicted)
    )


def test_evaluation_on_the_training_source_is_marked(table_run, flawed_csv, tmp_path):
    codes = [f["code"] for f in nnatomy.evaluate(table_run.path, flawed_csv)["findings"]]
    assert codes[0] == "trained-on-these"
    other = tmp_path / "other.csv"
    flawed_rows(seed=9).to_csv(other, index=False)
    codes = [f["code"] for f in nnatomy.evaluate(table_run.path, other)["findings"]]
    assert "trained-on-these" not in codes


def test_the_report_of_a_regression_describes_its_target(regression_run):
    page = regression_run.report.read_text(encoding="utf-8")
    values = regression_run.facts["data_report"]["target"]["values"]
    assert "Statistic" in page
    assert set(values) == {"min", "mean", "std", "max"}
    for name in values:
        assert f">{name}<" in page


def test_evaluation_needs_answers(table_run, flawed_csv, tmp_path):
    bare = tmp_path / "bare.csv"
    flawed_rows().drop(columns="answer").to_csv(bare, index=False)
    with pytest.raises(DataError, match="no column 'answer'"):
        nnatomy.evaluate(table_run.path, bare)
    assert len(nnatomy.load(table_run.path).predict(bare)) == 240


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"hiden": 3}}, "did you mean 'hidden'"),
        ({"settings": {"seed": 3}}, "--seed"),
        ({"network": "lenett"}, "did you mean 'lenet'"),
        ({"network": "mlp", "settings": {"channels": 3}}, "unknown"),
        ({"class_weight": "heavy"}, "balanced"),
    ],
)
def test_misspelt_settings_are_refused_before_data_are_read(changes, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        TrainConfig(source="there is no such file", **changes)


def test_a_network_that_cannot_learn_the_task_is_refused():
    with pytest.raises(SettingError, match="cannot learn regression"):
        resolve(TrainConfig(source="x", network="perceptron"), (3,), "regression")
    with pytest.raises(SettingError, match="takes images"):
        nnatomy.models.build_network("lenet", (3,), 2, {})


def test_the_learning_rate_is_searched_on_request(tmp_path):
    run = nnatomy.train("iris", settings={"lr": "auto", "epochs": 30}, out=tmp_path / "auto")
    assert run.result["settings"]["lr"] != 1e-3
    assert run.metrics["accuracy"]["value"] > 0.8


def test_class_weights_balance_the_training(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    y = np.where(x[:, 0] + rng.normal(scale=1.0, size=600) > 1.8, "rare", "common")
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    recall = {}
    for weight in (None, "balanced"):
        run = nnatomy.train(
            frame, "y", settings={"epochs": 30}, class_weight=weight, out=tmp_path / str(weight)
        )
        [rare] = [r for r in run.result["evaluation"]["per_class"] if r["label"] == "rare"]
        recall[weight] = rare["recall"]
    assert recall["balanced"] > recall[None] + 0.1


def test_frames_and_arrays_are_sources_too(tmp_path):
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0, 2.0], 40), "kind": ["a", "b", "c"] * 40})
    run = nnatomy.train(frame, "kind", settings={"epochs": 60, "lr": 0.05}, out=tmp_path / "frame")
    assert run.metrics["accuracy"]["value"] == 1.0
    assert run.predict(frame.head(3)) == ["a", "b", "c"]


def test_usual_settings_have_names_of_their_own(tmp_path):
    run = nnatomy.train(
        "iris", epochs=2, batch_size=50, lr=0.02, optimizer="sgd", out=tmp_path / "r"
    )
    chosen = run.result["settings"]
    assert [chosen[k] for k in ("epochs", "batch_size", "lr", "optimizer")] == [2, 50, 0.02, "sgd"]
    assert {"lr", "optimizer"} <= set(re.findall(r">(\w+)</t", run.report.read_text()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.1}, "did you mean 'lr'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_wrong_names_are_refused_before_data_are_read(settings, message):
    with pytest.raises(SettingError, match=message):
        nnatomy.train("there is no such file", settings=settings)


def test_a_number_written_otherwise_than_in_training_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(50, 10, 80)
    rows = [f"{v:.2f}".replace(".", ",") + f";{'hi' if v > 50 else 'lo'}" for v in x]
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_text("\n".join(["x;y", *rows]) + "\n")
    new.write_text("\n".join(["x;y", *(row.replace(",", ".") for row in rows)]) + "\n")
    run = nnatomy.train(train, "y", epochs=2, out=tmp_path / "run")
    with pytest.raises(DataError, match="no cell of 'x' is a number as it was in training"):
        run.predict(new)
    new.write_text("\n".join(["x;y", ";hi", *(row.replace(",", ".") for row in rows)]) + "\n")
    with pytest.raises(DataError, match="no cell of 'x' is a number as it was in training"):
        run.predict(new)


def test_a_tie_with_the_majority_is_no_praise(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"noise": rng.normal(size=200), "y": ["a", "b"] * 100})
    run = nnatomy.train(frame, "y", epochs=3, out=tmp_path / "run")
    verdict = run.result["verdict"]
    assert verdict["difference"]["low"] <= verdict["difference"]["value"]
    if verdict["against"] == "majority":
        assert verdict["text"].endswith("Nothing that helps was learned from these columns.")


def test_a_run_shows_itself(table_run):
    assert "accuracy" in repr(table_run).lower()
    assert len(table_run._repr_html_()) < 30_000


def test_the_default_folder_depends_on_the_settings_alone():
    first = TrainConfig(source="data/cars.csv", target="mpg")
    assert (
        first.default_folder() == TrainConfig(source="data/cars.csv", target="mpg").default_folder()
    )
    assert first.default_folder() != TrainConfig(source="data/cars.csv", seed=1).default_folder()
    assert first.default_folder().name.startswith("cars-auto-")


def test_a_streamed_table_is_judged_without_reading_it_again_for_each_record(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400), "z": rng.normal(size=400)})
    frame["y"] = np.where(frame.x > 0, "a", "b")
    path = tmp_path / "large.parquet"
    frame.to_parquet(path, row_group_size=50)
    monkeypatch.setitem(prepare_table.__kwdefaults__, "stream_bytes", 0)
    read = []
    monkeypatch.setattr(ParquetStream, "row", counted_calls(ParquetStream.row, read))
    run = nnatomy.train(path, "y", epochs=3, out=tmp_path / "run")
    assert 0 < len(read) <= 2 * 8, "only the examples of the report"
    names = pd.read_csv(run.path / "test_predictions.csv")["name"]
    truth = frame["y"][names.str.removeprefix("row ").astype(int)].tolist()
    assert truth == pd.read_csv(run.path / "test_predictions.csv")["truth"].tolist()


def counted_calls(function, calls):
    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call
