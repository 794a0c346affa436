"""The progress of a training run on the terminal."""

from __future__ import annotations

from typing import Any

from nnatomy.cli.output import say
from nnatomy.report.terminal import LiveProgress
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session


class Progress(Observer):
    """Shows each epoch as it ends."""

    def __init__(self) -> None:
        self._live: LiveProgress | None = None

    def on_start(self, session: Session) -> None:
        """Begin with the epochs still to come."""
        self._live = LiveProgress(session.settings.epochs)
        self._live.remember(session.history)

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """Show the epoch."""
        if self._live is not None:
            self._live.row(row)

    def on_end(self, session: Session) -> None:
        """Say what comes next."""
        self.close()
        say("fitting the baselines and writing the report")

    def close(self) -> None:
        """Leave the terminal as it was, however the training ended."""
        if self._live is not None:
            self._live.close()
            self._live = None
