"""A run in a notebook: a small static picture of it, and the same in text."""

from __future__ import annotations

import io

from markupsafe import Markup
from rich.console import Console

from nnatomy.report.build import comparison_rows
from nnatomy.report.facts import Facts
from nnatomy.report.figures_curves import curves_figure
from nnatomy.report.html import template
from nnatomy.report.terminal import print_terminal
from nnatomy.report.wording import baseline_name, finite, line

WIDTH = 100  # columns of the text


def html_snippet(facts: Facts) -> str:
    """Verdict, metrics and curves as at most 30 KB of HTML for `_repr_html_`.

    A static picture without script, with a transparent background and the notebook's own text
    color, so that it survives conversion and dark themes.
    """
    result = facts.get("result", {})
    figure = curves_figure(
        facts.get("metrics") or [],
        finite(result.get("best_epoch")),
        score=str(result.get("primary", "accuracy")),
        brief=True,
    )
    return template("snippet.html.j2").render(
        title=line(f"{result.get('network', 'network')} on {result.get('source', 'data')}", 120),
        verdict=line((result.get("verdict") or {}).get("text", ""), 600),
        network=line(result.get("network", "network"), 40),
        baselines=[baseline_name(name) for name in result.get("baseline") or {}],
        rows=comparison_rows(result),
        svg=Markup(figure.svg) if figure else "",
        report=line(result.get("report", ""), 300),
    )


def text_snippet(facts: Facts) -> str:
    """The outcome of a run in plain text, complete, for `__repr__`."""
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, force_terminal=False, no_color=True)
    print_terminal(facts, console)
    return "\n".join(row.rstrip() for row in stream.getvalue().splitlines())
