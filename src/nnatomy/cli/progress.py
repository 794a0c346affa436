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
        self._live = LiveProgress(session.settings.epochs)
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
        say("compiling the steps of dense networks, once on this machine: about eight seconds")


class Counted(Observer):
    """Says of each of several networks when it has ended.

    A session that cannot go on tells no observer: it is found by its error when another begins or
    ends, and by `close`.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self.count, self.done = count, 0
        self._running: list[Session] = []
        self._begun = False

    def on_start(self, session: Session) -> None:
        """Explain a pause."""
        if not self._begun:
            say_if_compiling(session)
        self._begun = True
        self.close()
        self._running.append(session)

    def on_end(self, session: Session) -> None:
        """Say how many have ended, and how this one did."""
        self.close()
        self._running.remove(session)
        row = session.history[session.rules.best_epoch - 1]
        self._say(session, f"best {row['valid_score']:.4g} @ {row['epoch']}")

    def close(self) -> None:
        """Say which have diverged since the last time."""
        for session in [s for s in self._running if s.error is not None]:
            self._running.remove(session)
            self._say(session, "diverged")

    def _say(self, session: Session, outcome: str) -> None:
        self.done += 1
        say(
            f"{self.done}/{self.count}  seed {session.settings.seed}  {session.engine}  "
            f"{session.epoch} epochs  {outcome}"
        )
