"""Work done ahead by threads, delivered in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Number of threads for decoding: one a processor, at most eight."""
    return min(8, os.cpu_count() or 1)


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` for every item, in the order of the items.

    Threads end before the iterator does, also when it is closed early or an item fails.

    Args:
        function: Called in a thread; should release the interpreter lock to gain anything.
        items: Taken only as far as they are worked on.
        workers: Number of threads; the results do not depend on it.
        ahead: Results that may wait to be taken.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="nnatomy-prefetch")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
