"""The section on the training: findings with evidence, and what was measured by layer."""

from __future__ import annotations

import copy
import json
import math
from xml.etree import ElementTree

import pytest

from nnatomy.report.build import build_document
from nnatomy.report.build_health import health_blocks
from nnatomy.report.document import Figure, Listing, Paragraph, Table
from nnatomy.report.figures_health import health_figure
from nnatomy.report.health import MOST_DRAWN, health_of
from nnatomy.report.html import SIZE_LIMIT, render_html
from nnatomy.report.markdown import render_markdown
from nnatomy.report.verify import verify_report
from nnatomy.report.wording import distinct
from report.page import Page
from report.test_figures import SVG, paths, places, texts

FINDING = {
    "check": "dead_relus",
    "severity": "warning",
    "symptom": "70% of the units are zero.",
    "evidence": [{"what": "share of dead units", "value": 0.7, "limit": "> 0.5"}],
    "remedy": "Lower the learning rate.",
    "lecture": "O14",
    "cause": "learning_rate_too_high",
}


def diagnosis_of(layers=3, looks=4, fed_by="relu", findings=(FINDING,)):
    """A diagnosis.json in which layer i moves by 10^-(i + 1) of its weights at every step."""
    named = [
        {"name": f"layer.{i}", "kind": "Linear", "fed_by": fed_by if i else "input"}
        for i in range(layers)
    ]
    rows = [
        {
            "step": 10 * k + 1,
            "update": [2 * 10.0 ** -(i + 1) for i in range(layers)],
            "weight": [2.0] * layers,
            "gradient": [0.5 * (i + 1) for i in range(layers)],
            "fed_dead": [0.0] + [0.25] * (layers - 1),
            "fed_saturated": [0.0] + [0.75] * (layers - 1),
        }
        for k in range(looks)
    ]
    return {"case": {"layers": named, "rows": rows}, "findings": list(findings)}


def headings(figure):
    root = ElementTree.fromstring(figure.svg)
    return [e.text for e in root.iter(f"{SVG}text") if "strong" in e.get("class", "")]


def test_the_facts_are_the_measurements_by_layer():
    health = health_of(diagnosis_of())
    assert health["measured"]["steps"] == [1, 11, 21, 31]
    assert [entry["values"][0] for entry in health["measured"]["ratio"]] == [0.1, 0.01, 0.001]
    assert [entry["layer"] for entry in health["measured"]["dead"]] == ["layer.1", "layer.2"]
    assert health["measured"]["saturated"] == []
    assert (health["looks"], health["layer_count"]) == (4, 3)
    assert health["findings"] == [FINDING]


def test_shares_belong_to_the_units_that_can_have_them():
    assert headings(health_figure(health_of(diagnosis_of(fed_by="tanh")))) == [
        "Update / weight of a step, logarithmic scale",
        "Share of saturated activations before the layer",
        "Gradient norm, logarithmic scale",
    ]


def test_the_figure_names_its_lines_and_shades_what_is_usual():
    figure = health_figure(health_of(diagnosis_of()))
    words = texts(figure)
    assert headings(figure)[1] == "Share of dead units before the layer"
    assert "usual: 0.0001 to 0.1" in words
    assert {"layer.0 0.1", "layer.1 0.01", "layer.2 0.001"} <= set(words)
    root = ElementTree.fromstring(figure.svg)
    (band,) = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "band"]
    top, bottom = float(band.get("y")), float(band.get("y")) + float(band.get("height"))
    first = places(paths(figure, "train")[0])
    assert first[0][1] == pytest.approx(top), "0.1 is where the band begins"
    last = places(paths(figure, "valid")[0])
    assert last[0][1] == pytest.approx(bottom - (bottom - top) / 3, abs=0.2), "0.001 of 1e-4 … 0.1"
    assert "lowest 0.001, highest 0.001" in figure.alt


def test_a_share_keeps_its_axis():
    figure = health_figure(health_of(diagnosis_of()))
    assert {"0", "1"} <= set(texts(figure))
    dead = places(paths(figure, "valid")[1])
    below = places(paths(figure, "valid")[0])
    assert dead[0][1] > below[0][1]


def test_a_deep_network_shows_some_of_its_layers_and_says_so():
    health = health_of(diagnosis_of(layers=30))
    names = [entry["layer"] for entry in health["measured"]["ratio"]]
    assert len(names) == MOST_DRAWN
    assert (names[0], names[-1]) == ("layer.0", "layer.29")
    figure = health_figure(health)
    assert f"{MOST_DRAWN} of 30 layers are drawn" in figure.caption
    places_of = [
        float(e.get("y"))
        for e in ElementTree.fromstring(figure.svg).iter(f"{SVG}text")
        if (e.text or "").startswith("layer.")
    ]
    assert len(set(places_of)) == len(places_of), "no label lies on another"


def test_layers_that_stand_still_are_named_not_drawn():
    diagnosis = diagnosis_of()
    for row in diagnosis["case"]["rows"]:
        row["update"][1] = 0.0
    figure = health_figure(health_of(diagnosis))
    assert "Without any change, and so not on a logarithmic scale: layer.1." in figure.caption
    assert "layer.1 0.01" not in texts(figure)


@pytest.mark.parametrize("value", ["nan", None, math.nan, math.inf])
def test_values_that_are_not_known_leave_gaps(value):
    diagnosis = diagnosis_of()
    diagnosis["case"]["rows"][1]["update"] = [value] * 3
    diagnosis["case"]["rows"][2].pop("gradient")
    health = health_of(diagnosis)
    assert health["measured"]["ratio"][0]["values"] == [0.1, None, 0.1, 0.1]
    assert health["measured"]["gradient"][0]["values"] == [0.5, 0.5, None, 0.5]
    assert "nan" not in health_figure(health).svg


@pytest.mark.parametrize(
    "diagnosis", [{}, {"case": {}}, diagnosis_of(looks=0), diagnosis_of(layers=0)]
)
def test_without_measurements_there_is_no_figure(diagnosis):
    assert health_figure(health_of(diagnosis)) is None
    blocks = health_blocks({"health": health_of(diagnosis)})
    assert blocks[-1] == Paragraph("The run holds no measurements by layer.")


def test_one_look_is_a_dot():
    assert "circle" in health_figure(health_of(diagnosis_of(looks=1))).svg


def test_findings_stand_with_evidence_limits_cause_and_remedy():
    lead, listing, table, figure = health_blocks({"health": health_of(diagnosis_of())})
    assert lead.text == "1 finding on this training, from 4 measurements; causes first."
    ((head, text),) = listing.items
    assert head == "warning: dead relus"
    assert "Behind it: learning rate too high." in text
    assert "What to do: Lower the learning rate." in text
    assert "item O14" in text
    assert table.rows == (("dead relus", "share of dead units", "0.7", "> 0.5"),)
    assert isinstance(figure, Figure)


def test_a_healthy_training_says_so_in_a_sentence():
    blocks = health_blocks({"health": health_of(diagnosis_of(findings=()))})
    assert blocks[0].text.startswith("No findings: ")
    assert not any(isinstance(block, Listing | Table) for block in blocks)


def test_notes_are_counted_on_their_own():
    note = {**FINDING, "severity": "note", "cause": "dead_relus"}
    lead, listing, *_ = health_blocks({"health": health_of(diagnosis_of(findings=[note]))})
    assert lead.text.startswith("No findings: ")
    assert lead.text.endswith(" 1 note on what may be meant.")
    assert listing.items[0][0] == "note: dead relus"
    lead, *_ = health_blocks({"health": health_of(diagnosis_of(findings=[FINDING, note, note]))})
    assert lead.text == (
        "1 finding on this training, from 4 measurements; causes first, then 2 notes on what may "
        "be meant."
    )


def test_what_was_not_judged_is_said():
    lacking = {"dead_relus": ["activations"], "<b>": ["x", "y"]}
    health = health_of({**diagnosis_of(findings=()), "not_judged": lacking})
    assert Paragraph("Not judged: dead relus (no activations), <b> (no x, no y).", "note") in (
        health_blocks({"health": health})
    )
    blocks = health_blocks({"health": health_of(diagnosis_of())})
    assert not any(isinstance(b, Paragraph) and b.role == "note" for b in blocks)


def test_a_layer_that_is_not_called_leaves_a_gap():
    diagnosis = diagnosis_of()
    for row in diagnosis["case"]["rows"]:
        row["fed_dead"][1] = None
    health = health_of(diagnosis)
    assert health["measured"]["dead"][0]["values"] == [None] * 4
    words = texts(health_figure(health))
    assert "layer.2 0.25" in words
    assert "layer.1 0.25" not in words


def test_the_section_stands_between_curves_and_results_where_it_was_measured(digits, tmp_path):
    facts = {**digits[0], "health": health_of(diagnosis_of())}
    document = build_document(facts)
    anchors = [part.anchor for part in document.sections]
    assert anchors[3:6] == ["curves", "health", "results"]
    assert [part.number for part in document.sections] == list(range(1, 10))
    assert "dead relus" in render_markdown(document)
    html = render_html(document, facts)
    assert Page(html).all("section")[4].attributes["id"] == "health"
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    digits[1].to_csv(tmp_path / "table.csv", index=False)
    assert verify_report(tmp_path / "report.html", tmp_path / "table.csv") == []


def test_hostile_findings_are_shown_as_text(digits):
    finding = {**FINDING, "symptom": "<script>alert(1)</script>", "check": '"><img src=x>'}
    facts = {**digits[0], "health": health_of(diagnosis_of(findings=[finding]))}
    facts["health"]["measured"]["ratio"][0]["layer"] = "</svg><b>"
    page = Page(render_html(build_document(facts), facts))
    assert len(page.all("script")) == 1
    assert not [e for e in page.all("img") if e.attributes["src"] == "x"]
    assert not page.all("b") or all("</svg>" not in e.text for e in page.all("b"))


def test_the_largest_measurements_fit_into_the_page(digits):
    health = health_of(diagnosis_of(layers=200, looks=300))
    assert len(json.dumps(health)) < 200_000
    facts = copy.deepcopy({**digits[0], "health": health})
    assert len(render_html(build_document(facts), facts).encode()) < SIZE_LIMIT / 2


def test_layers_of_a_deep_network_have_names_that_differ():
    diagnosis = diagnosis_of(layers=4)
    names = [f"features.layer{k}.0.{last}" for k in (1, 2) for last in ("conv1", "downsample.0")]
    for layer, name in zip(diagnosis["case"]["layers"], names, strict=True):
        layer["name"] = name
    words = " ".join(texts(health_figure(health_of(diagnosis))))
    for name in names:
        assert f"…{name.removeprefix('features.')} " in words


def test_names_grow_until_they_differ():
    names = ["block1.layer12.conv", "block2.layer12.conv", "head"]
    assert distinct(names, 8) == {name: name for name in names}
    assert distinct(["x.a.conv", "x.b.conv"], 7) == {"x.a.conv": "…a.conv", "x.b.conv": "…b.conv"}
    assert distinct([], 8) == {}
