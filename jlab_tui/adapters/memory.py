"""Returns freed memory to the system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3


def give_back() -> None:
    """glibc's malloc_trim: its allocator keeps what a burst took; elsewhere nothing. Takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def return_large_blocks() -> None:
    """glibc: blocks above 256 kB always go back when they are freed; else it learns to keep blocks of the sizes it saw."""
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
    except (AttributeError, OSError, TypeError):
        pass
