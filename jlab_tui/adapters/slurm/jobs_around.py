"""Looks at the job that this process runs in, and whether such a job is over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ...core.slurm.allocation import Allocation, allocation_here
from ...core.slurm.queue import QueueRows, QueueUnknown
from ...core.slurm.terms import JobPhase
from .commands import Slurm

_KEPT_S: Final = 15.0
"""how long an answer counts"""
_ASK_S: Final = 5.0


class JobsAround:
    """Jobs in which servers run that nobody submitted."""

    def __init__(self, env: Mapping[str, str], host: str) -> None:
        self._here = allocation_here(env, host)
        self._slurm = Slurm(env, timeout_s=_ASK_S)
        self._over: dict[str, tuple[float, bool]] = {}

    async def here(self) -> Allocation | None:
        """The job whose node this is, with the end of its walltime if Slurm answers."""
        if self._here is None or self._here.ends:
            return self._here
        answer = await self._slurm.queue()
        job = answer.find(self._here.job_id) if isinstance(answer, QueueRows) else None
        return replace(self._here, ends=job.ends or 0.0) if job is not None else self._here

    async def is_over(self, job_id: str) -> bool:
        """Whether Slurm says that a job has ended, or has forgotten it."""
        asked_at, is_over = self._over.get(job_id, (-_KEPT_S, False))
        if not is_over and time.monotonic() - asked_at >= _KEPT_S:
            details = await self._slurm.details(job_id)
            is_over = details is None or (
                not isinstance(details, QueueUnknown) and details.state.phase is JobPhase.ENDED
            )
            self._over[job_id] = time.monotonic(), is_over
        return is_over
