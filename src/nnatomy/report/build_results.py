"""The report's sections on the test set: how right the network is, and examples of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nnatomy.report.document import Block, Card, Gallery, Paragraph, Table
from nnatomy.report.facts import Facts
from nnatomy.report.figures_classes import (
    area_under,
    calibration_figure,
    per_class_figure,
    ranking_figure,
)
from nnatomy.report.figures_confusion import confusion_figure, mistakes_table
from nnatomy.report.figures_values import residual_figure
from nnatomy.report.overlay import example_overlay
from nnatomy.report.wording import count, finite, line, number, percent, score, signed

MOST_CLASSES = 120
MOST_FIELDS = 8
_MAPS = (
    "Under each image: where the network saw what it predicted. Blue speaks for the predicted "
    "class, orange against it, each map on a scale of its own. Its faithfulness says how much "
    "better the map tells which pixels matter than chance does: above 0 better, 0 no better."
)
IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def result_blocks(facts: Facts) -> list[Block]:
    """Confusion, scores by class, calibration and ranking; or residuals."""
    result = facts.get("result", {})
    evaluation = result.get("evaluation") or {}
    if result.get("task") == "regression":
        figure = residual_figure(evaluation.get("points") or [], evaluation.get("residuals") or {})
        return [figure or Paragraph("The run holds no predictions to draw.")]
    blocks: list[Block] = []
    labels = [str(label) for label in result.get("classes") or []]
    matrix = evaluation.get("confusion")
    if matrix and len(labels) == len(matrix):
        blocks.append(confusion_figure(matrix, labels))
        if table := mistakes_table(matrix, labels):
            blocks.append(table)
    else:
        blocks.append(Paragraph("The run holds no confusion matrix."))
    per_class = evaluation.get("per_class") or []
    if figure := per_class_figure(per_class):
        blocks += [figure, _class_table(per_class, evaluation.get("roc") or [])]
    else:
        blocks.append(Paragraph("The run holds no scores by class."))
    calibration = calibration_figure(evaluation.get("calibration") or [])
    blocks.append(calibration or Paragraph("The run holds no calibration."))
    ranking = ranking_figure(evaluation.get("roc") or [], evaluation.get("pr") or [])
    blocks.append(ranking or Paragraph("The run holds no ROC or precision–recall curves."))
    return blocks


def example_blocks(facts: Facts) -> list[Block]:
    """Test records chosen at random, and those with the largest error."""
    result = facts.get("result", {})
    examples = result.get("examples") or {}
    chosen = (
        (
            "random",
            "Random",
            "Drawn at random from the test set, whatever the network says of them.",
        ),
        ("worst", "Worst", "The test records on which the network is most wrong."),
    )
    blocks: list[Block] = []
    for key, title, how in chosen:
        cards = tuple(_card(entry, result.get("task")) for entry in examples.get(key) or [])
        if cards:
            blocks.append(Gallery(title, how, cards))
    if blocks and any(card.overlay for block in blocks for card in getattr(block, "cards", ())):
        blocks.insert(0, Paragraph(_MAPS))
    return blocks or [Paragraph("This report holds no examples.")]


def _class_table(per_class: list[dict[str, Any]], roc: list[dict[str, Any]]) -> Table:
    areas = {str(curve.get("label")): area_under(curve) for curve in roc}
    rows = tuple(
        (
            line(entry.get("label"), 60),
            percent(entry.get("precision")),
            percent(entry.get("recall")),
            score(entry.get("f1")),
            score(areas.get(str(entry.get("label")))),
            count(entry.get("n")),
        )
        for entry in per_class[:MOST_CLASSES]
    )
    rest = len(per_class) - len(rows)
    return Table(
        caption="Scores by class",
        columns=(
            ("Class", "left"),
            ("Precision", "right"),
            ("Recall", "right"),
            ("F1", "right"),
            ("ROC area", "right"),
            ("n", "right"),
        ),
        rows=rows,
        note=f"The first {MOST_CLASSES} classes; result.json has {rest} more." if rest else "",
    )


def _card(entry: Mapping[str, Any], task: object) -> Card:
    truth, prediction = entry.get("truth"), entry.get("prediction")
    fields = list((entry.get("row") or {}).items())
    shown = tuple((line(name, 40), line(text, 80)) for name, text in fields[:MOST_FIELDS])
    if len(fields) > MOST_FIELDS:
        shown = (*shown, ("…", f"{len(fields) - MOST_FIELDS} more columns"))
    image = str(entry.get("image") or "")
    return Card(
        name=line(entry.get("name", ""), 80),
        truth=_answer(truth),
        prediction=_answer(prediction),
        right=str(truth) == str(prediction) if task == "classification" else None,
        detail=_detail(entry, task),
        image=image if IMAGE.fullmatch(image) else "",
        overlay=example_overlay(entry) if IMAGE.fullmatch(image) else "",
        fields=shown,
    )


def _answer(value: object) -> str:
    return number(value) if isinstance(value, float) else line(value, 60)


def _detail(entry: Mapping[str, Any], task: object) -> str:
    if task == "classification":
        probability = entry.get("probability")
        words = [] if probability is None else [f"p = {percent(probability)}"]
        faithfulness = finite((entry.get("map") or {}).get("faithfulness"))
        if faithfulness is not None:
            words.append(f"faithfulness {signed(f'{faithfulness:.2f}')}")
        return ", ".join(words)
    truth, prediction = finite(entry.get("truth")), finite(entry.get("prediction"))
    if truth is None or prediction is None:
        return ""
    return f"error {number(prediction - truth, 3)}"
