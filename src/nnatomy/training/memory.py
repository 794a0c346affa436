"""Letting the C library keep freed memory, so that large tensors are not mapped anew each step."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>
_LARGEST = 2**30


def keep_freed_memory() -> bool:
    """Raise glibc's limits above which memory goes back to the kernel at once.

    Convolutional and recurrent training allocate the same large blocks in every step; taking them
    from the kernel each time costs 10 to 25 % of the time. The price is that the process keeps
    its peak memory. It concerns the whole process, so programs call it, libraries do not.

    Returns:
        Whether the limits were raised; False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _LARGEST))
