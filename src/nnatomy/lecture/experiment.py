"""What an experiment of the lecture gives: rows for the table and figures for the projector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nnatomy.lecture.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True)
class Figure:
    """A picture, drawn only when it is wanted.

    Args:
        name: Of the file, e.g. "O4_step_size".
        title: One line that says what is to be seen.
        caption: What was done, with the settings, in a sentence or two.
        draw: Draws on an empty matplotlib figure.
        size: Width and height in inches.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Canvas], None]
    size: tuple[float, float] = (12.0, 6.75)


@dataclass(frozen=True)
class Experiment:
    """Rows and figures of one item of the lecture."""

    rows: list[Row]
    figures: list[Figure] = field(default_factory=list)
