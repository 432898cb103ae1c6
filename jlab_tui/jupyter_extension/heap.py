"""Memory back to the system after a burst: glibc's allocator keeps what it once got. Elsewhere these do nothing."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3
LARGE_BLOCK = 256 * 1024


def return_large_blocks() -> None:
    """Return large blocks as soon as they are freed; by default glibc learns to keep those of a burst."""
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
    except (AttributeError, OSError):
        pass


def trim_heap() -> None:
    """Return what lies free."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass
