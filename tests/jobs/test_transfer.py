"""Training jobs that start from earlier weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

import nnatomy
from image_folders import write_image
from nnatomy.cli import app
from nnatomy.data.bundled import digits
from nnatomy.data.split import SplitPlan
from nnatomy.errors import DataError, IntegrityError, InterruptedRunError, RunError, SettingError
from nnatomy.jobs import train as train_module
from nnatomy.jobs.config import TrainConfig
from nnatomy.models import resnet18, to_torchvision
from nnatomy.training.model_file import read_model
from nnatomy.training.observers import Observer
from nnatomy.training.transfer import IMAGENET

NETWORK = {"network": "resnet18", "epochs": 1, "batch_size": 32}


def some_digits(*numbers, count=16, floats=False):
    images, labels = digits()
    rows = np.concatenate([np.flatnonzero(labels == n)[:count] for n in numbers])
    pixels = (images[rows].astype(np.uint8) * 15).reshape(len(rows), 8, 8)
    return (pixels / 255.0 if floats else pixels), np.array([f"n{n}" for n in labels[rows]])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run on four digits."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return nnatomy.train(some_digits(0, 1, 2, 3), settings={"width": 4}, out=out, **NETWORK)


def tensors_of(run):
    return read_model(run.path / "model.nnatomy")[0]


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    """Another three digits, with the features of the first run frozen but for the last part."""
    out = tmp_path_factory.mktemp("runs") / "second"
    frozen = "features.conv1,features.bn1,features.layer1"
    said = []
    config = TrainConfig(
        some_digits(7, 8, 9),
        settings={"epochs": 3, "freeze": frozen, "warm_up": 1, "earlier_rate": 0.4, "lr": 0.01},
        start=str(first.path),
        split=SplitPlan(valid=0),  # the weights of the last epoch, not of one of warming up
    )
    return train_module.run_training(config, out=out, say=said.append), said


def test_the_network_its_settings_and_its_features_come_from_the_run(first, second):
    run, _ = second
    assert run.result["network"] == "resnet18"
    assert run.result["settings"]["width"] == 4
    assert run.result["settings"]["stem"] == "small"
    assert run.result["classes"] == ["n7", "n8", "n9"]
    before, after = tensors_of(first), tensors_of(run)
    frozen = ("features.conv1.", "features.bn1.", "features.layer1.")
    for name, value in before.items():
        if name.startswith(frozen):
            assert torch.equal(after[name], value), name
    assert not torch.equal(
        before["features.layer4.1.conv2.weight"], after["features.layer4.1.conv2.weight"]
    )


def test_pixels_mean_what_they_meant(first, second):
    codecs = [read_model(r.path / "model.nnatomy")[1]["codec"] for r in (first, second[0])]
    assert codecs[0]["mean"] == codecs[1]["mean"]
    assert codecs[0]["std"] == codecs[1]["std"]
    assert codecs[0]["task"]["classes"] != codecs[1]["task"]["classes"]


def test_what_was_taken_over_is_said_and_stands_in_every_file(first, second):
    run, said = second
    digest = hashlib.sha256((first.path / "model.nnatomy").read_bytes()).hexdigest()
    [line] = [line for line in said if line.startswith("starting from")]
    assert f"starting from {first.path} (sha256 {digest[:12]}): 120 of 122 tensors" in line
    assert "new: head.weight, head.bias (answers other classes)" in line
    assert line.endswith("normalized by the mean and spread of the images they were learned from")
    record = run.result["start"]
    assert (record["from"], record["sha256"]) == (str(first.path), digest)
    assert record == json.loads((run.path / "transfer.json").read_text())
    facts = read_model(run.path / "model.nnatomy")[1]
    assert facts["made"]["start"] == record
    assert facts["made"]["config"]["start"] == str(first.path)
    assert facts["made"]["training"]["freeze"][0] == "features.conv1"
    page = run.report.read_text()
    for words in ("Weights it started from", digest, "head.weight, head.bias", "120 of 122"):
        assert words in page
    assert json.loads((run.path / "config.json").read_text())["start"] == str(first.path)


def test_wanted_freezing_is_no_illness(second):
    assert "frozen_parameters" not in {finding["check"] for finding in second[0].result["findings"]}
    assert "frozen_parameters" not in {f.check for f in nnatomy.findings(second[0].path)}


def test_the_same_classes_keep_the_head(first, tmp_path):
    """Without an epoch the network answers as before."""
    data = some_digits(0, 1, 2, 3)
    run = nnatomy.train(data, start=first.path, epochs=0, out=tmp_path / "run")
    assert run.result["start"]["new"] == []
    assert run.result["start"]["reasons"] == ["the head too: the classes are the same"]
    images = data[0]
    np.testing.assert_array_equal(
        run.model.predict_proba(images), first.model.predict_proba(images)
    )


def test_a_file_in_torchvisions_format(tmp_path):
    torch.manual_seed(0)
    before = resnet18(5, stem="small", width=4)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(to_torchvision(before), path)
    settings = {"width": 4, "freeze": ("features",)}
    run = nnatomy.train(
        some_digits(7, 8, 9), settings=settings, start=path, out=tmp_path / "run", **NETWORK
    )
    after, facts = read_model(run.path / "model.nnatomy")
    assert facts["codec"]["channels"] == 3, "grey images are given to weights for color as such"
    assert facts["codec"]["mean"] == list(IMAGENET.mean)
    assert facts["codec"]["std"] == list(IMAGENET.std)
    for name, value in before.features.state_dict().items():
        assert torch.equal(after[f"features.{name}"], value), name
    assert run.result["start"]["format"] == "torchvision"
    words = "pixels are normalized by ImageNet's mean and spread, as these weights expect"
    assert run.result["start"]["inputs"] == words


def test_weights_for_grey_images_in_torchvisions_format(tmp_path):
    torch.manual_seed(0)
    network = resnet18(5, 1, stem="small", width=4)
    torch.save(to_torchvision(network), tmp_path / "grey.pth")
    settings = {"stem": "small", "width": 4}
    path = tmp_path / "grey.safetensors"
    nnatomy.import_weights(tmp_path / "grey.pth", "resnet18", out=path, settings=settings)
    said = []
    config = TrainConfig(
        some_digits(0, 1), network="resnet18", start=str(path), settings={**settings, "epochs": 1}
    )
    run = train_module.run_training(config, out=tmp_path / "run", say=said.append)
    codec = read_model(run.path / "model.nnatomy")[1]["codec"]
    assert codec["channels"] == len(codec["mean"]) == 1
    assert any("normalized by their own mean and spread" in line for line in said)
    color = some_digits(0, 1)[0][..., None].repeat(3, axis=3)
    assert train_module._read(
        replace(config, source=(color, some_digits(0, 1)[1])),
        None,
        train_module.start_for(config.start, config.network),
    ).input_shape == (1, 8, 8)


def test_sixteen_bits_are_as_bright_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    for folder, brightest in (("bright", 4096), ("dark", 1500)):
        for label in "ab":
            for i in range(15):
                pixels = rng.integers(0, brightest, (8, 8)).astype(np.uint16)
                write_image(tmp_path / folder / label / f"{i}.png", pixels)
    job = {"network": "lenet", "epochs": 1}
    first = nnatomy.train(tmp_path / "bright", out=tmp_path / "first", **job)
    second = nnatomy.train(tmp_path / "dark", start=first.path, out=tmp_path / "second", epochs=1)
    codecs = [read_model(run.path / "model.nnatomy")[1]["codec"] for run in (first, second)]
    assert [codec["white"] for codec in codecs] == [4095, 4095]
    assert codecs[0]["mean"] == codecs[1]["mean"]


def test_a_run_that_was_killed_while_warming_up_goes_on_to_the_same_bytes(
    first, tmp_path, monkeypatch
):
    monkeypatch.setattr(train_module, "_CHECKPOINT_SECONDS", 0.0)
    settings = {"epochs": 3, "warm_up": 2, "earlier_rate": 0.5, "batch_size": 8}
    job = {"source": some_digits(7, 8, 9), "settings": settings, "start": first.path}

    class Killed(BaseException):
        pass

    class Killer(Observer):
        def on_step(self, session):
            if session.step == 6:
                raise Killed

    with pytest.raises(Killed):
        nnatomy.train(**job, out=tmp_path / "killed", observers=[Killer()])
    assert not (tmp_path / "killed" / "result.json").exists()
    again = nnatomy.train(**job, out=tmp_path / "killed")
    whole = nnatomy.train(**job, out=tmp_path / "whole")
    ours, theirs = tensors_of(again), tensors_of(whole)
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_weights_that_changed_meanwhile(first, tmp_path):
    copy = tmp_path / "weights.nnatomy"
    shutil.copy(first.path / "model.nnatomy", copy)
    job = {"source": some_digits(7, 8, 9), "start": copy, "out": tmp_path / "run", "epochs": 2}

    class Stopper(Observer):
        def on_step(self, session):
            raise InterruptedRunError("stop", 2)

    with pytest.raises(InterruptedRunError):
        nnatomy.train(**job, observers=[Stopper()])
    shutil.copy(tmp_path / "run" / "transfer.json", tmp_path / "kept.json")
    other = json.loads((tmp_path / "kept.json").read_text()) | {"sha256": "0" * 64}
    (tmp_path / "run" / "transfer.json").write_text(json.dumps(other))
    with pytest.raises(RunError, match="have changed since the run in"):
        nnatomy.train(**job)


# -- mistakes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"width": 8}}, "'features.conv1.weight' is 4×1×3×3 there and 8×1×3×3 here"),
        ({"network": "resnet34"}, "'features."),
        ({"settings": {"freeze": "features.layer9"}}, "there is no part 'features.layer9'"),
        ({"settings": {"freeze": "features,head"}}, "leaves nothing to train"),
        ({"images": nnatomy.data.images.ImageSettings(channels=3)}, "4×1×3×3 there and 4×3×3×3"),
        ({"start": "gone"}, "gone: there is no such run folder or file of weights"),
        ({"heal": True}, "leave out --heal or --from"),
    ],
)
def test_mistakes_get_one_error_and_leave_nothing_behind(first, tmp_path, change, words):
    job = {"source": some_digits(7, 8, 9), "start": first.path, **change}
    with pytest.raises(SettingError) as caught:
        nnatomy.train(**job, out=tmp_path / "runs" / "run")
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_leaves_nothing_behind(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    with pytest.raises(IntegrityError, match="damaged"):
        nnatomy.train(some_digits(7, 8, 9), start=path, out=tmp_path / "run", **NETWORK)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_data_of_another_kind(first, tmp_path):
    with pytest.raises(DataError, match="the images hold floats"):
        nnatomy.train(some_digits(7, 8, 9, floats=True), start=first.path, out=tmp_path / "run")
    with pytest.raises(SettingError, match="iris is a table, which the earlier network did not"):
        nnatomy.train("iris", start=first.path, out=tmp_path / "run")


def test_weights_of_unknown_kind_need_a_network(tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"fc.weight": torch.ones(2)}, path)
    with pytest.raises(SettingError, match="does not say what network it is of: add --network"):
        nnatomy.train(some_digits(7, 8), start=path, out=tmp_path / "run")
    with pytest.raises(SettingError, match="is of a network for images, not of mlp"):
        nnatomy.train(some_digits(7, 8), start=path, network="mlp", out=tmp_path / "run")


@pytest.mark.parametrize("name", ["freeze", "warm_up", "earlier_rate"])
def test_parts_have_a_meaning_for_trained_weights_only(name):
    value = {"freeze": "features", "warm_up": 1, "earlier_rate": 0.5}[name]
    with pytest.raises(SettingError, match="name them with --from"):
        TrainConfig("iris", settings={name: value})


def test_on_the_command_line(first, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["nnatomy", "train", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code, *capsys.readouterr()

    options = ("--freeze", "features.conv1", "--freeze", "features.layer1", "--warm-up", 1)
    code, out, err = run(
        *("digits", "--from", first.path, *options, "--earlier-rate", 0.4, "--epochs", 2),
        *("--out", "run", "--json", "--quiet"),
    )
    assert code == 0
    result = json.loads(out)
    assert result["settings"]["freeze"] == ["features.conv1", "features.layer1"]
    assert f"--from {first.path}" in result["command"]
    assert "--set freeze=features.conv1,features.layer1" in result["command"]
    assert "starting from" in err
    code, out, err = run("digits", "--freeze", "features")
    assert (code, out) == (2, "")
    assert err == (
        "error: freeze is for a network that starts from trained weights: name them with --from "
        "(start= in Python)\n"
    )


# -- tables


def rows(count=60, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(shift, 1, count), "b": rng.normal(size=count)})
    frame["c"] = rng.choice(["u", "v"], count)
    frame["y"] = np.where(frame.a + frame.b > shift, "p", "q")
    return frame


@pytest.fixture(scope="module")
def table_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "table"
    return nnatomy.train(rows(), "y", settings={"hidden": "5", "epochs": 5}, out=out)


def test_a_table_with_the_same_columns_is_coded_as_before(table_run, tmp_path):
    other = rows(seed=1, shift=3.0)
    other["y"] = other["y"].map({"p": "high", "q": "low"})
    run = nnatomy.train(
        other[["c", "y", "b", "a"]],
        "y",
        settings={"freeze": "features", "epochs": 2},
        start=table_run.path,
        out=tmp_path / "run",
    )
    before, after = (read_model(r.path / "model.nnatomy") for r in (table_run, run))
    assert after[1]["codec"]["encoder"] == before[1]["codec"]["encoder"]
    assert after[1]["codec"]["task"]["classes"] == ["high", "low"]
    assert torch.equal(after[0]["features.0.weight"], before[0]["features.0.weight"])
    assert run.result["start"]["inputs"] == "columns are coded as for these weights"
    assert len(run.predict(other)) == len(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="b"), "was fed the column 'b', which is not there"),
        (lambda t: t.assign(d=t.a * t.b), "was not fed the column 'd': leave it out"),
        (lambda t: t.assign(b=np.where(t.b > 0, "x", "z")), "--kind b=number"),
    ],
)
def test_other_columns_are_an_error(table_run, tmp_path, change, words):
    with pytest.raises(DataError) as caught:
        nnatomy.train(change(rows(seed=1)), "y", start=table_run.path, out=tmp_path / "run")
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_regression_learns_its_last_layer_anew(tmp_path):
    frame = rows().assign(y=lambda f: f.a * 2 + f.b)
    first = nnatomy.train(frame, "y", settings={"hidden": "5"}, epochs=2, out=tmp_path / "first")
    run = nnatomy.train(frame, "y", start=first.path, epochs=1, out=tmp_path / "run")
    assert run.result["start"]["new"] == ["head.weight", "head.bias"]
    assert run.result["start"]["reasons"] == ["the last layer of a regression"]
