"""Observers watch a run without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnatomy.training.session import Session


class Observer:
    """Base of observers: every method is empty, so that an observer writes only those it needs.

    An observer reads the session; it never changes weights, order or random state, so that a
    watched run is bit-identical to an unwatched one.

    Attributes:
        every_step: Whether `on_step` needs to see each single step. Without such an observer
            compiled steps are computed many at a time, and `on_step` is called between.
    """

    every_step = True

    def on_start(self, session: Session) -> None:
        """Called once before the first step (also after resumption)."""

    def on_step(self, session: Session) -> None:
        """Called after each weight update."""

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """Called after each epoch with its history row."""

    def on_end(self, session: Session) -> None:
        """Called once after the last epoch, with the best weights in place."""

    def on_interrupt(self, session: Session) -> None:
        """Called at a step boundary when a stop was requested before the end."""
