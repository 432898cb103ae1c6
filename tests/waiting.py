"""Waiting for a condition: often looked at in the beginning, then less and less, since a look may cost a process."""

from __future__ import annotations

import time
from collections.abc import Iterator


def pauses(timeout_s: float) -> Iterator[float]:
    """Seconds to wait before the condition is looked at again; the last look is after `timeout_s`."""
    begun, waited = time.monotonic(), 0.0
    while waited < timeout_s:
        waited = time.monotonic() - begun
        yield min(0.25, 0.02 + waited / 10)
