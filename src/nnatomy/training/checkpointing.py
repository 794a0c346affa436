"""The observer that saves a run: metrics after each epoch, checkpoints when they are due."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from nnatomy.errors import InterruptedRunError, signal_words
from nnatomy.training.checkpoint import load_latest, save
from nnatomy.training.observers import Observer
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.signals import StopRequest
from nnatomy.training.state import State

if TYPE_CHECKING:
    from nnatomy.training.session import Session

_METRICS_LENGTH = "metrics_length"


def resume(folder: RunFolder) -> State | None:
    """The state from which the run in this folder goes on; None when it has to begin.

    The metrics are cut back to what they were at that state.

    Raises:
        RunError: Every checkpoint is damaged, or the metrics cannot be written.
        IntegrityError: Metrics that the checkpoint counts are gone.
    """
    found = load_latest(folder.checkpoints)
    state = None if found is None else found[0]
    folder.truncate_metrics(0 if state is None else state.values.pop(_METRICS_LENGTH))
    return state


class Checkpointer(Observer):
    """Writes metrics and checkpoints into a run folder; saves and reports a requested stop.

    Args:
        folder: The run's folder, begun or resumed with `resume`.
        every_seconds: Time between checkpoints.
        every_steps: Steps between checkpoints besides, or None.
        keep: How many checkpoints remain.
        stop: The request that is also given to `fit`, so that its signal can be reported.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        every_seconds: float = 30.0,
        every_steps: int | None = None,
        keep: int = 2,
        stop: StopRequest | None = None,
    ) -> None:
        self.folder = folder
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.keep = keep
        self.stop = stop
        self._due = monotonic() + every_seconds

    def next_look(self, step: int) -> int | None:
        """Whenever it suits, or the next multiple of `every_steps`."""
        return (
            None if self.every_steps is None else step + self.every_steps - step % self.every_steps
        )

    def on_step(self, session: Session) -> None:
        """Save when a checkpoint is due.

        Raises:
            RunError: The state cannot be saved; older checkpoints are intact.
        """
        if monotonic() >= self._due or (
            self.every_steps is not None and session.step % self.every_steps == 0
        ):
            self._save(session)

    def on_epoch(self, session: Session, row: dict[str, Any]) -> None:
        """Add the epoch's row to the metrics; save when it was the last or when it is time.

        Raises:
            RunError: The row or the state cannot be saved; older checkpoints are intact.
        """
        self.folder.append_metrics(row)
        # The last state is saved with its row and not in on_end, which no run reaches that is
        # killed before.
        if session.stopped or monotonic() >= self._due:
            self._save(session)

    def on_interrupt(self, session: Session) -> None:
        """Save; when a signal asked for the stop, say so.

        Raises:
            InterruptedRunError: A signal asked for the stop and the state is saved.
            RunError: The state cannot be saved; older checkpoints are intact.
        """
        self._save(session)
        if self.stop is not None and self.stop.signal_number is not None:
            raise InterruptedRunError(
                f"stopped by {signal_words(self.stop.signal_number)}; state saved at step "
                f"{session.step}, run the same command again to go on",
                self.stop.signal_number,
            )

    def _save(self, session: Session) -> None:
        state = session.capture()
        state.values[_METRICS_LENGTH] = self.folder.metrics_length()
        save(self.folder.checkpoints, session.step, state, keep=self.keep)
        self._due = monotonic() + self.every_seconds
