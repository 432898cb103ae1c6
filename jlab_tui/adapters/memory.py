"""Returns freed memory to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_MISSING = (AttributeError, OSError, TypeError)
"""what another C library than glibc raises"""


def give_back() -> None:
    """Call glibc's malloc_trim, because its allocator keeps the memory of a burst. Takes milliseconds; a no-op elsewhere."""
    with suppress(*_MISSING):
        ctypes.CDLL(None).malloc_trim(0)


def return_large_blocks(least: int = 256 * 1024) -> None:
    """Make glibc return freed blocks of so many bytes and more at once; by default it learns to keep larger and larger ones."""
    with suppress(*_MISSING):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, least)


def use_one_heap() -> None:
    """Make glibc's threads share a heap: each would keep the free memory of its own. Those that have one keep it."""
    with suppress(*_MISSING):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
