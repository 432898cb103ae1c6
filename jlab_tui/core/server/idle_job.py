"""Warns before a job that nobody uses ends itself (jupyter_extension/idle_end.py decides)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..setting_fields import PREFIX
from .resources import IdleEndPlan

THRESHOLDS_MIN: Final = (1, 5, 10)
_SAME_S: Final = 5.0


def idle_end_sentence(plan: IdleEndPlan, clock: Callable[[float], str]) -> str:
    """Say when the job ends itself, or under which condition. `clock` names times of day."""
    setting = f"{PREFIX}IDLE_END_H={plan.hours:g}"
    if plan.ends_at is None:
        return f"The job ends itself after {plan.hours:g} idle hours ({setting}); used now: {plan.kept_by}."
    return (
        f"Nothing uses the job, so it ends itself at {clock(plan.ends_at)} ({setting}), and everything in memory is then lost. Running "
        "any code keeps it."
    )


@dataclass(slots=True)
class IdleEndWarnings:
    """Gives the warning at 10, 5 and 1 minute before the end, each once; use of the job resets them."""

    _ends_at: float = 0.0
    _said: int | None = None

    def due(self, plan: IdleEndPlan | None, now: float) -> bool:
        """Return whether a threshold passed since the last call."""
        if plan is None or plan.ends_at is None:
            self._said = None
            return False
        if abs(plan.ends_at - self._ends_at) > _SAME_S:
            self._ends_at, self._said = plan.ends_at, None
        left = plan.ends_at - now
        passed = next((minutes for minutes in THRESHOLDS_MIN if left <= 60 * minutes), THRESHOLDS_MIN[-1])
        if passed == self._said:
            return False
        self._said = passed
        return True
