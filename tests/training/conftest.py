"""One worker process for all tests of this package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults import Worker, strace_path


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def strace() -> str:
    return strace_path()
