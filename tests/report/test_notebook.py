from __future__ import annotations

import copy

import pytest

from nnatomy.report.notebook import html_snippet
from report import cases
from report.page import Page


@pytest.mark.parametrize("name", ["digits", "houses", "hostile", "many"])
def test_the_snippet_is_small_static_and_well_formed(name, request):
    facts = request.getfixturevalue(name)[0]
    html = html_snippet(facts)
    page = Page(html)
    assert len(html.encode()) <= 30_000
    assert not page.all("script")
    assert not page.all("img")
    assert len(page.all("svg")) == 1
    assert "background: none" in html
    assert "currentColor" in html
    assert all(e.attributes["scope"] for e in page.all("th"))


def test_a_long_run_stays_small_and_keeps_its_peaks(digits):
    facts = {**digits[0], "metrics": cases.metric_rows(50_000)}
    facts["metrics"][33_333]["loss"] = 1e6
    html = html_snippet(facts)
    assert len(html.encode()) <= 30_000
    assert "highest 1000000" in html.replace("\u202f", "") or "highest 1e+06" in html


def test_long_texts_of_the_user_are_cut(digits):
    facts = copy.deepcopy(digits[0])
    facts["result"] |= {"network": "n" * 50_000, "source": "s" * 50_000, "report": "r" * 50_000}
    facts["result"]["verdict"]["text"] = "v" * 50_000
    assert len(html_snippet(facts).encode()) <= 30_000


def test_a_snippet_of_no_facts_is_still_a_snippet():
    assert Page(html_snippet({})).all("div")
