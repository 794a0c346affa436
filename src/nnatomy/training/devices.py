"""Where to compute, in which precision, and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.models.summary import count_multiplications
from nnatomy.training.inference import has_filters

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_DEVICES = ("cpu", "cuda", "mps")

SINGLE_THREAD_PRODUCTS = {"dense": 3_000_000, "convolutional": 30_000_000}
"""Multiplications of a forward pass of one batch below which one thread is at least as fast as
two: the crossings measured by bench/threads.py. Small convolutions share their work badly."""


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" takes a GPU when there is one.

    Raises:
        SettingError: The name is no device that networks are trained on, or it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.split(":")[0] not in _DEVICES:
        raise SettingError(f"device '{name}' is unknown: auto, {', '.join(_DEVICES)}")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"device '{name}' cannot be used: {reason}; try --device cpu") from None
    return device


def mixed_precision(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """A context in which matrix products run in bfloat16 where the device is fast at it.

    On a CPU "auto" stays in float32: without matrix units made for it bfloat16 is many times
    slower there.
    """
    wanted = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()


def threads_for(network: nn.Module, input_shape: tuple[int, ...], batch_size: int) -> int:
    """Threads that suit a network on the CPU: one when a step is too short to share.

    The choice depends on sizes only, never on a clock, so that a run can be repeated to the bit.
    """
    products = count_multiplications(network, input_shape) * batch_size
    limit = SINGLE_THREAD_PRODUCTS["convolutional" if has_filters(network) else "dense"]
    return 1 if products < limit else torch.get_num_threads()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Compute with this many threads inside the block."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)


@cache
def _linear_algebra() -> ThreadpoolController:
    """The BLAS library that compiled code calls, loaded."""
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Let BLAS compute with this many threads inside the block."""
    limited: AbstractContextManager[object] = _linear_algebra().limit(limits=count, user_api="blas")
    return limited


@contextmanager
def repeatable() -> Iterator[None]:
    """Let a GPU convolve by algorithms that give the same bits again inside the block."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from generators seeded anew inside the block; the caller's are untouched."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        yield
