"""Returns memory to the system after a burst, which glibc's allocator would keep. Does nothing elsewhere."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3
LARGE_BLOCK = 256 * 1024


def return_large_blocks() -> None:
    """Make glibc return large blocks as soon as they are freed; by default it learns to keep them."""
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
    except (AttributeError, OSError):
        pass


def trim_heap() -> None:
    """Return all free memory."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass
