"""A report as data: sections of paragraphs, tables, figures and examples, without any markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Align = Literal["left", "right"]


@dataclass(frozen=True)
class Paragraph:
    """Running text.

    Args:
        text: The words.
        role: "lead" for a section's main sentence, "note" for small print.
    """

    kind: ClassVar[str] = "paragraph"
    text: str
    role: Literal["lead", "body", "note"] = "body"


@dataclass(frozen=True)
class Listing:
    """A list of statements, each with an optional short head."""

    kind: ClassVar[str] = "listing"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Something to be typed as it stands."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row.

    Args:
        caption: What the table shows.
        columns: Heading and alignment of each column.
        rows: One text a cell.
        strong: Number of the row to stand out, or None.
        note: Small print below.
        one_line: No cell is broken into lines, however wide the table becomes.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[tuple[str, Align], ...]
    rows: tuple[tuple[str, ...], ...]
    strong: int | None = None
    note: str = ""
    one_line: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture.

    Args:
        title: Short name.
        alt: What the picture says, in words; stands for it where pictures cannot be shown.
        svg: Markup whose text is escaped already.
        caption: How to read it.
    """

    kind: ClassVar[str] = "figure"
    title: str
    alt: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Card:
    """One example record with its prediction.

    Args:
        name: Row or file it comes from.
        truth: The right answer.
        prediction: The network's answer.
        right: Whether both agree; None where that is a matter of degree.
        detail: Probability or error, in words.
        image: A data URI of an image, or "".
        overlay: A data URI of the image under the map of what the network saw in it, or "".
        fields: Column and text of a table's record.
    """

    name: str
    truth: str
    prediction: str
    right: bool | None
    detail: str = ""
    image: str = ""
    overlay: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Example records, and how they were chosen."""

    kind: ClassVar[str] = "gallery"
    title: str
    chosen: str
    cards: tuple[Card, ...]


Block: TypeAlias = "Paragraph | Listing | Code | Table | Figure | Gallery"


@dataclass(frozen=True)
class Section:
    """A numbered part of the report."""

    number: int
    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        title: What was trained on what.
        facts_line: Task, records, date and duration, in a few words each.
        sections: Its parts in order.
    """

    title: str
    facts_line: tuple[str, ...]
    sections: tuple[Section, ...]
