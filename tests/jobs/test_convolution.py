"""Convolution and pooling as a user calls them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nnatomy
from nnatomy.errors import DataError, RunError, SettingError
from nnatomy.jobs.convolution import Illustration
from report.page import Page


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


EXAMPLE = "1 1 1 0 0 / 0 1 1 1 0 / 0 0 1 1 1 / 0 0 1 1 0 / 0 1 1 0 0"
KERNEL = "1 0 1 / 0 1 0 / 1 0 1"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    y, x = np.mgrid[:40, :50]
    path = tmp_path / "photo.png"
    Image.fromarray(np.where(x < 25, 40, 200).astype(np.uint8) + (y % 2).astype(np.uint8)).save(
        path
    )
    return path


@pytest.mark.parametrize("as_what", [np.array, torch.tensor, list, tuple])
def test_numbers_come_in_any_form(as_what: type) -> None:
    rows = [[1, 2, 3], [4, 5, 6]]
    done = nnatomy.convolve(as_what(rows), "1 0 / 0 1")
    assert isinstance(done, Illustration)
    assert done.map.tolist() == [[6, 8]]
    assert nnatomy.pool(as_what(rows)).map.tolist() == [[[5]]]


def test_an_image_file_and_a_named_kernel(photo: Path) -> None:
    done = nnatomy.convolve(photo, "sobel-x")
    assert done.picture
    assert sorted(set(done.map.flatten().tolist())) == [0, 640]  # 4 · 160 at the edge
    assert nnatomy.convolve(str(photo), "identity", padding=1).map.shape == (40, 50)


def test_what_a_notebook_shows() -> None:
    done = nnatomy.convolve(EXAMPLE, KERNEL)
    assert repr(done) == done.text()
    assert repr(done).endswith("4 3 4\n2 4 3\n2 3 4")
    html, svg = done._repr_html_(), done._repr_svg_()
    assert Page(html).all("svg")
    assert "currentColor" in html
    assert 'class="paper"' not in html
    assert 'class="paper"' in svg
    large = nnatomy.convolve(np.random.default_rng(0).normal(size=(300, 300)), "blur")
    assert len(large._repr_html_().encode()) <= 100_000  # noise, in exact colors
    full = nnatomy.convolve(np.arange(144.0).reshape(12, 12) * 1000, "sharpen", padding=0)
    assert len(full._repr_html_().encode()) <= 30_000


def test_another_position() -> None:
    done = nnatomy.convolve(EXAMPLE, KERNEL)
    assert "row 3, column 2 of the map" in repr(done.at(2, 1))
    assert "row 1, column 1 of the map" in repr(done)
    with pytest.raises(SettingError, match="no row 4"):
        done.at(3, 0)


def test_facts_are_plain_and_complete() -> None:
    facts = nnatomy.convolve(EXAMPLE, KERNEL).facts(every=True)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["operation"] == "cross-correlation"
    assert [step["sum"] for step in facts["steps"]] == [4, 3, 4, 2, 4, 3, 2, 3, 4]
    assert (facts["steps"][5]["row"], facts["steps"][5]["column"]) == (2, 3)
    assert np.array(facts["steps"][0]["products"]).sum() == 4
    pooled = nnatomy.pool(EXAMPLE, padding=1).facts()
    assert pooled["operation"] == "max pooling"
    assert pooled["steps"][0]["window"] == [[[None, None], [None, 1.0]]]
    json.dumps(pooled, allow_nan=False)
    large = nnatomy.pool(np.zeros((200, 200)), 2).facts()
    assert large["input"] is None
    assert large["map_shape"] == [1, 100, 100]
    assert large["map"] is not None


def test_files(tmp_path: Path, photo: Path) -> None:
    done = nnatomy.convolve(EXAMPLE, KERNEL)
    assert done.save(tmp_path / "a.svg").read_text() == done.svg()
    assert done.save(tmp_path / "a.csv").read_text() == "4,3,4\n2,4,3\n2,3,4\n"
    again = nnatomy.convolve(tmp_path / "a.csv", "1").map
    assert (again == done.map).all()
    assert opened(done.save(tmp_path / "a.png")).size == (255, 255)
    page = Page(done.save(str(tmp_path / "a.html")).read_text())
    assert len(page.all("svg")) == 1
    assert "1·1 + 1·0 + 1·1 + 0·0 + 1·1 + 1·0 + 0·1 + 0·0 + 1·1 = 4" in page.all("pre")[0].text
    assert "cross-correlation" in page.all("p")[-1].text
    assert not page.all("script")

    kept = opened(nnatomy.convolve(photo, "identity").save(tmp_path / "b.png"))
    assert (np.asarray(kept) == np.asarray(opened(photo))[1:-1, 1:-1]).all()
    edges = opened(nnatomy.convolve(photo, "sobel-x").save(tmp_path / "c.png"))
    assert edges.mode == "RGB"
    assert not Page(nnatomy.convolve(photo, "blur").html()).all("pre")


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.html.gz"])
def test_files_of_other_kinds_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"written as \.svg, \.html"):
        nnatomy.convolve(EXAMPLE, KERNEL).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        nnatomy.convolve(EXAMPLE, KERNEL).save(tmp_path / "no" / "a.svg")


def test_several_maps_do_not_fit_into_one_table(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="2 channels"):
        nnatomy.pool("1 2 / 3 4 | 5 6 / 7 8").save(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("given", "kernel", "kind", "words"),
    [
        ([[1, 2], [3]], "1", DataError, "rows of one length"),
        ([["a", "b"]], "1", DataError, "numbers"),
        ([[1, np.nan]], "1", DataError, "not finite"),
        (np.ones((2, 2), dtype=bool), "1", DataError, "numbers are needed"),
        ([[1j]], "1", DataError, "numbers are needed"),
        ([], "1", DataError, "input of shape"),
        ([[1, 2]], [[[[1]]]], DataError, "kernel of shape"),
        ("1 2 / 3 4", "sharp", SettingError, "did you mean 'sharpen'"),
        ("1 2 / 3 4", "sharpen", SettingError, "does not fit into 2 pixels"),
        ("1 2 / 3 4", "", DataError, "no such file"),
        ("1e300", "1e300", DataError, "beyond 1e308"),
        ("none.csv", "1", DataError, "none.csv: no such file"),
    ],
)
def test_mistakes(given: object, kernel: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        nnatomy.convolve(given, kernel)  # type: ignore[arg-type]
