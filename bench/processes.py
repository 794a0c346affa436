"""Experiments that do not wait for each other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import torch

from nnatomy.training.memory import keep_freed_memory

Asked = TypeVar("Asked")
Result = TypeVar("Result")


def side_by_side(
    experiment: Callable[[Asked], Result], asked: Iterable[Asked], processes: int
) -> Iterator[Result]:
    """The results in the order of `asked`; several processes have one thread each."""
    if processes == 1:
        yield from map(experiment, asked)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin) as pool:
        yield from pool.map(experiment, asked)


def _begin() -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
