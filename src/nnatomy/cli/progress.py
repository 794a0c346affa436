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
        say_if_compiling(session)
        self._live = LiveProgress(session.settings.epochs, monitor=session.settings.monitor)
        self._live.remember(session.history)

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """Show the epoch."""
        if self._live is not None:
            self._live.row(row)

    def on_end(self, session: Session) -> None:
        """End the live line; what comes next says itself."""
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was, however the training ended."""
        if self._live is not None:
            self._live.close()
            self._live = None


def say_if_compiling(session: Session) -> None:
    """Explain the pause before the first epoch of the first dense network on a machine."""
    if session.engine != "compiled":
        return
    from nnatomy.compilation import lies_ready
    from nnatomy.training.dense_kernel import learn

    if not lies_ready(learn):
        say("compiling the steps of dense networks, once on this machine: about twelve seconds")


class CompilingNote(Observer):
    """Explains the pause before the first of several networks, once."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, session: Session) -> None:
        """Explain it, if there is one."""
        if not self._said:
            say_if_compiling(session)
        self._said = True
