"""Observers watch a run without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnatomy.training.session import Session


def watches(observer: Observer, event: str) -> bool:
    """Whether an observer does something at an event, e.g. "on_step"."""
    own = getattr(observer, event)
    return getattr(own, "__func__", own) is not getattr(Observer, event)


class Observer:
    """Base of observers: every method is empty, so that an observer writes only those it needs.

    An observer reads the session; it never changes weights, order or random state, so that a
    watched run is bit-identical to an unwatched one.
    """

    def next_look(self, step: int) -> int | None:
        """The number of steps after which `on_step` must be called next, when `step` are done.

        Compiled steps are computed many at a time up to there. None leaves it to them; they then
        call `on_step` now and then. By default every step is looked at.
        """
        return step + 1

    def on_start(self, session: Session) -> None:
        """Called once before the first step (also after resumption)."""

    def on_step(self, session: Session) -> None:
        """Called after a weight update, see `next_look`."""

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """Called after each epoch with its history row."""

    def on_end(self, session: Session) -> None:
        """Called once after the last epoch, with the best weights in place."""

    def on_interrupt(self, session: Session) -> None:
        """Called at a step boundary when a stop was requested before the end."""
