"""Returns freed memory to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_MISSING = (AttributeError, OSError, TypeError)
"""what another C library than glibc raises"""


def give_back() -> None:
    """Call glibc's malloc_trim, because its allocator keeps the memory of a burst. Takes milliseconds; a no-op elsewhere."""
    with suppress(*_MISSING):
        ctypes.CDLL(None).malloc_trim(0)


def return_large_blocks() -> None:
    """Make glibc return freed blocks above 256 kB at once; by default it learns to keep larger and larger ones."""
    with suppress(*_MISSING):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
