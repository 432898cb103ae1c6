"""Warnings before a job's walltime ends: at 15, 5 and 1 minute, each shown once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

THRESHOLDS_MIN = (1, 5, 15)
_ABOUT = "The job's walltime "
"""the beginning of these warnings"""


def walltime_warning(ends: float, now: float) -> str:
    """Return a warning from 15 minutes before `ends` on (epoch seconds; 0: no limit), else an empty text."""
    minutes = _threshold(ends, now)
    if minutes is None:
        return ""
    left = round(ends - now)
    if left <= 0:
        return f"{_ABOUT}is over: Slurm can end it at any moment, and everything in memory is then lost."
    shown = f"{left // 60} min {left % 60} s" if left >= 60 else f"{left} s"
    return f"{_ABOUT}ends in {shown}: everything in memory is then lost. Save what you need to files."


def _threshold(ends: float, now: float) -> int | None:
    """Return the last threshold passed (minutes), 0 after the end; None before the first."""
    left = ends - now
    if not ends:
        return None
    return 0 if left <= 0 else next((minutes for minutes in THRESHOLDS_MIN if left <= minutes * 60), None)


@dataclass(slots=True)
class WalltimeWarnings:
    """Gives each warning once; a changed walltime resets them."""

    _ends: float = 0.0
    _said: int | None = None

    def due(self, ends: float, now: float) -> str:
        """Return the warning if its threshold passed since the last call, else an empty text."""
        if abs(ends - self._ends) > 1:
            self._ends, self._said = ends, None
        threshold = _threshold(ends, now)
        if threshold is None or threshold == self._said:
            return ""
        self._said = threshold
        return walltime_warning(ends, now)


@dataclass(slots=True)
class Notices:
    """Selects the notices to show now: each once, the walltime's at each threshold."""

    _walltime: WalltimeWarnings = field(default_factory=WalltimeWarnings)
    _known: set[str] = field(default_factory=set)

    def due(self, notices: Iterable[str], ends: float, now: float) -> list[str]:
        """Return the notices that are new since the last call. The walltime's text changes every second, so its threshold counts."""
        all_notices = list(notices)
        others = [notice for notice in all_notices if not notice.startswith(_ABOUT)]
        new = [notice for notice in others if notice not in self._known]
        self._known = set(others)
        warning = self._walltime.due(ends, now) if len(others) < len(all_notices) else ""
        return [*new, warning] if warning else new
