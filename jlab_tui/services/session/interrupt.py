"""Stops a run: one interrupt however many calls ask for it, and a second one only if the first had no effect.

A KeyboardInterrupt sets off the code's own clean-up (`finally`, `except`, `with`), which another one would break off. And
an interrupt is only sent once the kernel has started the run: an idle kernel ignores it, and one that is about to
take up a request can lose the request or end.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from ...core.errors import JlabError
from ..kernel.subshell import Subshell, evaluation
from ..ports import Jupyter, Link
from .run_handle import RunHandle

_TAKE_UP_S: Final = 1.0
"""how long a call waits for the kernel to start the run, because only a started run can be interrupted"""
PATIENCE_S: Final = 2.0
"""seconds from an interrupt to the check of its effect"""
_CLEAN_UP_S: Final = 3.0
"""how long a call waits for the clean-up after the interrupt"""
_LOOK_S: Final = 1.0
_BACKLOG: Final = 1 << 20
"""bytes on their way here; beyond it nothing that arrives tells how the kernel is now"""

# The innermost exception that the main thread is handling, or one during whose handling that was raised. A tuple before
# Python 3.12. A coroutine is stopped by a CancelledError.
_IS_CLEANING_UP: Final = """
(lambda kind, error: kind(kind, error, 20))(
    lambda kind, error, depth: error is not None and depth > 0
    and (type(error).__name__ in ("KeyboardInterrupt", "CancelledError") or kind(kind, error.__context__, depth - 1)),
    (lambda found: found[1] if isinstance(found, tuple) else found)(
        __import__("sys")._current_exceptions().get(__import__("threading").main_thread().ident)))
"""


class Interrupter:
    """Interrupts the runs of one session."""

    def __init__(self, api: Jupyter, session: str, kernel_id: str, link: Link, subshell: Subshell) -> None:
        self.patience_s = PATIENCE_S
        self._api = api
        self._session = session
        self._kernel_id = kernel_id
        self._link = link
        self._subshell = subshell

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
        await self._send(run)
        if await _ended(run, self.patience_s):
            return _stopped(run)
        if backlog := await self._backlog(run):
            return backlog
        if await self._shows_effect(run):
            if await _ended(run, _CLEAN_UP_S):
                return _stopped(run)
            if backlog := await self._backlog(run):
                return backlog
            return (
                f"Run {run.id} was interrupted but has not ended: its own clean-up (a finally, except or with block) "
                f'still runs. Follow it with wait_for_run(run_id="{run.id}"); another interrupt would abort the clean-up.'
            )
        if not run.status.is_final:
            await self._send(run)
        if await _ended(run, self.patience_s):
            return _stopped(run, " at the second interrupt")
        return (
            f"Run {run.id} does not stop: the code is in a C call that does not check for signals, or it swallows "
            "KeyboardInterrupt. It may stop by itself later (wait_for_run). Otherwise only "
            f'restart_kernel(session_id="{self._session}") helps; that loses all variables.'
        )

    async def _send(self, run: RunHandle) -> None:
        run.output_since_interrupt = False
        await self._api.interrupt(self._kernel_id)

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

    async def _shows_effect(self, run: RunHandle) -> bool:
        """Return whether the interrupt had an effect. Without a subshell only output can show it, and not reliably."""
        subshell = await self._subshell.get()
        if subshell and not run.status.is_final:
            try:
                reply = await self._link.ask(evaluation(_IS_CLEANING_UP, subshell), _LOOK_S)
            except TimeoutError:
                return False  # only a C call keeps a subshell from answering
            answer = (reply.content.get("user_expressions") or {}).get("v") or {}
            if answer.get("status") == "ok":
                return bool(answer["data"].get("text/plain") == "True")
        return run.output_since_interrupt


async def _ended(run: RunHandle, timeout: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(run.done.wait(), timeout)
    return run.status.is_final


def _stopped(run: RunHandle, how: str = "") -> str:
    state = "the kernel is idle and keeps its variables" if run.cell else "its throwaway kernel ends"
    return f"Run {run.id} stopped{how} after {run.seconds:.1f} s; {state}."
