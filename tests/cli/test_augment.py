"""nnatomy augment, and --augment of train and compare."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Command
from image_folders import class_folder
from nnatomy.data.augmentation import augment_images, augmentation_from
from nnatomy.data.images import ImageSettings
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.jobs.augmentation_sheet import augment, one_of_each

SMALL = ("--network", "lenet", "--set", "channels=4", "--set", "hidden=8")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("photos"), {"cat": 20, "dog": 20}, (8, 8, 3))


def test_a_picture_is_written_and_described(command: Command, photos: Path) -> None:
    code, out, err = command("augment", photos, "--augment", "strong,noise=0", "--out", "a/b.png")
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "images    6 of 8 × 8 × 3, each in 7 versions"
    with Image.open("a/b.png") as picture:
        assert min(picture.size) > 600
        assert len(np.unique(np.asarray(picture))) > 100


def test_json_names_records_and_labels(command: Command, photos: Path) -> None:
    code, out, _ = command(
        "augment", photos, "--preset", "light", "--count", 3, "--versions", 2, "--json"
    )
    assert code == 0
    facts = json.loads(out)
    assert facts["augment"] == "light"
    assert facts["labels"] == ["cat", "dog", "cat"]
    assert (facts["versions"], facts["size"]) == (2, [8, 8, 3])
    assert Path(facts["picture"]).exists()


def test_the_sheet_is_what_training_sees(photos: Path) -> None:
    sheet = augment(photos, "standard", count=4, versions=3, seed=5)
    prepared = prepare(
        photos,
        target=None,
        task=None,
        kinds={},
        plan=SplitPlan(seed=5),
        images=ImageSettings(),
        scratch=None,
    )
    images = next(prepared.train.batches(None, 100)).inputs[list(sheet.records)]
    shown = augment_images(images, augmentation_from("standard"), sheet.records, seed=5, epoch=2)
    normalizer = prepared.codec.normalizer  # type: ignore[attr-defined]
    pixels = shown.permute(0, 2, 3, 1).numpy() * normalizer.std + np.array(normalizer.mean)
    assert np.abs(sheet.versions[:, 2] - pixels).max() < 1e-6
    originals = images.permute(0, 2, 3, 1).numpy() * normalizer.std + np.array(normalizer.mean)
    assert np.abs(sheet.originals - originals).max() < 1e-6


def test_images_of_all_classes_come_first() -> None:
    assert one_of_each(np.array([1, 1, 1, 0, 2, 0]), 4).tolist() == [3, 0, 4, 5]
    assert one_of_each(np.zeros((3, 1)), 5).tolist() == [0, 1, 2]


def test_flipped_characters_are_mentioned(command: Command) -> None:
    code, _, err = command("augment", "digits", "--augment", "standard", "--count", 1)
    assert code == 0
    assert "--augment characters does not flip" in err
    assert command("augment", "digits", "--augment", "characters").err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("iris",), "augment varies images, and the data are a table: leave it out"),
        (("digits", "--augment", "standart"), "did you mean 'standard'?"),
        (("digits", "--augment", "rotat=3"), "did you mean 'rotate'?"),
        (("digits", "--count", 0), "count is from 1 to 64, got 0"),
        (("digits", "--out", "x.jpg"), "did you mean '.png'?"),
    ],
)
def test_mistakes(command: Command, words: tuple[object, ...], message: str) -> None:
    code, out, err = command("augment", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_train_records_how_images_were_varied(command: Command, photos: Path) -> None:
    words = ("train", photos, *SMALL, "--epochs", 2, "--seed", 4)
    code, out, err = command(*words, "--augment", "standard,rotate=5", "--out", "run", "--json")
    assert code == 0
    assert "training images are varied in every epoch: flip=0.5,rotate=5,shift=0.125" in err
    result = json.loads(out)
    assert result["augment"] == "flip=0.5,rotate=5,shift=0.125"
    assert "--augment flip=0.5,rotate=5,shift=0.125" in result["command"]
    asked = json.loads(Path("run/config.json").read_text())
    assert asked["augment"]["rotate"] == 5.0
    report = Path("run/report.html").read_text()
    assert "Training loss of varied images" in report
    assert "Flipped characters" not in report
    again = command("train", "--config", "run/config.json", "--out", "again", "--json", "--quiet")
    assert json.loads(again.out)["model_sha256"] == result["model_sha256"]
    plain = command(*words, "--out", "plain", "--json", "--quiet")
    assert json.loads(plain.out)["model_sha256"] != result["model_sha256"]


def test_train_on_a_table_leaves_no_folder(command: Command) -> None:
    code, _, err = command("train", "iris", "--augment", "light", "--out", "run")
    assert code == 2
    assert "augment varies images" in err
    assert not Path("run").exists()


def test_none_is_as_if_nothing_was_said(command: Command, photos: Path) -> None:
    words = ("train", photos, *SMALL, "--epochs", 1, "--out", "run", "--quiet", "--json")
    assert json.loads(command(*words, "--augment", "none").out)["augment"] is None
    assert "holds the finished run" in command(*words).err


def test_augmentations_are_compared(command: Command, photos: Path) -> None:
    words = ("compare", photos, *SMALL, "--epochs", 2, "--out", "both", "--quiet", "--json")
    code, out, _ = command(*words, "--over", "augment=none/standard", "--class-weight", "balanced")
    assert code == 0
    rows = {run["settings"]["augment"]: run for run in json.loads(out)["runs"]}
    assert set(rows) == {"none", "standard"}
    assert rows["none"]["history"][0]["loss"] != rows["standard"]["history"][0]["loss"]
    code, _, err = command(
        "compare", photos, "--augment", "light", "--over", "augment=none/standard"
    )
    assert code == 2
    assert "'augment' is both varied and set" in err
