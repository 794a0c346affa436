"""nnatomy explain: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nnatomy
from cli.conftest import Command
from image_folders import write_image
from nnatomy.data.scenes import SHAPES, scenes
from nnatomy.explain import boxes, cam
from nnatomy.training import atomic
from report.page import Page, browse
from report.test_html import POLICY


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "all"
    made = scenes(48, size=24)
    for number, (image, label) in enumerate(zip(made.images, made.labels, strict=True)):
        write_image(folder / SHAPES[label] / f"{number}.png", image)
    return folder


@pytest.fixture(scope="module")
def image_run(photos, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "shapes"
    settings = {"epochs": 2, "channels": "4,8", "hidden": "8", "threads": 1}
    nnatomy.train(photos, network="lenet", settings=settings, out=out)
    return out


def test_a_folder_of_images(command: Command, image_run, photos) -> None:
    code, out, err = command("explain", image_run, photos, "--out", "why", "--limit", 6, "--json")
    assert code == 0
    result = json.loads(out)
    entries = result["images"]
    assert "6 of 48 images; --limit takes more" in err
    assert err.splitlines()[-1] == "page why/explanation.html"
    written = {path.name for path in Path("why").iterdir()}
    assert written == {
        "MANIFEST.json",
        "explanation.html",
        "explanation.json",
        "overview.png",
        *(entry["overlay"] for entry in entries),
    }
    assert len(entries) == 6
    assert {entry["truth"] for entry in entries} == set(SHAPES), "spread over the classes"
    predictor = nnatomy.load(image_run)
    assert all(entry["name"].startswith(entry["truth"]) for entry in entries)
    for entry in entries[:2]:
        encoded = predictor.encode(photos / entry["name"])
        found = cam(predictor.network, next(iter(encoded.samples.batches(None, 1))).inputs)
        probabilities = predictor.decoded(encoded.samples)
        assert entry["prediction"] == predictor.decide(probabilities)[0] == entry["target"]
        assert entry["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert entry["target_probability"] == pytest.approx(entry["probability"], abs=1e-5)
        assert entry["faithfulness"] == pytest.approx(float(found.faithfulness), abs=2e-3)
        assert entry["method"] == "grad-cam"
        box = boxes(found)[0]
        assert entry["box"] == (None if box is None else list(box))
        with Image.open(Path("why") / entry["overlay"]) as picture:
            assert picture.width == 312
    kept = json.loads(Path("why/explanation.json").read_text())
    assert kept == {k: v for k, v in result.items() if k not in ("out", "page")}


def test_the_page_is_complete_and_loads_nothing(command: Command, image_run, photos, tmp_path):
    command("explain", image_run, photos, "--out", "why", "--limit", 2)
    html = Path("why/explanation.html").read_text(encoding="utf-8")
    page = Page(html)
    policies = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policies == [POLICY]
    assert len(page.all("img")) == 4
    assert all(e.attributes["src"].startswith("data:image/png;base64,") for e in page.all("img"))
    assert all(e.attributes["alt"] for e in page.all("img"))
    assert not page.all("script")
    log, asked = browse(Path("why/explanation.html").resolve(), tmp_path, "--dump-dom")
    assert "Refused" not in log
    assert all(address.startswith(("file:", "data:")) for address in asked)


def test_hostile_names_stay_words(command: Command, image_run) -> None:
    name = '<img src=x onerror=alert(1)> & "ring".png'
    write_image(Path("odd") / name, scenes(1, size=24).images[0])
    code, out, _ = command("explain", image_run, "odd", "--out", "why")
    assert code == 0
    assert "<img src=x" in out
    page = Page(Path("why/explanation.html").read_text(encoding="utf-8"))
    assert len(page.all("img")) == 2
    assert not any("onerror" in element.attributes for element in page.elements)
    assert Path("why/0001_img_src_x_onerror_alert_1_ring.png").exists()


def test_a_class_is_looked_for(command: Command, image_run, photos) -> None:
    words = ("explain", image_run, photos / "disc/", "--limit", 2, "--target", "ring")
    code, out, _ = command(*words, "--out", "why", "--method", "occlusion")
    assert code == 0
    entries = json.loads(Path("why/explanation.json").read_text())["images"]
    assert {(entry["target"], entry["method"]) for entry in entries} == {("ring", "occlusion")}
    assert all(entry["truth"] is None for entry in entries)
    assert out.count("occlusion, faithfulness") == 2


def test_a_list_with_labels_of_its_own_and_a_broken_file(command: Command, image_run, photos):
    Path("broken.png").write_bytes(b"no image")
    rows = [f"{photos / 'disc'}/{p.name},disc" for p in sorted((photos / "disc").iterdir())[:2]]
    rows += [f"{next((photos / 'ring').iterdir())},never seen", "broken.png,ring"]
    Path("list.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    code, out, err = command("explain", image_run, "list.csv", "--out", "why", "--json")
    assert code == 0
    result = json.loads(out)
    assert [entry["truth"] for entry in result["images"]] == ["disc", "disc", None]
    assert [entry["file"] for entry in result["rejected"]] == ["broken.png"]
    assert "1 image cannot be used" in err


def test_an_earlier_explanation_is_replaced_and_nothing_else(
    command, image_run, photos, monkeypatch
):
    one = next((photos / "disc").iterdir())
    assert command("explain", image_run, photos, "--out", "why", "--limit", 2).code == 0
    assert command("explain", image_run, one, "--out", "why").code == 0
    assert len(list(Path("why").glob("0*.png"))) == 1
    before = {path.name: path.read_bytes() for path in Path("why").iterdir()}

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_write_synced", full)
        failed = command("explain", image_run, photos, "--out", "why", "--limit", 2)
        assert failed.code == 1
        assert "free some disk space" in failed.err
    assert {path.name: path.read_bytes() for path in Path("why").iterdir()} == before
    assert [path.name for path in Path().iterdir()] == ["why"]
    Path("why/notes.txt").write_text("mine")
    refused = command("explain", image_run, one, "--out", "why")
    assert (refused.code, "something else" in refused.err) == (1, True)
    assert Path("why/notes.txt").read_text() == "mine"
    refused = command("explain", image_run, one, "--out", image_run)
    assert (refused.code, "something else" in refused.err) == (1, True)


MISTAKES = [
    (2, ("--target", "rng"), "did you mean 'ring'?"),
    (2, ("--method", "gradcam"), "did you mean 'grad-cam'?"),
    (2, ("--method", "cam"), "not linear after global average pooling"),
    (2, ("--limit", 0), "limit must be at least 1"),
    (1, ("--out", "a-file"), "is a file"),
]


@pytest.mark.parametrize(("code", "words", "message"), MISTAKES)
def test_mistakes(command: Command, image_run, photos, code, words, message) -> None:
    Path("a-file").touch()
    given = words if "--out" in words else (*words, "--out", "why")
    outcome = command("explain", image_run, photos, *given)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("why").exists()


def test_sources_that_cannot_be_explained(command: Command, image_run, run, table, photos) -> None:
    for words, message in (
        ((run, photos), "was trained on a table"),
        ((image_run, "nothing"), "no such file"),
        ((image_run, table), "path"),
        (("nowhere", photos), "nowhere"),
        ((image_run, "iris"), "image"),
    ):
        outcome = command("explain", *words, "--out", "why")
        assert outcome.code in (1, 2), words
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
        assert not Path("why").exists()
    assert "--out" in command("explain", image_run, photos).err


def test_the_report_shows_the_maps_of_its_examples(image_run, command: Command) -> None:
    result = json.loads((image_run / "result.json").read_text())
    for entries in result["examples"].values():
        for entry in entries:
            values = np.array(entry["map"]["values"])
            assert values.shape == (16, 16)
            assert np.isfinite(values).all()
            assert entry["map"]["method"] == "grad-cam"
            assert -1 <= entry["map"]["faithfulness"] <= 1
    page = Page((image_run / "report.html").read_text(encoding="utf-8"))
    shown = [e.attributes for e in page.all("img")]
    count = sum(len(entries) for entries in result["examples"].values())
    assert len(shown) == 2 * count
    assert sum("what speaks for" in attributes["alt"] for attributes in shown) == count
    assert (image_run / "report.html").stat().st_size < 1_000_000
    before = (image_run / "report.html").read_bytes()
    copy = Path("copy")
    shutil.copytree(image_run, copy)
    assert command("report", copy).code == 0
    assert (copy / "report.html").read_bytes() == before
