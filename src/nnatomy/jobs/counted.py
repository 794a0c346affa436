"""What is said of each of several networks as it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from nnatomy.training.observers import Observer
from nnatomy.training.session import Session


class Counted(Observer):
    """Says of each of several networks when it has ended.

    A session that cannot go on tells no observer: it is found by its error when another begins or
    ends, and by `close`.

    Args:
        names: How each network is called, e.g. "activation=tanh seed=0".
        say: Receives the lines.
    """

    def __init__(self, names: Mapping[nn.Module, str], say: Callable[[str], None]) -> None:
        self._names, self._say = names, say
        self._done = 0
        self._running: list[Session] = []

    def on_start(self, session: Session) -> None:
        """Expect its end."""
        self.close()
        self._running.append(session)

    def on_end(self, session: Session) -> None:
        """Say how it did."""
        self.close()
        self._running.remove(session)
        row = session.history[session.rules.best_epoch - 1]
        score = f"{session.objective.score_name} {row['valid_score']:.4g}"
        self._ended(session, f"{score} in epoch {row['epoch']}")

    def close(self) -> None:
        """Say which have diverged since the last time."""
        for session in [s for s in self._running if s.error is not None]:
            self._running.remove(session)
            self._ended(session, "diverged")

    def _ended(self, session: Session, outcome: str) -> None:
        self._done += 1
        name = self._names[session.network]
        self._say(f"{self._done}/{len(self._names)}  {name}: {outcome}")
