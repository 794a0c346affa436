"""The image estimator: every kind of source gives the same network; each fault is named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score

from image_folders import noise, write_image
from nnatomy.errors import DataError, SettingError
from nnatomy.estimators import pictures
from nnatomy.estimators.image import ImageClassifier

SMALL = {"channels": (4,), "hidden": 8, "dropout": 0.0}
NAMES = np.array(["dark", "light"])


def shaded(count: int, shape: tuple[int, ...] = (6, 8, 3)) -> tuple[np.ndarray, np.ndarray]:
    """Noise, darkened for every other image."""
    images = np.stack([noise(i, shape) for i in range(count)])
    images[::2] //= 3
    return images, NAMES[np.arange(count) % 2]


def small(**parameters) -> ImageClassifier:
    parameters = {"epochs": 12, "lr": 0.02, "batch_size": 8, "random_state": 0, **parameters}
    return ImageClassifier("lenet", SMALL, **parameters)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("shades")
    for i, (image, name) in enumerate(zip(*shaded(24), strict=True)):
        write_image(root / name / f"{i}.png", image)
    return root


@pytest.fixture(scope="module")
def ordered() -> tuple[np.ndarray, np.ndarray]:
    """The images of the folder in its order: class by class, by number."""
    images, labels = shaded(24)
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def test_every_kind_of_source_gives_the_same_network(folder, ordered):
    images, labels = ordered
    paths = [folder / name / f"{i}.png" for i, name in enumerate(NAMES.tolist() * 12)]
    paths = [path for name in NAMES for path in paths if path.parent.name == name]
    expected = small().fit(images, labels).predict_proba(images)
    assert (NAMES[expected.argmax(1)] == labels).all()
    listed = "path,label\n" + "\n".join(f"{p.relative_to(folder)},{p.parent.name}" for p in paths)
    (folder / "list.csv").write_text(listed)
    sources = [
        (images.transpose(0, 3, 1, 2), labels),
        (torch.from_numpy(images.copy()), list(labels)),
        (images.astype(int), pd.Series(labels)),
        (paths, labels),
        ([str(path) for path in paths], labels),
        (np.array([str(path) for path in paths]), labels),
        (pd.Series([str(path) for path in paths]), labels),
        (str(folder), None),
        (folder / "list.csv", None),
    ]
    for source, answers in sources:
        network = small().fit(source, answers)
        np.testing.assert_array_equal(network.predict_proba(images), expected)
        np.testing.assert_array_equal(network.predict_proba(source), expected)
        assert network.score(source, answers) == 1.0
        assert network.classes_.tolist() == ["dark", "light"]
    (folder / "list.csv").unlink()


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (1, 6, 8)])
def test_grey_images(shape):
    images, labels = shaded(16, (6, 8))
    network = small().fit(images.reshape(16, *shape), labels)
    assert network.codec_.framing.shape == (6, 8, 1)
    expected = small().fit(images, labels).predict_proba(images)
    np.testing.assert_array_equal(network.predict_proba(images.reshape(16, *shape)), expected)


def test_an_axis_of_channels_at_both_ends_is_the_last():
    images, labels = shaded(16, (3, 8, 3))
    assert small().fit(images, labels).codec_.framing.shape == (3, 8, 3)


def test_floats_keep_their_scale():
    images, labels = shaded(16, (6, 8))
    network = small().fit(images / 255.0, labels)
    assert network.score(images / 255.0, labels) == 1.0
    with pytest.raises(DataError, match="bytes, the network was trained on floats"):
        network.predict(images)


def test_test_folders_are_not_learned_from(folder, tmp_path):
    for part in ("train", "test"):
        for name in NAMES:
            (tmp_path / part / name).mkdir(parents=True)
            for i, path in enumerate(sorted((folder / name).iterdir())):
                if (i < 6) == (part == "test"):
                    (tmp_path / part / name / path.name).write_bytes(path.read_bytes())
    whole = small().fit(tmp_path)
    part = small().fit(tmp_path / "train")
    np.testing.assert_array_equal(whole.predict_proba(folder), part.predict_proba(folder))
    assert whole.score(tmp_path / "test") == 1.0


def test_settings_are_those_of_the_catalog():
    images, labels = shaded(12)
    network = ImageClassifier(network_settings=SMALL, random_state=0).fit(images, labels)
    rates = [row["lr"] for row in network.history_]
    assert network.n_iter_ == 30
    assert max(rates) == pytest.approx(0.005, rel=0.02)
    assert rates[0] < rates[9] > rates[-1]
    plain = ImageClassifier("mlp", {"hidden": (5,)}, epochs=2, random_state=0).fit(images, labels)
    assert [row["lr"] for row in plain.history_] == [0.001, 0.001]
    assert plain.network_.head.in_features == 5


def test_the_perceptron_is_a_network_of_images_too():
    images, labels = shaded(20, (6, 8))
    network = ImageClassifier("perceptron", random_state=0).fit(images, labels)
    assert network.score(images, labels) == 1.0
    assert set(np.unique(network.predict_proba(images))) == {0.0, 1.0}


def test_early_stopping_keeps_the_epoch_of_the_lowest_loss():
    digits = load_digits()
    images, labels = digits.images[:200], digits.target[:200]
    network = small(early_stopping=True, n_iter_no_change=3, epochs=60, schedule="constant")
    network.fit(images, labels)
    losses = [row["valid_loss"] for row in network.history_]
    assert network.n_iter_ < 60
    assert len(network.validation_scores_) == network.n_iter_
    best = int(np.argmin(losses)) + 1
    short = clone(network).set_params(epochs=best, n_iter_no_change=None).fit(images, labels)
    np.testing.assert_array_equal(short.predict_proba(images), network.predict_proba(images))


def test_digits_are_learned():
    digits = load_digits()
    network = ImageClassifier(
        network_settings={"channels": (16, 32), "hidden": 64}, epochs=15, random_state=0
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(network, digits.images[:800], digits.target[:800], cv=folds)
    assert scores.mean() > 0.96


def test_files_read_while_training_give_the_same_network(folder, monkeypatch):
    expected = small(early_stopping=True).fit(folder).predict_proba(folder)
    monkeypatch.setattr(pictures, "MEMORY_LIMIT", 0)
    streamed = small(early_stopping=True).fit(folder)
    np.testing.assert_array_equal(streamed.predict_proba(folder), expected)


def test_size_is_kept_for_later_images():
    images, labels = shaded(16)
    network = small(image_size=(4, 5)).fit(images, labels)
    assert network.codec_.framing.shape == (4, 5, 3)
    larger, names = shaded(16, (24, 32, 3))
    assert network.score(larger, names) > 0.8


def test_random_state_alone_decides_and_copies_are_equal():
    images, labels = shaded(16)
    network = small(epochs=2).fit(images, labels)
    expected = network.predict_proba(images)
    before = torch.get_rng_state()
    np.testing.assert_array_equal(
        small(epochs=2).fit(images, labels).predict_proba(images), expected
    )
    assert torch.equal(torch.get_rng_state(), before)
    other = small(epochs=2, random_state=1).fit(images, labels)
    assert not np.array_equal(other.predict_proba(images), expected)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.predict_proba(images), expected)
    assert not hasattr(clone(network), "network_")


def test_predictions_need_no_known_folder_names(folder, tmp_path):
    images, labels = shaded(16)
    network = small().fit(images, labels)
    other = tmp_path / "holiday"
    for name in NAMES:
        (other / f"my {name}").mkdir(parents=True)
        for path in (folder / name).iterdir():
            (other / f"my {name}" / path.name).write_bytes(path.read_bytes())
    assert network.predict(other).shape == (24,)
    with pytest.raises(DataError, match="score requires y"):
        network.score(other)


def test_faults_are_named(folder, tmp_path):
    images, labels = shaded(8)
    with pytest.raises(DataError, match="requires y"):
        small().fit(images)
    with pytest.raises(DataError, match="leave y out"):
        small().fit(folder, labels)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(images, labels[:-1])
    with pytest.raises(DataError, match="no such file or folder"):
        small().fit(folder / "nothing")
    wrong = images / 255.0
    wrong[3, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="image 3"):
        small().fit(wrong, labels)
    with pytest.raises(DataError, match="shape"):
        small().fit(images.reshape(8, -1), labels)
    with pytest.raises(SettingError, match="did you mean 'lenet'"):
        ImageClassifier("lenett").fit(images, labels)
    with pytest.raises(SettingError, match="did you mean 'channels'"):
        ImageClassifier(network_settings={"chanels": (4,)}).fit(images, labels)
    with pytest.raises(SettingError, match="validation_fraction"):
        small(validation_fraction=0).fit(images, labels)
    flat = tmp_path / "flat"
    write_image(flat / "a.png", images[0])
    with pytest.raises(DataError, match="no labels"):
        small().fit(flat)
    broken = tmp_path / "dark" / "broken.png"
    write_image(broken, images[0])
    broken.write_bytes(broken.read_bytes()[:-30])
    good = folder / "light" / "1.png"
    for files in ([good, broken], [broken, good]):
        with pytest.raises(DataError, match=r"broken\.png"):
            small().fit(files, ["light", "dark"])
    network = small(epochs=1).fit(images, labels)
    with pytest.raises(DataError, match=r"broken\.png"):
        network.predict([good, broken])
    broken.write_text("not an image")
    with pytest.raises(DataError, match=r"broken\.png"):
        small().fit([good, broken], ["light", "dark"])


def test_listed_files_that_are_missing_are_named(folder):
    listed = folder / "missing.csv"
    listed.write_text("path,label\ndark/0.png,dark\nlight/99.png,light\n")
    with pytest.raises(DataError, match=r"light/99\.png"):
        small().fit(listed)
    listed.unlink()


def test_score_of_a_folder_with_parts_is_that_of_the_test_images(tmp_path):
    listing = ["path,label,split"]
    for i in range(24):
        part, label = ("test" if i >= 16 else "train"), NAMES[i % 2]
        write_image(tmp_path / "parts" / part / label / f"{i}.png", noise(i, (6, 8, 3)))
        listing.append(f"parts/{part}/{label}/{i}.png,{label},{part}")
    (tmp_path / "list.csv").write_text("\n".join(listing))
    whole = tmp_path / "parts"
    network = small(epochs=60).fit(whole)
    learned, unseen = (network.score(whole / part) for part in ("train", "test"))
    assert learned == 1.0
    assert unseen < 1.0
    assert network.score(whole) == unseen
    assert network.score(tmp_path / "list.csv") == unseen
    assert network.predict(whole).shape == (24,)
    (whole / "test").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no test images"):
        network.score(whole)


def test_no_images_are_an_error():
    network = small(epochs=1).fit(*shaded(8))
    for nothing in ([], (), np.array([]), np.zeros((0, 6, 8, 3))):
        with pytest.raises(DataError, match="no images"):
            network.predict(nothing)


def test_twelve_bits_in_sixteen_are_scaled_as_in_training(tmp_path):
    for i, name in enumerate(NAMES.tolist() * 4):
        image = noise(i, (6, 8)).astype(np.uint16) * (16 if name == "light" else 3)
        write_image(tmp_path / name / f"{i}.png", image)
    network = small(epochs=1).fit(tmp_path)
    assert network.codec_.framing.white == 4095


def test_every_training_setting_can_be_given():
    digits = load_digits()
    images, labels = digits.images[:200], digits.target[:200]
    model = ImageClassifier(
        epochs=60, random_state=0, training_settings={"error_rate": 0.5, "clip_norm": 1.0}
    ).fit(images, labels)
    assert len(model.history_) < 60
    assert model.history_[-1]["error_rate"] <= 0.5
    for mistake, message in (
        ({"l3": 1}, "'l3' is unknown"),
        ({"l1": -1}, "l1 must be at least 0"),
        ({"l2": 1}, "'l2' is a parameter of its own"),
    ):
        with pytest.raises(SettingError, match=message):
            ImageClassifier(epochs=1, training_settings=mistake).fit(images, labels)


def test_explanations_are_those_of_the_network(ordered, folder):
    images, labels = ordered
    network = small().fit(images, labels)
    found = network.explain(images)
    assert found.values.shape == (24, 6, 8)
    assert found.method == "grad-cam"
    assert (network.classes_[found.target.numpy()] == network.predict(images)).all()
    assert torch.equal(network.explain(folder).values, found.values)
    light = network.explain(images[:3], "light")
    assert light.target.tolist() == [1, 1, 1]
    mixed = network.explain(images[:3], ["light", "dark", "light"])
    torch.testing.assert_close(mixed.values[0], light.values[0])
    assert mixed.target.tolist() == [1, 0, 1]
    assert mixed.faithfulness.shape == (3,)
    assert network.explain(images[:2], method="occlusion").method == "occlusion"
    with pytest.raises(SettingError, match="did you mean 'light'"):
        network.explain(images, "lite")
    with pytest.raises(SettingError, match="2 labels for 3 images"):
        network.explain(images[:3], ["dark", "light"])


def test_many_images_are_explained_in_batches(ordered, monkeypatch):
    images, labels = ordered
    network = small().fit(images, labels)
    whole = network.explain(images)
    monkeypatch.setattr("nnatomy.estimators.image._VALUES", 5 * 144)
    parts = network.explain(images)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts.faithfulness, whole.faithfulness, rtol=0, atol=1e-4)


def test_augmentation_varies_what_is_learned_and_nothing_else() -> None:
    images, labels = shaded(40)
    plain, varied, again, none = (
        ImageClassifier(network_settings=SMALL, epochs=2, random_state=0, augment=augment).fit(
            images, labels
        )
        for augment in (None, "standard", "standard", "none")
    )
    probabilities = [network.predict_proba(images) for network in (plain, varied, again, none)]
    assert (probabilities[1] == probabilities[2]).all()
    assert (probabilities[0] == probabilities[3]).all()
    assert not (probabilities[0] == probabilities[1]).any()
    assert clone(varied).augment == "standard"


def test_an_unknown_augmentation_is_named() -> None:
    with pytest.raises(SettingError, match="did you mean 'standard'"):
        ImageClassifier(augment="standart").fit(*shaded(8))
