"""Figures and page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from nnatomy.errors import RunError
from nnatomy.lecture.catalog import EXPERIMENTS
from nnatomy.lecture.page import drawn, words_of, write_page

ITEMS = ("O1", "O2", "O4", "O5", "O7", "P1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lecture") / "new"
    page = write_page(folder, {item: EXPERIMENTS[item]() for item in ITEMS})
    assert page == folder / "index.html"
    return folder


def test_files(folder: Path) -> None:
    rows = json.loads((folder / "rows.json").read_text())
    assert {row["id"] for row in rows} == set(ITEMS)
    assert list(rows[0]) == ["id", "what", "slide", "computed", "verdict", "reason"]
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {path.stem for path in folder.glob("*.svg")}
    assert {"O5_xor", "P1_boundaries", "P1_losses"} <= names
    assert not list(folder.glob(".unfinished*"))


def test_page_needs_nothing_from_outside(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", text)
    assert "<script" not in text
    assert len(text) < 2 * 2**20
    for item in ITEMS:
        assert f'id="{item}"' in text
    assert "h1 + h2 - 1 does not give" in text


@pytest.mark.parametrize("item", EXPERIMENTS)
def test_every_figure_can_be_drawn(item: str) -> None:
    for figure in EXPERIMENTS[item]().figures:
        svg, png = drawn(figure)
        assert svg.lstrip().startswith(b"<?xml")
        picture = Image.open(io.BytesIO(png)).convert("L")
        assert picture.width > 900
        assert picture.getextrema()[0] < 100 < picture.getextrema()[1]
        assert figure.caption.endswith(".")


def test_the_same_figure_is_the_same_file() -> None:
    figure = EXPERIMENTS["O5"]().figures[0]
    assert drawn(figure) == drawn(figure)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    with pytest.raises(RunError, match="cannot be written"):
        write_page(blocked, {"O3": EXPERIMENTS["O3"]()})
    assert blocked.read_text() == "mine"


def test_words() -> None:
    assert words_of(None) == "–"
    assert words_of([1.0, -0.25]) == "1, -0.25"
    assert words_of(0.123456789) == "0.12346"
    assert words_of("text") == "text"
