from __future__ import annotations

import copy
import subprocess
import sys

import pytest

from nnatomy.report.build import build_document
from nnatomy.report.document import Figure, Gallery, Paragraph, Table
from nnatomy.report.html import render_html
from nnatomy.report.markdown import render_markdown
from report import cases


def section(document, anchor):
    return next(part for part in document.sections if part.anchor == anchor)


def titles(part, kind):
    return [getattr(b, "title", getattr(b, "caption", "")) for b in part.blocks if type(b) is kind]


def test_the_sections_stand_in_order_and_are_numbered_without_gaps(digits):
    document = build_document(digits[0])
    anchors = [part.anchor for part in document.sections]
    assert anchors[:4] == ["verdict", "data", "architecture", "curves"]
    assert anchors[4:] == ["results", "examples", "reproduce", "caveats"]
    assert [part.number for part in document.sections] == list(range(1, 9))


def test_the_verdict_states_metric_interval_n_and_every_baseline(digits):
    facts, frame = digits
    part = section(build_document(facts), "verdict")
    words = " ".join(block.text for block in part.blocks if isinstance(block, Paragraph))
    right = (frame["truth"] == frame["prediction"]).mean()
    assert f"{100 * right:.1f}" in words
    assert "Wilson 95 %" in words
    assert "n = 360" in words
    table = next(block for block in part.blocks if isinstance(block, Table))
    assert len(table.columns) == 4 + 3
    assert table.rows[table.strong][0] == "Accuracy"
    assert "boosting" in titles(part, Figure)[0] or "baselines" in titles(part, Figure)[0]


def test_a_classification_shows_confusion_classes_calibration_and_ranking(digits):
    part = section(build_document(digits[0]), "results")
    assert titles(part, Figure) == [
        "Confusion matrix",
        "Scores by class",
        "Calibration",
        "Ranking by probability",
    ]


def test_a_regression_shows_its_residuals(houses):
    part = section(build_document(houses[0]), "results")
    assert titles(part, Figure) == ["Predictions and residuals"]


def test_examples_are_labelled_random_and_worst(digits):
    part = section(build_document(digits[0]), "examples")
    galleries = [block for block in part.blocks if isinstance(block, Gallery)]
    assert [gallery.title for gallery in galleries] == ["Random", "Worst"]
    assert not any(card.right for card in galleries[1].cards)
    assert all(card.image.startswith("data:image/png") for card in galleries[0].cards)


def test_only_embedded_images_are_shown(hostile):
    part = section(build_document(hostile[0]), "examples")
    random = next(block for block in part.blocks if isinstance(block, Gallery))
    assert random.cards[0].image == ""
    assert random.cards[1].image != ""


KEYS = (
    "config",
    "env",
    "data_report",
    "metrics",
    "result",
    *(
        f"result.{key}"
        for key in (
            "verdict",
            "metrics",
            "baseline",
            "splits",
            "architecture",
            "evaluation",
            "examples",
            "classes",
            "best_epoch",
            "command",
            "seed",
            "source",
        )
    ),
    *(f"result.evaluation.{key}" for key in ("confusion", "per_class", "calibration", "roc", "pr")),
)


@pytest.mark.parametrize("path", KEYS)
def test_a_missing_part_breaks_nothing(digits, path):
    facts = copy.deepcopy(digits[0])
    *parents, last = path.split(".")
    place = facts
    for parent in parents:
        place = place[parent]
    del place[last]
    document = build_document(facts)
    assert len(document.sections) == 8
    assert all(part.blocks for part in document.sections)
    assert render_html(document, facts)
    assert render_markdown(document)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("evaluation", "no confusion matrix"),
        ("examples", "no examples"),
        ("architecture", "no description"),
    ],
)
def test_what_is_missing_is_said(digits, part, words):
    facts = {**digits[0], "result": {k: v for k, v in digits[0]["result"].items() if k != part}}
    assert words in render_markdown(build_document(facts))


def test_a_run_of_one_epoch_has_curves():
    facts, _ = cases.classification(n=50, epochs=1)
    part = section(build_document(facts), "curves")
    assert titles(part, Figure) == ["Learning curves"]
    assert "Trained for 1 epoch." in part.blocks[0].text


def test_losses_that_are_not_finite_leave_the_rest_of_the_curve(digits):
    facts = copy.deepcopy(digits[0])
    facts["metrics"][3]["loss"] = "nan"
    facts["metrics"][4]["loss"] = float("inf")
    document = build_document(facts)
    assert titles(section(document, "curves"), Figure) == ["Learning curves"]
    assert "Loss not finite" in render_markdown(document)


def test_the_report_package_does_not_import_torch():
    modules = ["build", "caveats", "facts", "html", "markdown", "notebook", "terminal", "verify"]
    imports = "; ".join(f"import nnatomy.report.{name}" for name in modules)
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_markdown_shows_the_text_of_the_user_and_never_interprets_it(hostile):
    text = render_markdown(build_document(hostile[0]))
    bare = text.replace("\\<", "")
    code = [row for row in bare.splitlines() if row.startswith("    ")]
    outside = [row for row in bare.splitlines() if not row.startswith("    ")]
    assert not any("<" in row for row in outside)
    assert code
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_markdown_tables_have_as_many_cells_as_heads(digits, hostile):
    for facts, _ in (digits, hostile):
        width = None
        for row in render_markdown(build_document(facts)).splitlines():
            cells = row.replace("\\|", "").count("|") if row.startswith("|") else None
            if cells is not None and width is not None:
                assert cells == width
            width = cells


def test_layers_show_their_numbers_first_and_each_formula_once(digits):
    facts, _ = digits
    blocks = section(build_document(facts), "architecture").blocks
    layers, formulas = (block for block in blocks if isinstance(block, Table))
    assert [head for head, _ in layers.columns] == [
        *("Name", "Output", "Parameters", "Multiplications", "Sees", "Layer")
    ]
    assert layers.one_line
    assert [row for row in formulas.rows if row[0] == "ReLU"] == [("ReLU", "y = max(0, z)")]
    page = render_html(build_document(facts), facts)
    assert page.count('<td class="left">y = max(0, z)</td>') == 1
    assert '<div class="table one-line"' in page
