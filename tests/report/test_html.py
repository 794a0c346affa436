from __future__ import annotations

import copy
import itertools
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.colors import to_hex

import nnatomy.report.html
from nnatomy.report.build import build_document
from nnatomy.report.html import SIZE_LIMIT, embedded_json, render_html
from report import cases
from report.page import Page, browse

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page_of(facts):
    return render_html(build_document(facts), facts)


@pytest.fixture(scope="module", params=["digits", "houses", "hostile", "many"])
def facts(request):
    return request.getfixturevalue(request.param)[0]


@pytest.fixture(scope="module")
def html(facts):
    return page_of(facts)


def test_every_page_is_well_formed_and_carries_its_policy(html):
    page = Page(html)
    policies = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policies == [POLICY]
    assert [e.attributes["lang"] for e in page.all("html")] == ["en"]
    levels = [e.tag for e in page.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels.count("h1") == 1
    assert all(int(b[1]) - int(a[1]) <= 1 for a, b in itertools.pairwise(levels))


def test_nothing_is_loaded_and_nothing_is_run(html):
    page = Page(html)
    scripts = page.all("script")
    assert [(e.attributes["type"], e.attributes["id"]) for e in scripts] == [
        ("application/json", "facts")
    ]
    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:", "#"))
    assert "url(" not in page.all("style")[0].text
    assert "@import" not in page.all("style")[0].text


def test_every_figure_has_a_title_and_words_and_every_table_scopes(html):
    page = Page(html)
    pictures = page.all("svg")
    assert len(pictures) >= 4
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        assert len(picture.attributes["aria-label"]) > 20
    titles = [e for e in page.all("title") if "svg" in e.inside]
    assert len(titles) == len(pictures)
    assert all(title.text for title in titles)
    assert all("alt" in image.attributes for image in page.all("img"))
    assert page.all("th")
    assert all(e.attributes["scope"] in ("row", "col") for e in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_every_picture_is_xml_and_its_numbers_are_finite(html):
    for markup in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        for element in ElementTree.fromstring(markup).iter():
            for name, value in element.attrib.items():
                if name not in ("aria-label", "class"):
                    assert not re.search("nan|inf|None", value), (element.tag, name, value)


def test_hostile_text_is_shown_as_text(hostile):
    html = page_of(hostile[0])
    page = Page(html)
    assert not [e for e in page.all("img") if e.attributes["src"] == "x"]
    assert len(page.all("h1")) == 1
    assert page.all("h1")[0].text == f"lenet on {cases.HOSTILE[0]}"
    cells = [e.text for e in page.elements if e.tag in ("td", "th", "dd", "dt")]
    for text in cases.HOSTILE[:3]:
        assert text in cells
    assert "\x1b" not in html
    assert "\x00" not in html
    assert "\u202e" not in html


def test_the_embedded_facts_are_the_facts(facts, html):
    script = Page(html).all("script")[0].text
    assert "<" not in script
    assert json.loads(script) == json.loads(json.dumps(facts))


def test_numbers_that_are_not_finite_are_embedded_as_null():
    facts = {"metrics": [{"epoch": 1, "loss": math.nan, "lr": -math.inf, "step": 3}]}
    row = json.loads(embedded_json(facts))["metrics"][0]
    assert row == {"epoch": 1, "loss": None, "lr": None, "step": 3}


@pytest.mark.parametrize(
    ("name", "kibibytes"), [("digits", 300), ("houses", 300), ("hostile", 300), ("many", 400)]
)
def test_typical_pages_are_small(name, kibibytes, request):
    assert len(page_of(request.getfixturevalue(name)[0]).encode()) < kibibytes * 1024


def test_a_page_too_large_drops_its_examples_first_and_says_so(digits):
    facts = copy.deepcopy(digits[0])
    for entry in facts["result"]["examples"]["random"]:
        entry["image"] = "data:image/png;base64," + "A" * 200_000
    before = copy.deepcopy(facts)
    html = page_of(facts)
    assert len(html.encode()) <= SIZE_LIMIT
    assert facts == before
    page = Page(html)
    assert not page.all("img")
    assert "Left out to keep this file under 2 MiB: the examples." in html
    assert "examples" not in json.loads(page.all("script")[0].text)["result"]
    assert "Ranking by probability" in html


def test_a_very_long_run_keeps_the_extremes_of_its_curves(digits):
    facts = {**digits[0], "metrics": cases.metric_rows(12_000)}
    facts["metrics"][7_777]["loss"] = 9.75
    html = page_of(facts)
    assert len(html.encode()) <= SIZE_LIMIT
    rows = json.loads(Page(html).all("script")[0].text)["metrics"]
    assert len(rows) < 12_000
    assert max(row["loss"] for row in rows) == 9.75
    assert "epochs other than the extremes" in html


def test_cividis_is_cividis():
    css = Path(nnatomy.report.html.__file__).with_name("templates") / "report.css"
    found = dict(re.findall(r"svg \.c(\d+) \{ fill: (#[0-9a-f]{6})", css.read_text()))
    colormap = matplotlib.colormaps["cividis"]
    assert found == {str(step): to_hex(colormap(step / 10)) for step in range(11)}


@pytest.mark.parametrize("name", ["digits", "hostile"])
def test_a_browser_asks_for_nothing_and_complains_of_nothing(name, request, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(page_of(request.getfixturevalue(name)[0]), encoding="utf-8")
    log, asked = browse(page, tmp_path, f"--screenshot={tmp_path / 'page.png'}")
    assert asked == []
    assert "CONSOLE" not in log
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_the_browser_check_sees_requests_and_complaints(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no')</script>")
    log, asked = browse(page, tmp_path, f"--screenshot={tmp_path / 'page.png'}")
    assert asked == ["http://127.0.0.1:9/x.png"]
    assert "CONSOLE" in log


def test_it_prints_on_a4(digits, tmp_path):
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(page_of(digits[0]), encoding="utf-8")
    browse(page, tmp_path, f"--print-to-pdf={printed}")
    boxes = re.findall(rb"/MediaBox \[([-\d. ]+)\]", printed.read_bytes())
    assert 4 <= len(boxes) <= 16
    for box in boxes:
        left, bottom, right, top = map(float, box.split())
        assert (left, bottom) == (0, 0)
        assert right == pytest.approx(595, abs=2)
        assert top == pytest.approx(842, abs=2)
