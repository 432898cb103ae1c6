"""Warns once at each threshold before the end of the job's walltime, and once of a run that will not fit into it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...core.errors import JlabError
from ...core.progress.sentences import ends_late, late_sentence
from ...core.progress.tracks import Pace
from ...core.server.record import ServerState
from ...core.server.walltime import WalltimeWarnings

if TYPE_CHECKING:
    from .launcher import Launcher

_REMEMBERED_RUNS: Final = 200


class WalltimeNotice:
    """For the replies of one process."""

    def __init__(self, launcher: Launcher, now: Callable[[], float]) -> None:
        self._launcher = launcher
        self._now = now
        self._warnings = WalltimeWarnings()
        self._late: deque[str] = deque(maxlen=_REMEMBERED_RUNS)
        """runs that were said not to fit"""

    async def take(self, run_id: str, pace: Pace | None) -> str:
        """Return a warning if the walltime passed a threshold since the last call, or if a run of this pace will not fit into
        it and that was not said; else nothing."""
        try:
            known = await self._launcher.recall_lately()
        except JlabError:
            return ""
        if known is None or known.record.state is not ServerState.READY:
            return ""
        job_ends, now = known.record.ends, self._now()
        said = [self._warnings.due(job_ends, now)]
        if run_id not in self._late and (ends := ends_late(pace, now, job_ends)) is not None:
            self._late.append(run_id)
            said.append(late_sentence(ends, job_ends, clock_of(now)))
        return " ".join(filter(None, said))


def clock_of(now: float) -> Callable[[float], str]:
    """Return what names times of day here, and days that are further than a day from now (epoch seconds)."""

    def clock(at: float) -> str:
        form = "%H:%M" if abs(at - now) < 20 * 3600 else "%a %H:%M"
        return time.strftime(form, time.localtime(at))

    return clock
