"""Returns freed memory to the system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3


def give_back() -> None:
    """Call glibc's malloc_trim, because its allocator keeps the memory of a burst. Takes milliseconds; a no-op elsewhere."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def return_large_blocks() -> None:
    """Make glibc return freed blocks above 256 kB at once; by default it learns to keep larger and larger ones."""
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
    except (AttributeError, OSError, TypeError):
        pass
