"""Stops a run: one climb of the ladder however many calls ask for it, once the kernel has started the run.

An idle kernel ignores an interrupt, and one that is about to take up a request can lose the request or end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from ...core.errors import JlabError
from ...core.kernel.interrupt_ladder import Effect, Step, how_stopped, why_not_stopped
from ..kernel.ladder import KernelCode, Ladder
from ..kernel.subshell import Subshell
from ..ports import Jupyter, Link
from .run_handle import RunHandle

_TAKE_UP_S: Final = 1.0
"""how long a call waits for the kernel to start the run, because only a started run can be interrupted"""
_BACKLOG: Final = 1 << 20
"""bytes on their way here; beyond it nothing that arrives tells how the kernel is now"""


class Interrupter:
    """Interrupts the runs of one session."""

    def __init__(self, api: Jupyter, session: str, kernel_id: str, link: Link, subshell: Subshell) -> None:
        self.ladder = Ladder(api, kernel_id, link, subshell)
        self._api = api
        self._session = session
        self._kernel_id = kernel_id
        self._link = link

    async def interrupt(self, run: RunHandle, by: str) -> str:
        """Interrupt a run and check that the kernel is idle; joins an attempt in progress. Returns the outcome.

        If the user's own code runs first, it is left alone, and the run is interrupted when it starts."""
        if run.waits_for_other:
            run.cancelled, run.interrupted_by = True, by
            return (
                f"Run {run.id} waits for the user's own code on this kernel, which keeps running; "
                "the run is interrupted as soon as it starts."
            )
        if run.stopping is None or run.stopping.done():
            run.stopping = asyncio.create_task(self._stop(run, by))
        return await asyncio.shield(run.stopping)

    async def cancel(self, run: RunHandle) -> str:
        """Interrupt a run once after the user cancelled its call. Returns the outcome."""
        run.cancelled = True
        if run.status.is_final:
            return "The run had ended."
        if run.stopping is not None:
            return await asyncio.shield(run.stopping)
        return await self.interrupt(run, "the user (the call was cancelled)")

    async def interrupt_others(self) -> str:
        """Interrupt another client's code. Returns the outcome."""
        climbed = await self.ladder.climb(KernelCode(self._api, self._kernel_id, f"session {self._session}"))
        whose = "No run of yours is in progress; another client's code on this kernel"
        if climbed.has_ended:
            return f"{whose} was interrupted{how_stopped(climbed.step, '')}."
        if climbed.effect is Effect.CLEANING_UP:
            return f"{whose} was interrupted but has not ended: its own clean-up still runs."
        return f"{whose} does not stop. {why_not_stopped(climbed.effect)}"

    async def started(self, run: RunHandle) -> None:
        """Interrupt a run that the kernel has just started, if it should stop."""
        with contextlib.suppress(JlabError):
            await self.interrupt(run, run.interrupted_by or "the user (the call was cancelled)")

    async def _stop(self, run: RunHandle, by: str) -> str:
        run.interrupted_by = by
        if not run.has_started:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.execution.wait(), _TAKE_UP_S)
        if not run.has_started:
            run.cancelled = True
            return (
                f"The kernel has not started run {run.id} yet; the run is interrupted as soon as it starts."
            )
        run.output_since_interrupt = False
        climbed = await self.ladder.climb(_Interrupted(run, self._backlog), ends_clean_up=run.cleans_up)
        if run.status.is_final:
            error = run.outputs.error if run.outputs is not None else None
            return _stopped(run, how_stopped(climbed.step, error.ename if error is not None else ""))
        if climbed.backlog:
            return climbed.backlog
        run.cleans_up = climbed.effect is Effect.CLEANING_UP
        if run.cleans_up and climbed.step is Step.WAKE:
            return (
                f"Run {run.id} was interrupted but has not ended: its own clean-up (a finally, except or with block) "
                f'still runs. Follow it with wait_for_run(run_id="{run.id}"); another interrupt would abort the clean-up.'
            )
        return (
            f"Run {run.id} does not stop. {why_not_stopped(climbed.effect)} It may stop by itself later (wait_for_run). "
            f'Otherwise only restart_kernel(session_id="{self._session}") helps; that loses all variables.'
        )

    async def _backlog(self, run: RunHandle) -> str:
        """Return a sentence while the run's end may be behind output in transit; else an empty text."""
        recorded = None
        with contextlib.suppress(JlabError):
            recorded = (await self._api.recorded_kernels()).get(self._kernel_id)
        behind = recorded.bytes_after(self._link.seq) if recorded is not None else 0
        if recorded is None or behind < _BACKLOG or run.status.is_final:
            return ""
        ended = " and has ended in the kernel" if recorded.running != run.msg_id else ""
        then = "" if ended else ", and then it shows whether it is over"
        return (
            f"Run {run.id} was interrupted{ended}; about {behind / 1e6:,.0f} MB of output are still on their way "
            f'here{then}. Follow it with wait_for_run(run_id="{run.id}").'
        )


class _Interrupted:
    """A run, for the ladder."""

    def __init__(self, run: RunHandle, backlog: Callable[[RunHandle], Awaitable[str]]) -> None:
        self._run = run
        self._backlog = backlog

    async def has_ended(self, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._run.done.wait(), within_s)
        return self._run.status.is_final

    async def backlog(self) -> str:
        return await self._backlog(self._run)

    def has_printed(self) -> bool:
        return self._run.output_since_interrupt


def _stopped(run: RunHandle, how: str = "") -> str:
    state = "the kernel is idle and keeps its variables" if run.cell else "its throwaway kernel ends"
    return f"Run {run.id} stopped after {run.seconds:.1f} s{how}; {state}."
