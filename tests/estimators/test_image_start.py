"""The image estimator started from earlier weights does what a training job does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.base import clone

import nnatomy
from image_folders import noise, write_image
from nnatomy.data.split import SplitPlan
from nnatomy.errors import DataError, IntegrityError, SettingError
from nnatomy.estimators import image as image_module
from nnatomy.estimators.image import ImageClassifier
from nnatomy.models import resnet18, to_torchvision
from nnatomy.training.model_file import read_model
from nnatomy.training.transfer import HALF, IMAGENET

SHADES = ("black", "dark", "grey", "light")


def shaded(*shades: int, count: int = 8, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noise of some of four levels, 8×8."""
    images = [
        noise(10 * shade + i, (8, 8, channels)) // (5 - shade)
        for shade in shades
        for i in range(count)
    ]
    return np.stack(images), np.repeat([SHADES[shade] for shade in shades], count)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run on two shades."""
    return nnatomy.train(
        shaded(0, 1, count=20),
        network="resnet18",
        epochs=1,
        settings={"width": 4},
        out=tmp_path_factory.mktemp("runs") / "first",
    ).path


def started(path, **parameters) -> ImageClassifier:
    parameters = {"epochs": 2, "batch_size": 8, "lr": 0.01, "random_state": 0, **parameters}
    return ImageClassifier(start=path, **parameters)


def features(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {f"features.{k}": v for k, v in network.features.state_dict().items()}


def test_without_a_step_features_are_the_starts_and_the_head_is_new(first):
    before, facts = read_model(first / "model.nnatomy")
    model = started(first, epochs=0).fit(*shaded(1, 2, 3))
    assert model.network_name_ == "resnet18"
    for name, value in features(model.network_).items():
        assert torch.equal(value, before[name]), name
    assert model.network_.head.weight.shape == (3, 32)
    assert list(model.codec_.normalizer.mean) == facts["codec"]["mean"]
    assert list(model.codec_.normalizer.std) == facts["codec"]["std"]
    assert model.transfer_["new"] == ["head.weight", "head.bias"]
    assert model.transfer_["from"] == str(first)
    assert model.predict(shaded(1, 2, 3)[0]).shape == (24,)


def test_the_same_classes_keep_the_head(first):
    images, labels = shaded(0, 1)
    model = started(first, epochs=0).fit(images, labels)
    assert model.transfer_["new"] == []
    for name, value in read_model(first / "model.nnatomy")[0].items():
        assert torch.equal(model.network_.state_dict()[name], value), name
    earlier = nnatomy.load(first).predict_proba(images)
    np.testing.assert_allclose(model.predict_proba(images), earlier, atol=1e-6)


def test_frozen_parts_stay_as_they_are(first):
    before = read_model(first / "model.nnatomy")[0]
    frozen = ["features.conv1", "features.bn1", "features.layer1"]
    model = started(first, freeze=frozen, warm_up=1, earlier_rate=0.5).fit(*shaded(2, 3))
    kept = {name for name in before if name.startswith(tuple(f"{part}." for part in frozen))}
    for name, value in features(model.network_).items():
        if name in kept:
            assert torch.equal(value, before[name]), name
    last = "features.layer4.1.conv2.weight"
    assert not torch.equal(features(model.network_)[last], before[last])
    whole = started(first, freeze="features").fit(*shaded(2, 3))
    for name, value in features(whole.network_).items():
        assert torch.equal(value, before[name]), name


def test_weights_are_those_of_the_job_with_the_same_images_and_seed(first, tmp_path, monkeypatch):
    for part, count in (("train", 12), ("test", 3)):
        images, labels = shaded(1, 2, 3, count=count)
        for i, (pixels, label) in enumerate(zip(images, labels, strict=True)):
            write_image(tmp_path / "shades" / part / label / f"{i:02}.png", pixels[..., 0])
    parts = {"freeze": "features.conv1,features.bn1", "warm_up": 1, "earlier_rate": 0.4}
    job = nnatomy.train(
        tmp_path / "shades",
        start=first,
        epochs=3,
        batch_size=8,
        settings=parts,
        split=SplitPlan(valid=0),
        seed=7,
        out=tmp_path / "run",
    )
    monkeypatch.setattr(image_module, "draw_seed", lambda _random: 7)
    model = started(first, epochs=3, lr="auto", **parts).fit(tmp_path / "shades")
    after = read_model(job.path / "model.nnatomy")[0]
    for name, value in model.network_.state_dict().items():
        assert torch.equal(value, after[name]), name
    assert model.transfer_ == job.result["start"]


def test_a_file_in_torchvisions_format(tmp_path):
    torch.manual_seed(0)
    before = resnet18(5, stem="small", width=4)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(to_torchvision(before), path)
    model = started(path, network="resnet18", network_settings={"width": 4}, epochs=0)
    model.fit(*shaded(2, 3))
    assert model.codec_.normalizer.mean == IMAGENET.mean != HALF.mean
    assert model.codec_.framing.channels == 3, "grey images are given to weights for color as such"
    for name, value in features(before).items():
        assert torch.equal(features(model.network_)[name], value), name
    with pytest.raises(SettingError, match=r"add --network \(network= in Python\)"):
        started(path).fit(*shaded(2, 3))
    with pytest.raises(SettingError, match="is of a network for images, not of mlp"):
        started(path, network="mlp").fit(*shaded(2, 3))


def test_it_is_an_estimator_like_others(first):
    images, labels = shaded(2, 3)
    parts = ["features.conv1"]
    model = started(first, freeze=parts)
    assert model.get_params()["start"] is first
    assert model.get_params()["freeze"] is parts
    copy = clone(model)
    assert (copy.start, copy.freeze, copy.warm_up) == (first, parts, 0)
    expected = model.fit(images, labels).predict_proba(images)
    np.testing.assert_array_equal(copy.fit(images, labels).predict_proba(images), expected)
    np.testing.assert_array_equal(model.fit(images, labels).predict_proba(images), expected)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(images), expected)
    anew = copy.set_params(start=None, freeze=()).fit(images, labels)
    assert (anew.network_name_, anew.transfer_) == ("lenet", None)


def test_what_was_taken_over_is_said_where_lines_are_wanted(first, capsys):
    started(first, epochs=0, verbose=True).fit(*shaded(2, 3))
    assert capsys.readouterr().err.startswith(f"starting from {first} (sha256 ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": "gone"}, "gone: there is no such run folder or file of weights"),
        ({"start": 3}, "start must be the path of a run folder or of a file of weights, got 3"),
        ({"network": "resnet34"}, "'features."),
        ({"network_settings": {"width": 8}}, "is 4×1×3×3 there and 8×1×3×3 here"),
        ({"freeze": "features.layer9"}, "there is no part 'features.layer9'"),
        ({"freeze": ["features", "head"]}, "leaves nothing to train"),
        ({"freeze": 3}, "'freeze' takes names separated by commas"),
        ({"warm_up": 2}, "leaves none for the rest"),
        ({"earlier_rate": 2}, "earlier_rate must be above 0 and at most 1"),
        ({"training_settings": {"freeze": "head"}}, "'freeze' is a parameter of its own"),
    ],
)
def test_mistakes_get_one_error(first, change, words):
    with pytest.raises(SettingError) as caught:
        started(first).set_params(**change).fit(*shaded(2, 3))
    assert words in str(caught.value)


@pytest.mark.parametrize("part", [{"freeze": "features"}, {"warm_up": 1}, {"earlier_rate": 0.5}])
def test_parts_have_a_meaning_for_trained_weights_only(part):
    with pytest.raises(SettingError, match=f"{next(iter(part))} is for a network that starts from"):
        ImageClassifier(**part).fit(*shaded(2, 3))


def test_data_of_another_kind_and_damaged_files(first, tmp_path):
    images, labels = shaded(2, 3)
    with pytest.raises(DataError, match="the images hold floats"):
        started(first).fit(images / 255.0, labels)
    settings = {"hidden": "3", "epochs": 1, "engine": "autograd"}
    table = nnatomy.train("iris", settings=settings, out=tmp_path / "iris")
    with pytest.raises(SettingError, match="learned from a table, not from images"):
        started(table.path).fit(images, labels)
    broken = tmp_path / "weights.safetensors"
    broken.write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    with pytest.raises(IntegrityError, match="damaged"):
        started(broken, network="resnet18").fit(images, labels)
