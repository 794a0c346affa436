from __future__ import annotations

import datetime
import io
import json
import os
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from image_folders import class_folder, encoded, noise, png_header, write_image
from nnatomy.data.bundled import load_bundled
from nnatomy.data.image_files import scan_images
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.samples import TensorSamples
from nnatomy.data.split import SplitPlan
from nnatomy.data.table import prepare_table
from nnatomy.errors import DataError, SettingError

STREAMING = ImageSettings(memory_limit=0)


def everything(samples):
    batches = list(samples.batches(None, 7))
    return torch.cat([b.inputs for b in batches]), torch.cat([b.targets for b in batches])


def finding_codes(prepared):
    return [finding.code for finding in prepared.report.findings]


def balanced(report):
    assert report.used == sum(report.splits.values())
    assert report.read == report.used + len(report.rejected)


def test_digits():
    images, labels = load_bundled("digits")
    prepared = prepare_images((images, labels))
    assert prepared.input_shape == prepared.train.input_shape == (1, 8, 8)
    assert prepared.task.classes == tuple(range(10))
    assert prepared.report.splits == {"train": 1168, "valid": 270, "test": 359}
    balanced(prepared.report)
    inputs, targets = everything(prepared.train)
    assert inputs.double().mean().item() == pytest.approx(0, abs=1e-5)
    assert inputs.double().std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert len(targets) == 1168
    name = prepared.show(5)["name"]
    row = int(name.removeprefix("image "))
    assert prepared.test.targets[5] == labels[row]
    shown = np.asarray(Image.open(io.BytesIO(prepared.show(5)["image"])))
    np.testing.assert_array_equal(shown, images[row].repeat(16, axis=0).repeat(16, axis=1))


def test_class_folder(tmp_path):
    class_folder(tmp_path, {"cat": 20, "dog": 20})
    prepared = prepare_images(tmp_path)
    report = prepared.report
    assert prepared.input_shape == (3, 12, 16)
    assert prepared.task.classes == ("cat", "dog")
    assert report.target["classes"] == {"cat": 20, "dog": 20}
    assert report.columns[0]["size"] == [12, 16]
    assert report.source == str(tmp_path)
    assert report.findings == report.rejected == []
    balanced(report)
    assert isinstance(prepared.train, TensorSamples)


def test_streamed_and_kept_images_are_the_same(tmp_path):
    class_folder(tmp_path, {"a": 15, "b": 15}, shape=(30, 20, 3), ending=".jpg")
    kept = prepare_images(tmp_path, settings=ImageSettings(size=16))
    streamed = prepare_images(tmp_path, settings=ImageSettings(size=16, memory_limit=0, workers=2))
    assert isinstance(streamed.train, ImageFileSamples)
    for name in ("train", "valid", "test"):
        for ours, theirs in zip(
            everything(getattr(kept, name)), everything(getattr(streamed, name)), strict=True
        ):
            assert torch.equal(ours, theirs)
    assert kept.report == streamed.report
    assert kept.codec.to_json() == streamed.codec.to_json()
    assert kept.show(2) == streamed.show(2)


def test_sets_share_one_array(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    prepared = prepare_images(tmp_path)
    start = prepared.train.inputs.data_ptr()
    assert prepared.valid.inputs.data_ptr() == start + prepared.train.inputs.nbytes
    assert prepared.test.inputs.data_ptr() == (
        start + prepared.train.inputs.nbytes + prepared.valid.inputs.nbytes
    )


def test_statistics_size_and_channels_come_from_training_images_alone(tmp_path):
    class_folder(tmp_path / "train", {"a": 8, "b": 8}, shape=(16, 16))
    for name in ("valid", "test"):
        class_folder(tmp_path / name, {"a": 2, "b": 2}, shape=(16, 16))
    before = prepare_images(tmp_path).codec.to_json()
    for path in [*tmp_path.glob("test/*/*"), *tmp_path.glob("valid/*/*")]:
        write_image(path, np.full((99, 30, 3), 255, np.uint8))
    after = prepare_images(tmp_path).codec.to_json()
    assert before == after
    assert after["size"] == [16, 16]
    assert after["channels"] == 1


def test_given_split_is_kept(tmp_path):
    for name, count in (("train", 10), ("val", 3), ("test", 4)):
        class_folder(tmp_path / name, {"a": count, "b": count})
    report = prepare_images(tmp_path).report
    assert report.splits == {"train": 20, "valid": 6, "test": 8}
    assert report.split_method == "given by the source"


@pytest.mark.parametrize(("given", "drawn"), [("test", "valid"), ("valid", "test")])
def test_missing_set_is_taken_from_the_training_folder(tmp_path, given, drawn):
    class_folder(tmp_path / "train", {"a": 20, "b": 20})
    class_folder(tmp_path / given, {"a": 5, "b": 5})
    prepared = prepare_images(tmp_path, plan=SplitPlan(valid=0.1, test=0.25))
    expected = {"valid": 4, "test": 10}[drawn]
    assert prepared.report.splits[given] == 10
    assert prepared.report.splits[drawn] == expected
    assert prepared.report.splits["train"] == 40 - expected
    balanced(prepared.report)
    if given == "test":
        names = {prepared.show(i)["name"] for i in range(10)}
        assert all(name.startswith("test/") for name in names)


def test_only_a_training_folder_is_split_as_usual(tmp_path):
    class_folder(tmp_path / "train", {"a": 20, "b": 20})
    assert prepare_images(tmp_path).report.splits == {"train": 26, "valid": 6, "test": 8}


FLIPPED = bytearray(encoded(noise(4, (40, 40, 3))))
FLIPPED[len(FLIPPED) // 2] ^= 16
FAULTS = {
    "zero.png": (b"", "empty file"),
    "text.jpg": (b"this is no image", "not an image"),
    "cut.png": (encoded(noise(1, (40, 40, 3)))[:-900], "truncated"),
    "cut.jpg": (encoded(noise(2, (40, 40, 3)), "JPEG")[:-500], "truncated"),
    "bomb.png": (png_header(30_000, 30_000), "million pixels"),
    "icon.png": (encoded(noise(3, (16, 16, 3)), "ICO"), "not an image"),
    "flip.png": (FLIPPED, "cannot be unpacked"),
    "float.tif": (encoded(np.ones((9, 9), np.float32), "TIFF"), "32-bit"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """500 files: good ones of all formats, 8 that are broken, 1 misnamed; and what is ignored."""
    root = tmp_path_factory.mktemp("corpus")
    kinds = ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"]
    endings = [".jpg", ".png", ".bmp", ".gif", ".tif", ".webp"]
    for i in range(491):
        kind = i % len(kinds)
        path = root / ("left", "right")[i % 2] / f"{i}{endings[kind]}"
        write_image(path, noise(i, (20, 24, 3)), kinds[kind])
    write_image(root / "left" / "misnamed.png", noise(900, (20, 24, 3)), "JPEG")
    for name, (content, _) in FAULTS.items():
        (root / "right" / name).write_bytes(content)
    for name in ("left/Thumbs.db", "right/.DS_Store", "left/list.txt"):
        (root / name).write_bytes(b"x")
    (root / "empty").mkdir()
    return root


@pytest.mark.parametrize("settings", [ImageSettings(workers=1), STREAMING])
def test_corpus_of_500_files_with_every_fault(corpus, settings):
    prepared = prepare_images(corpus, settings=settings)
    report = prepared.report
    assert (report.read, report.used) == (500, 492)
    balanced(report)
    rejected = {r.file.removeprefix("right/"): r.reason for r in report.rejected}
    assert rejected.keys() == FAULTS.keys()
    for name, (_, reason) in FAULTS.items():
        assert reason in rejected[name], name
    assert all(r.line == 0 for r in report.rejected)
    assert sorted(finding_codes(prepared)) == ["empty-class", "ignored-files", "misnamed-image"]
    sets = (prepared.train, prepared.valid, prepared.test)
    assert sum(len(everything(samples)[1]) for samples in sets) == 492
    assert report.columns[0]["formats"]["JPEG"] == 83  # 82 and the misnamed one


def test_too_many_unusable_files_stop_the_run(corpus):
    settings = ImageSettings(max_rejected=0.01)
    with pytest.raises(DataError, match=r"8 of 500 .* allowed 1%.*max_rejected: right/") as stopped:
        prepare_images(corpus, settings=settings)
    assert str(stopped.value).count("right/") == 3


def test_class_whose_files_are_all_broken_is_no_class(tmp_path):
    class_folder(tmp_path, {"a": 30, "b": 30})
    (tmp_path / "c").mkdir()
    broken = encoded(noise(0, (40, 40, 3)))[:-900]  # its header is fine
    (tmp_path / "c" / "0.png").write_bytes(broken)
    prepared = prepare_images(tmp_path)
    assert prepared.task.classes == ("a", "b")
    assert "empty-class" in finding_codes(prepared)
    assert prepared.report.target["classes"] == {"a": 30, "b": 30}


def test_images_of_a_class_that_training_lacks_are_rejected(tmp_path):
    for name in ("train", "valid"):
        class_folder(tmp_path / name, {"a": 10, "b": 10})
    class_folder(tmp_path / "test", {"a": 10, "ab": 1, "b": 10})
    prepared = prepare_images(tmp_path)
    assert prepared.task.classes == ("a", "b")
    assert [r.file for r in prepared.report.rejected] == ["test/ab/0.png"]
    assert "class 'ab'" in prepared.report.rejected[0].reason
    assert prepared.report.splits["test"] == 20
    inputs, targets = everything(prepared.test)
    assert targets.tolist() == [0] * 10 + [1] * 10
    stored = prepared.codec.normalizer(torch.from_numpy(noise(11)[None]))  # test/b/0.png
    assert torch.equal(inputs[10:11], stored)
    balanced(prepared.report)


@pytest.mark.parametrize("counts", [{"a": 9}, {"a": 9, "b": 0}])
def test_one_class_is_an_error(tmp_path, counts):
    class_folder(tmp_path, counts)
    (tmp_path / "b").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=r"only class.*'a'"):
        prepare_images(tmp_path)


def test_one_class_left_after_unpacking_is_an_error(tmp_path):
    class_folder(tmp_path, {"a": 9})
    (tmp_path / "b").mkdir()
    for i in range(2):
        (tmp_path / "b" / f"{i}.png").write_bytes(encoded(noise(i, (40, 40, 3)))[:-900])
    with pytest.raises(DataError, match="only one class"):
        prepare_images(tmp_path, settings=ImageSettings(max_rejected=0.5))


def test_images_without_labels_cannot_be_trained_on(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    with pytest.raises(DataError, match="have no labels"):
        prepare_images(tmp_path)


def test_nothing_usable_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable image: a/0\.png: empty file"):
        prepare_images(tmp_path, settings=ImageSettings(max_rejected=1))


def test_a_set_without_usable_images_is_an_error(tmp_path):
    for name in ("train", "valid"):
        class_folder(tmp_path / name, {"a": 10, "b": 10})
    (tmp_path / "test" / "a").mkdir(parents=True)
    broken = encoded(noise(0, (40, 40, 3)))[:-900]
    (tmp_path / "test" / "a" / "0.png").write_bytes(broken)
    with pytest.raises(DataError, match="no usable image in the set test"):
        prepare_images(tmp_path)
    for path in tmp_path.glob("train/*/*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no usable image is for training"):
        prepare_images(tmp_path, settings=ImageSettings(max_rejected=1))


@pytest.mark.parametrize("settings", [ImageSettings(), STREAMING])
def test_copies_across_sets_are_found(tmp_path, settings):
    for i, (part, label) in enumerate(
        (part, label) for part in ("train", "valid", "test") for label in "aabb"
    ):
        write_image(tmp_path / part / label / f"{i}.png", noise(i))
    assert prepare_images(tmp_path, settings=settings).report.findings == []
    write_image(tmp_path / "train" / "a" / "again.png", noise(0))  # in one set, no matter
    write_image(tmp_path / "test" / "a" / "copy.bmp", noise(0))  # other bytes, the same pixels
    write_image(tmp_path / "valid" / "b" / "copy.png", noise(1))
    report = prepare_images(tmp_path, settings=settings).report
    assert [f.code for f in report.findings] == ["duplicates-across-splits"]
    message = report.findings[0].message
    assert message.startswith("2 images")
    assert "test/a/copy.bmp = train/a/0.png" in message
    assert "valid/b/copy.png = train/a/1.png" in message


def test_list_with_classes(tmp_path):
    class_folder(tmp_path / "x", {"y": 30})
    rows = [f"x/y/{i}.png,{i % 3}" for i in range(30)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows, "x/y/99.png,1"]))
    prepared = prepare_images(tmp_path / "list.csv")
    assert prepared.task.kind == "classification"
    assert prepared.task.classes == (0, 1, 2)
    assert [r.line for r in prepared.report.rejected] == [32]
    balanced(prepared.report)


def test_codes_with_leading_zeros_stay_texts(tmp_path):
    class_folder(tmp_path / "x", {"y": 30})
    rows = [f"x/y/{i}.png,{'007' if i % 2 else '8'}" for i in range(30)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    assert prepare_images(tmp_path / "list.csv").task.classes == ("007", "8")


def test_list_with_amounts_is_a_regression(tmp_path):
    class_folder(tmp_path / "x", {"y": 40})
    rows = [f"x/y/{i}.png,{i / 4}" for i in range(40)]
    (tmp_path / "list.csv").write_text("\n".join(["path,age", *rows]))
    prepared = prepare_images(tmp_path / "list.csv", target="age")
    assert (prepared.task.kind, prepared.task.target) == ("regression", "age")
    _, targets = everything(prepared.train)
    assert targets.shape == (26, 1)
    assert targets.dtype == torch.float32
    assert targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    values = prepared.codec.decode_value(everything(prepared.test)[1].numpy())
    names = [prepared.show(i)["name"] for i in range(len(values))]
    expected = [int(name.split("/")[2].removesuffix(".png")) / 4 for name in names]
    np.testing.assert_allclose(values[:, 0], expected, atol=1e-6)
    assert prepared.report.target["values"]["max"] == 39 / 4


def test_label_that_is_no_number_is_rejected_in_a_regression(tmp_path):
    class_folder(tmp_path / "x", {"y": 40})
    rows = [f"x/y/{i}.png,{i if i else 'old'}" for i in range(40)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    prepared = prepare_images(tmp_path / "list.csv", task="regression")
    assert [(r.file, r.reason) for r in prepared.report.rejected] == [
        ("x/y/0.png", "label 'old' is not a number")
    ]
    balanced(prepared.report)


@pytest.mark.parametrize("settings", [ImageSettings(), STREAMING])
def test_float_arrays_keep_their_scale(settings):
    images = np.random.default_rng(0).normal(100, 20, (40, 3, 6, 5))  # channels first
    images[7, 0, 0, 0] = np.nan
    prepared = prepare_images((images, ["a", "b"] * 20), settings=settings)
    assert prepared.input_shape == (3, 6, 5)
    assert [(r.file, r.line) for r in prepared.report.rejected] == [("array", 7)]
    inputs, _ = everything(prepared.train)
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3), correction=0), torch.ones(3))
    row = int(prepared.show(0)["name"].removeprefix("image "))
    normalizer = prepared.codec.normalizer
    mean, std = (np.array(part)[:, None, None] for part in (normalizer.mean, normalizer.std))
    first = everything(prepared.test)[0][0].numpy()
    np.testing.assert_allclose(first * std + mean, images[row], rtol=1e-4)
    shown = Image.open(io.BytesIO(prepared.show(0)["image"]))
    assert shown.size == (5 * 21, 6 * 21)  # whole multiples of the pixels, at most 128


def test_unlabelled_array_records_are_rejected():
    labels = np.array([0.5, np.nan] + [1.25, 2.5] * 10)
    prepared = prepare_images((noise(0, (22, 4, 4)), labels))
    assert prepared.task.kind == "regression"
    assert [(r.line, r.reason) for r in prepared.report.rejected] == [(1, "no label")]


def test_numbers_of_images_and_labels_must_agree():
    with pytest.raises(DataError, match="10 images, but 9 labels"):
        prepare_images((noise(0, (10, 4, 4)), range(9)))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(30, 20)], (30, 20)),
        ([(300, 200)], (200, 200)),
        ([(500, 400)], (224, 224)),
        ([(30, 41), (100, 45), (50, 90)], (48, 48)),  # median of 30, 45, 50, to a multiple of 8
        ([(3, 3), (2, 5)], (8, 8)),
    ],
)
def test_default_size(tmp_path, shapes, expected):
    for i in range(12):
        write_image(tmp_path / "ab"[i % 2] / f"{i}.png", noise(i, shapes[i // 2 % len(shapes)]))
    plan = SplitPlan(valid=0.1, test=0.1)
    assert prepare_images(tmp_path, plan=plan).codec.framing.size == expected


def test_chosen_size_channels_and_fit(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    settings = ImageSettings(size=(10, 14), channels=1, fit="pad")
    prepared = prepare_images(tmp_path, settings=settings)
    assert prepared.input_shape == prepared.test.input_shape == (1, 10, 14)
    assert prepared.report.columns[0]["fit"] == "pad"


def test_arrays_are_resized_and_recolored():
    settings = ImageSettings(size=16, channels=3)
    prepared = prepare_images((noise(0, (20, 8, 8)), [0, 1] * 10), settings=settings)
    inputs, _ = everything(prepared.train)
    assert inputs.shape[1:] == (3, 16, 16)
    assert torch.equal(inputs[:, 0], inputs[:, 2])
    grey = prepare_images(
        (noise(0, (20, 8, 8, 3)), [0, 1] * 10), settings=ImageSettings(channels=1)
    )
    assert grey.input_shape == (1, 8, 8)


def test_settings_are_checked_at_once():
    for wrong in ({"workers": 0}, {"max_rejected": 2}, {"channels": 2}, {"fit": "no"}, {"size": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            ImageSettings(**wrong)
    with pytest.raises(SettingError, match="no columns"):
        prepare_images((noise(0, (9, 4, 4)), [0, 1, 0] * 3), plan=SplitPlan(group="id"))


def test_fingerprint_follows_pixels_labels_and_names(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    first = prepare_images(tmp_path).report.fingerprint
    assert first == prepare_images(scan_images(tmp_path)).report.fingerprint
    assert first == prepare_images(tmp_path, plan=SplitPlan(seed=9)).report.fingerprint
    write_image(tmp_path / "a" / "3.png", noise(999))
    second = prepare_images(tmp_path).report.fingerprint
    (tmp_path / "a" / "3.png").rename(tmp_path / "b" / "33.png")
    third = prepare_images(tmp_path).report.fingerprint
    assert len({first, second, third}) == 3


def test_names_that_are_not_utf8(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    odd = os.fsdecode(b"\xff.png")
    (tmp_path / "a" / "3.png").rename(tmp_path / "a" / odd)
    prepared = prepare_images(tmp_path)
    assert prepared.report.used == 20
    json.dumps(prepared.report.to_json())


def test_folders_of_numbers_can_be_a_regression(tmp_path):
    class_folder(tmp_path, {"10": 10, "2": 10, "unknown": 1})
    prepared = prepare_images(tmp_path, task="regression")
    assert prepared.task.kind == "regression"
    assert prepared.codec.target.mean == pytest.approx(6, abs=1)
    assert [r.file for r in prepared.report.rejected] == ["unknown/0.png"]
    assert prepare_images(tmp_path).task.classes == ("2", "10", "unknown")


def test_report_is_json(tmp_path):
    class_folder(tmp_path, {"a": 10, "b": 10})
    (tmp_path / "a" / "bad.png").write_bytes(b"")
    prepared = prepare_images(tmp_path)
    assert json.loads(json.dumps(prepared.report.to_json()))["read"] == 21
    assert Counter(r.reason for r in prepared.report.rejected) == {"empty file": 1}


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(pd.to_datetime(["2020-01-01", "2021-06-01"] * 10)),
        np.array(["2020-01-01", "2021-06-01"] * 10, "datetime64[D]"),
        [datetime.date(2020, 1, 1), datetime.date(2021, 6, 1)] * 10,
        [Decimal(2), Decimal(7)] * 10,
        pd.Series(["a", "b"] * 10, dtype="category"),
        np.array([["a"], ["b"]] * 10),
    ],
    ids=["timestamps", "datetime64", "dates", "decimals", "categories", "a column"],
)
def test_labels_of_every_kind_are_classes_as_in_a_table(labels):
    prepared = prepare_images((noise(0, (20, 4, 4)), labels), task="classification")
    frame = pd.DataFrame({"x": np.arange(20) ** 2, "label": list(np.asarray(labels).ravel())})
    table = prepare_table(frame, target="label", task="classification")
    assert prepared.task.classes == table.task.classes
    assert len(prepared.task.classes) == 2
    again = prepared.codec.encode((noise(0, (20, 4, 4)), labels))
    assert again.truth == [prepared.task.classes[i % 2] for i in range(20)]


def test_empty_labels_are_no_class():
    labels = ["a", "b"] * 10 + [""]
    prepared = prepare_images((noise(0, (21, 4, 4)), labels))
    assert prepared.task.classes == ("a", "b")
    assert [(r.line, r.reason) for r in prepared.report.rejected] == [(20, "no label")]


def test_a_list_may_name_the_sets(tmp_path):
    class_folder(tmp_path, {"x": 24})
    sets = ["train"] * 16 + ["Val"] * 4 + ["test"] * 4
    rows = [f"{part};{'ab'[i % 2]};x/{i}.png" for i, part in enumerate(sets)]
    (tmp_path / "list.tsv").write_text("\n".join(["split;label;path", *rows]).replace(";", "\t"))
    prepared = prepare_images(tmp_path / "list.tsv")
    assert prepared.report.splits == {"train": 16, "valid": 4, "test": 4}
    assert prepared.report.split_method == "given by the source"
    assert [prepared.show(i)["name"] for i in range(4)] == [f"x/{i}.png" for i in range(20, 24)]


@pytest.mark.parametrize("left_out", ["valid", "test"])
def test_sets_that_are_not_wanted_may_be_empty(tmp_path, left_out):
    plan = replace(SplitPlan(), **{left_out: 0.0})
    array = prepare_images((noise(0, (20, 4, 4)), ["a", "b"] * 10), plan=plan)
    class_folder(tmp_path, {"a": 10, "b": 10})
    for prepared in (array, prepare_images(tmp_path, plan=plan)):
        assert prepared.report.splits[left_out] == 0
        assert len(getattr(prepared, left_out)) == 0
        assert sum(prepared.report.splits.values()) == 20


def test_twelve_bits_in_sixteen_keep_their_levels(tmp_path):
    levels = np.random.default_rng(0).integers(0, 4096, (24, 16, 16), dtype=np.uint16)
    levels[:, 0, :2] = 0, 4095
    for i, image in enumerate(levels):
        write_image(tmp_path / "ab"[i % 2] / f"{i}.png", image)
    prepared = prepare_images(tmp_path)
    assert prepared.codec.framing.white == 4095
    assert finding_codes(prepared) == ["sixteen-bit-range"]
    seen = np.concatenate([prepared.train.inputs.numpy(), prepared.test.inputs.numpy()])
    assert len(np.unique(seen)) == 256
    name = prepared.show(0)["name"]
    source = levels[int(name.split("/")[1].removesuffix(".png"))]
    np.testing.assert_array_equal(
        prepared.test.inputs[0, :, :, 0].numpy(), np.round(source / 4095 * 255)
    )
    again = type(prepared.codec).from_json(json.loads(json.dumps(prepared.codec.to_json())))
    inputs, _ = everything(again.encode([tmp_path / name]).samples)
    assert torch.equal(inputs[0], everything(prepared.test)[0][0])


def test_sixteen_bits_that_are_used_up_need_no_word(tmp_path):
    levels = np.random.default_rng(0).integers(0, 65_536, (24, 8, 8), dtype=np.uint16)
    for i, image in enumerate(levels):
        write_image(tmp_path / "ab"[i % 2] / f"{i}.tif", image)
    prepared = prepare_images(tmp_path)
    assert prepared.codec.framing.white == 65_535
    assert prepared.report.findings == []


def test_white_comes_from_training_images_alone(tmp_path):
    for part, white in (("train", 1000), ("test", 60_000)):
        for i in range(12):
            image = np.full((8, 8), white - i, np.uint16)
            write_image(tmp_path / part / "ab"[i % 2] / f"{i}.png", image)
    prepared = prepare_images(tmp_path)
    assert prepared.codec.framing.white == 1023
    assert prepared.test.inputs.unique().tolist() == [255]
