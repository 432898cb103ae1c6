"""Counts what becomes of GPUs over time: since when a kernel holds one without using it, and the hours of the job. Pure.

One of the files that also run in a plain kernel (see usage.py).
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple

BUSY_PERCENT = 1.0
FORGET_S = 60.0
"""A kernel about whose memory nothing is heard for so long holds none."""


class IdleClock:
    """Since when each kernel has held GPU memory while its GPUs did nothing."""

    def __init__(self) -> None:
        self._idle: Dict[str, Tuple[float, float]] = {}
        """since when, and when last seen so"""

    def seconds(self, kernel_id: str, memory_mb: Optional[float], percent: Optional[float], now: float) -> Optional[float]:
        """Return for how long; None while it works, holds nothing, or nothing is known. `percent`: of the busiest GPU on which it
        holds `memory_mb`."""
        since, seen = self._idle.get(kernel_id, (now, now))
        if now - seen > FORGET_S or (percent is not None and percent >= BUSY_PERCENT):
            self._idle.pop(kernel_id, None)
            since = now
        if not memory_mb or percent is None or percent >= BUSY_PERCENT:
            return None  # one reading may be missing
        self._idle[kernel_id] = (since, now)
        return now - since

    def keep(self, kernels: Mapping[str, object]) -> None:
        """Forget all other kernels."""
        self._idle = {kernel_id: idle for kernel_id, idle in self._idle.items() if kernel_id in kernels}


class HoursCount:
    """The hours of all GPUs of the job so far, and how many of them were used."""

    def __init__(self) -> None:
        self._held_s = self._used_s = 0.0
        self._before: Optional[float] = None

    def add(self, percents: Sequence[Optional[float]], now: float) -> Optional[Dict[str, float]]:
        """Count the time since the last call. Returns hours `held` and `used`; None without a GPU."""
        passed = 0.0 if self._before is None else max(0.0, now - self._before)
        self._before = now
        self._held_s += passed * len(percents)
        self._used_s += passed * sum(percent or 0.0 for percent in percents) / 100
        if not self._held_s:
            return None
        return {"held": round(self._held_s / 3600, 3), "used": round(self._used_s / 3600, 3)}
