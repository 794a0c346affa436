"""Figures and page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image

from nnatomy.errors import RunError
from nnatomy.lecture.catalog import EXPERIMENTS
from nnatomy.lecture.page import drawn, words_of, write_page
from nnatomy.report.projector import spread_out

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


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.2, 0.5, 0.9], [0.2, 0.5, 0.9]),
        ([0.5, 0.5, 0.5], [0.4, 0.5, 0.6]),  # both ways from where they would be
        ([0.0, 0.0], [0.0, 0.1]),  # never below the axes
        ([0.95, 1.0], [0.9, 1.0]),
        ([0.3, 0.36, 0.8], [0.28, 0.38, 0.8]),
    ],
)
def test_names_are_moved_apart_as_little_as_can_be(
    places: list[float], expected: list[float]
) -> None:
    assert spread_out(places, 0.1) == pytest.approx(expected)


def test_no_figure_leaves_a_curve_out() -> None:
    """Every line with finite values has a part inside of its axes."""
    for item in ("O12", "P2", "P3", "P4"):
        for figure in EXPERIMENTS[item]().figures:
            canvas = Canvas(figsize=figure.size)
            figure.draw(canvas)
            for axes in canvas.axes:
                low, high = axes.get_ylim()
                for line in axes.get_lines():
                    y = np.asarray(line.get_ydata(), dtype=float)
                    assert ((y >= low) & (y <= high)).any(), (figure.name, line)
