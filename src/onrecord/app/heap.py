"""How the C library keeps memory, for a process that computes on arrays of some megabytes again and again."""

import contextlib
import ctypes
from typing import Final

# Parameters of mallopt(3).
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

LARGEST_BYTES: Final = 8 << 20
"""The largest array that is made of memory that was used before: twenty seconds at 48 kHz are half of it."""


def keep_memory() -> None:
    """Keep some megabytes of freed memory; to be called before there are threads.

    By itself the library gives each large array back to the kernel, which clears new pages for the next
    one: a fifth of what mastering costs. Two pools are enough for threads that take turns anyway. Where the
    library has no such choice nothing happens.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 2)
        mallopt(_MMAP_THRESHOLD, LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * LARGEST_BYTES)
