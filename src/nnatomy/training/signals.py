"""SIGINT and SIGTERM as requests: the run stops where its state can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether, and by which signal, the run was asked to stop. Calling it answers yes or no."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        """Whether a stop was requested."""
        return self.signal_number is not None

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Record the first signal.

        Raises:
            KeyboardInterrupt: Ctrl-C after a stop was requested: the user will not wait.
        """
        if self.signal_number is None:
            self.signal_number = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a stop request while the block runs.

    Python delivers signals to the main thread only: in any other one the request stays unset.

    >>> with catch_signals() as stop:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     stop(), stop.signal_number == signal.SIGTERM
    (True, True)
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {
        number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
