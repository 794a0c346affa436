"""Explained images as one HTML page that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from nnatomy.report.html import template
from nnatomy.report.wording import finite, line, number, percent, plural, signed

_COLORS_WORDS = (
    "Blue speaks for the named class, orange against it; the scale under each picture is its own "
    "and symmetric around zero. The frame is around the largest region of at least 20 % of the "
    "map's maximum."
)
METHODS = {
    "cam": "exact class activation maps: the mean of a map plus the bias is the class score",
    "grad-cam": "Grad-CAM with its sign: the head is not linear, so the maps are weighed by their "
    "mean gradients, which approximates what the head does",
    "occlusion": "occlusion: by how much the class score falls when a patch is covered",
}


def render_explanation(facts: Mapping[str, Any], pictures: Sequence[tuple[str, str]]) -> str:
    """Write explained images as a page.

    Args:
        facts: As in explanation.json.
        pictures: For each image the data URIs of the image and of its overlay.
    """
    cards = [
        {**_card(entry), "image": image, "overlay": overlay}
        for entry, (image, overlay) in zip(facts["images"], pictures, strict=True)
    ]
    return template("explanation.html.j2").render(
        title=line(f"Where {facts['network']} looks", 120),
        source=line(facts["source"], 200),
        model=line(facts["model"], 200),
        shown=_shown(facts),
        method=METHODS[facts["method"]],
        summary=_summary(facts["images"]),
        reading=_COLORS_WORDS,
        cards=cards,
        version=version("nnatomy"),
    )


def text_line(entry: Mapping[str, Any]) -> str:
    """One explained image in one line."""
    card = _card(entry)
    return f"{card['name']}: {card['answer']}; {card['detail']}"


def _shown(facts: Mapping[str, Any]) -> str:
    shown = len(facts["images"])
    if facts["records"] > shown:
        return f"{shown} of {plural(facts['records'], 'image')}, spread evenly over the source"
    return plural(shown, "image")


def _summary(images: Sequence[Mapping[str, Any]]) -> str:
    scores = [entry["faithfulness"] for entry in images]
    better = sum(score > 0 for score in scores)
    return (
        f"Faithfulness {_signed(sum(scores) / len(scores))} on average; "
        f"{better} of {plural(len(scores), 'map')} better than random order."
    )


def _card(entry: Mapping[str, Any]) -> dict[str, Any]:
    prediction = _answer(entry["prediction"])
    probability = entry["probability"]
    answer = prediction if probability is None else f"{prediction}, p = {percent(probability)}"
    truth = entry["truth"]
    right = None
    if truth is not None:
        right = None if probability is None else str(truth) == str(entry["prediction"])
        answer += f" (truth: {_answer(truth)})"
    detail = f"{entry['method']}, faithfulness {_signed(entry['faithfulness'])}"
    if entry["target"] is not None and entry["target"] != entry["prediction"]:
        chance = percent(entry["target_probability"])
        detail = f"map of {_answer(entry['target'])} (p = {chance}), {detail}"
    return {"name": line(entry["name"], 120), "answer": answer, "right": right, "detail": detail}


def _answer(value: object) -> str:
    return number(value) if isinstance(value, float) else line(value, 60)


def _signed(value: object) -> str:
    amount = finite(value)
    return "–" if amount is None else signed(f"{amount:.2f}")
