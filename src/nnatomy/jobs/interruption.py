"""Signals outside the training loop: the work is left at once, since it can be done again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nnatomy.errors import InterruptedRunError, signal_words


@contextmanager
def leave_at_signal(when: str, then: str = "run the same command again to go on") -> Iterator[None]:
    """Leave the block where SIGINT or SIGTERM arrives, for work that keeps nothing half-done.

    Python delivers signals to the main thread only: in any other one nothing changes.

    Args:
        when: What was going on and what is saved, for the message; may be empty.
        then: What the user may do next.

    Raises:
        InterruptedRunError: A signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def leave(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1 or number == signal.SIGINT:
            # Not an Exception: libraries take those for a fault of the record they work on.
            raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if not received:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise InterruptedRunError(
            f"stopped by {signal_words(received[0])}{when and f' {when}'}: {then}",
            received[0],
        )
