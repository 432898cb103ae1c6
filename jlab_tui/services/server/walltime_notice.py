"""Warns once at each threshold before the end of the job's walltime."""

from __future__ import annotations

from collections.abc import Callable

from ...core.errors import JlabError
from ...core.server.record import ServerState
from ...core.server.walltime import WalltimeWarnings
from .launcher import Launcher


class WalltimeNotice:
    """For the replies of one process."""

    def __init__(self, launcher: Launcher, now: Callable[[], float]) -> None:
        self._launcher = launcher
        self._now = now
        self._warnings = WalltimeWarnings()

    async def take(self) -> str:
        """Return a warning if the walltime passed a threshold since the last call; else nothing."""
        try:
            known = await self._launcher.recall_lately()
        except JlabError:
            return ""
        if known is None or known.record.state is not ServerState.READY:
            return ""
        return self._warnings.due(known.record.ends, self._now())
