"""The report as Markdown: the same document, figures told in words."""

from __future__ import annotations

import re

from nnatomy.report.document import (
    Block,
    Code,
    Document,
    Figure,
    Gallery,
    Listing,
    Paragraph,
    Table,
)
from nnatomy.report.wording import line, plain

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")


def render_markdown(document: Document) -> str:
    """Write a document as Markdown (with tables); text of the user is shown, never interpreted."""
    parts = [f"# {_words(document.title)}", " · ".join(map(_words, document.facts_line))]
    for section in document.sections:
        parts.append(f"## {section.number} {_words(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _words(text: str) -> str:
    """Text whose markup characters are escaped, in one line."""
    return MARKUP.sub(r"\\\1", line(text, 100_000))


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"**{_words(block.text)}**" if block.role == "lead" else _words(block.text)
    if isinstance(block, Listing):
        return "\n".join(f"- **{_words(head)}** – {_words(text)}" for head, text in block.items)
    if isinstance(block, Code):
        return f"{_words(block.caption)}:\n\n{_indented(block.text)}"
    if isinstance(block, Figure):
        return f"*{_words(block.title)}.* {_words(block.alt)}"
    if isinstance(block, Table):
        return _table(block)
    return _gallery(block)


def _indented(text: str) -> str:
    """A code block by indentation: no fence that the text could close."""
    return "\n".join(f"    {row}" for row in plain(text).splitlines())


def _table(table: Table) -> str:
    heads = [_words(head) for head, _ in table.columns]
    rules = ["---:" if align == "right" else ":---" for _, align in table.columns]
    rows = [heads, rules, *([_words(cell) for cell in row] for row in table.rows)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    note = f"\n\n{_words(table.note)}" if table.note else ""
    return f"**{_words(table.caption)}**\n\n{text}{note}"


def _gallery(gallery: Gallery) -> str:
    rows = [f"### {_words(gallery.title)}\n\n{_words(gallery.chosen)}\n"]
    for card in gallery.cards:
        fields = ", ".join(f"{name} {text}" for name, text in card.fields)
        words = f"{card.name}: predicted {card.prediction}, true {card.truth}"
        rows.append("- " + _words("; ".join(part for part in (words, card.detail, fields) if part)))
    return "\n".join(rows)
