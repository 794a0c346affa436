from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from image_folders import class_folder, noise, write_image
from nnatomy.data import image_codec
from nnatomy.data.image_codec import ImageCodec, match_labels
from nnatomy.data.image_files import scan_images
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.target_code import TargetCode
from nnatomy.data.task import Task
from nnatomy.errors import DataError, IntegrityError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return class_folder(tmp_path_factory.mktemp("images"), {"cat": 12, "dog": 12})


@pytest.fixture(scope="module")
def prepared(root):
    return prepare_images(root)


def inputs_of(encoded):
    return torch.cat([batch.inputs for batch in encoded.samples.batches(None, 5)])


def test_json_round_trip(prepared):
    text = json.dumps(prepared.codec.to_json())
    again = ImageCodec.from_json(json.loads(text))
    assert again.to_json() == prepared.codec.to_json()
    assert again.task == prepared.codec.task


@pytest.mark.parametrize(
    "change",
    [
        {"format": "table"},
        {"version": 2},
        {"size": [0, 8]},
        {"size": [10**9, 10**9]},
        {"size": 8},
        {"channels": 7},
        {"fit": "evil"},
        {"fit": ["crop"]},
        {"mean": [0.1]},
        {"std": "abc"},
        {"pixels": "objects"},
        {"task": None},
        {"target_std": None},
        {"white": 0},
        {"white": 70_000},
    ],
)
def test_other_json_is_refused(prepared, change):
    values = copy.deepcopy(prepared.codec.to_json()) | change
    with pytest.raises(IntegrityError, match="not usable"):
        ImageCodec.from_json(values)
    for name in change:
        del values[name]
    with pytest.raises(IntegrityError, match="not usable"):
        ImageCodec.from_json(values)


def test_training_images_are_encoded_as_they_were(root, prepared):
    encoded = prepared.codec.encode(root)
    assert encoded.truth == ["cat"] * 12 + ["dog"] * 12
    inputs = dict(zip(encoded.names, inputs_of(encoded), strict=True))
    test = torch.cat([b.inputs for b in prepared.test.batches(None, 5)])
    for i, image in enumerate(test):
        assert torch.equal(image, inputs[prepared.show(i)["name"]])


def test_every_kind_of_source(root, prepared, tmp_path):
    codec = prepared.codec
    whole = inputs_of(codec.encode(root))
    assert torch.equal(inputs_of(codec.encode(scan_images(root))), whole)
    single = codec.encode(str(root / "cat" / "3.png"))
    assert (single.names, single.truth) == (["3.png"], None)
    assert torch.equal(inputs_of(single)[0], whole[3])
    listed = codec.encode([root / "cat" / "1.png", str(root / "dog" / "0.png")])
    assert listed.truth is None
    assert torch.equal(inputs_of(listed), whole[[1, 12]])
    (tmp_path / "l.csv").write_text(f"path,label\n{root}/dog/0.png,dog\n{root}/dog/1.png,cow\n")
    table = codec.encode(tmp_path / "l.csv")
    assert table.truth == ["dog"]
    assert [r.reason for r in table.rejected] == ["label 'cow' is not known from the training data"]
    assert [b.targets.tolist() for b in table.samples.batches(None, 5)] == [[1]]
    pixels = np.stack([noise(i) for i in range(24)])
    for array in (pixels, torch.from_numpy(pixels), pixels.transpose(0, 3, 1, 2)):
        assert torch.equal(inputs_of(codec.encode(array)), whole)
    pair = codec.encode((pixels[:3], ["cat", "dog", "cow"]))
    assert (pair.truth, pair.names) == (["cat", "dog"], ["image 0", "image 1"])
    assert [(r.file, r.line) for r in pair.rejected] == [("array", 2)]


def test_folders_of_other_names_are_no_answers(prepared, tmp_path):
    class_folder(tmp_path, {"monday": 2, "tuesday": 1})
    encoded = prepared.codec.encode(tmp_path)
    assert encoded.truth is None
    assert len(encoded.samples) == 3
    assert [f.code for f in encoded.findings] == ["unknown-labels"]
    assert all((b.targets == 0).all() for b in encoded.samples.batches(None, 2))


def test_broken_files_are_rejected(prepared, tmp_path):
    write_image(tmp_path / "good.png", noise(0))
    (tmp_path / "bad.png").write_bytes(b"x")
    encoded = prepared.codec.encode(tmp_path)
    assert encoded.names == ["good.png"]
    assert [r.file for r in encoded.rejected] == ["bad.png"]
    (tmp_path / "good.png").unlink()
    with pytest.raises(DataError, match=r"no usable image: bad\.png: not an image"):
        prepared.codec.encode(tmp_path)


def test_large_sources_are_streamed(root, prepared, monkeypatch):
    kept = inputs_of(prepared.codec.encode(root))
    monkeypatch.setattr(image_codec, "MEMORY_LIMIT", 100)
    streamed = prepared.codec.encode(root)
    assert isinstance(streamed.samples, ImageFileSamples)
    assert torch.equal(inputs_of(streamed), kept)


def test_bytes_and_floats_are_not_mixed_up(root, prepared):
    with pytest.raises(DataError, match="holds floats, the network was trained on bytes"):
        prepared.codec.encode(np.random.rand(2, 12, 16, 3))
    floats = prepare_images((np.random.default_rng(0).random((20, 4, 4)), [0, 1] * 10))
    with pytest.raises(DataError, match="holds bytes, the network was trained on floats"):
        floats.codec.encode(noise(0, (2, 4, 4)))
    with pytest.raises(DataError, match="trained on float arrays"):
        floats.codec.encode(root)
    with pytest.raises(DataError, match="NaN"):
        floats.codec.encode(np.full((1, 4, 4), np.nan))
    with pytest.raises(DataError, match="2 images, but 1 labels"):
        floats.codec.encode((np.zeros((2, 4, 4)), [1]))


def test_other_sizes_and_colors_are_brought_into_form(prepared):
    encoded = prepared.codec.encode(noise(0, (2, 40, 50)))
    assert encoded.samples.input_shape == (3, 12, 16)


def test_regression_targets_are_standardized_and_back():
    pixels, answers = noise(0, (40, 4, 4)), np.linspace(10.5, 30.25, 40)
    prepared = prepare_images((pixels, answers), settings=ImageSettings())
    encoded = prepared.codec.encode((pixels, answers))
    assert encoded.truth == answers.tolist()
    scaled = torch.cat([b.targets for b in encoded.samples.batches(None, 7)])
    np.testing.assert_allclose(
        prepared.codec.decode_value(scaled.numpy())[:, 0], answers, rtol=1e-5
    )
    unanswered = prepared.codec.encode(pixels)
    assert next(unanswered.samples.batches(None, 40)).targets.shape == (40, 1)


def test_labels_are_matched_by_their_spelling():
    target = TargetCode(Task("classification", "", "label", (3, 7)))
    assert match_labels(["7", "3", "x", 3.0], target) == [7, 3, None, 3]
    assert match_labels(["x"], target) is None
    assert match_labels(None, target) is None


@pytest.mark.parametrize("kind", [int, float, str, object, np.uint8])
def test_labels_of_another_type_are_known(kind):
    pixels, labels = noise(0, (20, 4, 4)), np.array([3, 7] * 10)
    codec = prepare_images((pixels, labels)).codec
    assert codec.encode((pixels, labels.astype(kind))).truth == [3, 7] * 10


def test_records_without_an_answer_are_rejected():
    pixels, answers = noise(0, (20, 4, 4)), np.linspace(0.5, 9.25, 20)
    codec = prepare_images((pixels, answers)).codec
    encoded = codec.encode((pixels[:4], ["7.5", "old", None, 2]))
    assert encoded.truth == [7.5, 2.0]
    assert [(r.line, r.reason) for r in encoded.rejected] == [
        (1, "label 'old' is not known from the training data"),
        (2, "no label"),
    ]


def test_whole_numbers_are_taken_as_in_training():
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 1000, (20, 4, 4), dtype=np.uint16)
    floats = prepare_images((deep, [0, 1] * 10)).codec
    dark = deep[:3] % 100
    expected = inputs_of(floats.encode(dark.astype(np.float32)))
    assert torch.equal(inputs_of(floats.encode(dark)), expected)
    codec = prepare_images((noise(0, (20, 4, 4)).astype(np.int64), [0, 1] * 10)).codec
    assert codec.to_json()["pixels"] == "bytes"
    dark = noise(1, (2, 4, 4))
    assert torch.equal(
        inputs_of(codec.encode(dark.astype(np.int64))), inputs_of(codec.encode(dark))
    )
    for value in (256, -1):
        wrong = dark.astype(np.int64)
        wrong[1, 2, 3] = value
        with pytest.raises(DataError, match=rf"{value}.*bytes from 0 to 255"):
            codec.encode(wrong)


def test_no_images_are_an_error(prepared):
    for nothing in ([], (), np.zeros((0, 4, 4))):
        with pytest.raises(DataError, match="image"):
            prepared.codec.encode(nothing)
