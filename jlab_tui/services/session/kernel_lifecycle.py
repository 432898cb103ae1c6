"""The lifecycle of a session's kernel: its deaths, by itself or asked for, and restarting it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ...core.journal.events import KernelChanged, RunStatus
from ...core.kernel.conversation import KernelDeath, RunEnded

if TYPE_CHECKING:
    from .session import Session

TERM_SETTLES_S: Final = 2.5
"""how long after a kernel's SIGTERM a server that was sent one too may still be connected"""
JOB_ENDS_S: Final = 60.0
"""how long Slurm may take to say how a job ended"""


class KernelLifecycle:
    """Tells what the end of a kernel's process means for its session."""

    def __init__(self, session: Session) -> None:
        self.restarted_by = ""
        """who restarts the kernel through us, just now"""
        self._session = session
        self._is_shut_down = False

    def may_be_the_servers_end(self, cause: str) -> bool:
        """Whether a kernel dies like that, too, when its server or its job ends."""
        return not self.restarted_by and ("SIGTERM" in cause or self._is_shut_down)

    async def ended_unless_the_server_ends(self, fact: RunEnded) -> None:
        """The end of a job sends SIGTERM to kernels and server alike, and a server that ends shuts its kernels down: then
        not the kernel's death is the cause."""
        run = self._session.runs.get(fact.run)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while run is not None and not run.status.is_final:
            try:
                await asyncio.wait_for(run.done.wait(), 0.1)
            except TimeoutError:
                waited = loop.time() - begun
                if waited > (TERM_SETTLES_S if self._session.link.connected else JOB_ENDS_S):
                    self._session.ended(fact)

    def died(self, death: KernelDeath) -> None:
        """The kernel's process has ended, whoever wanted it."""
        session = self._session
        session.link.renew()
        session.generation += 1
        if session.current is not None and not session.current.has_started:
            session.current.generation = session.generation
        if death.asked and not death.restarting:
            self._is_shut_down = True
            session.over = f"The kernel of session {session.info.id} was shut down."
            session.recorder.record(KernelChanged(session.info.kernel_id, "shut down"))
            return
        if death.asked:
            if not self.restarted_by:
                session.stale_kernel_notice = (
                    "Somebody restarted the kernel: all variables and imports are lost."
                )
                session.recorder.record(KernelChanged(session.info.kernel_id, "restarted by somebody else"))
            return
        cause = death.cause or "its process ended"
        session.stale_kernel_notice = (
            f"The kernel died ({cause}) and was restarted: all variables and imports are lost. Run what you need again."
            if death.restarting
            else ""
        )
        session.recorder.record(KernelChanged(session.info.kernel_id, f"died: {cause}"))
        if not death.restarting:
            session.over = f"The kernel died ({cause}) and is not restarted any more."

    async def restart(self, by: str) -> str:
        """Restart the kernel. Everything in memory is lost; notebook and session stay."""
        session = self._session
        await session.connection.confirm()
        if self._is_shut_down:
            session.connection.refuse_if_over()
        run = session.current
        self.restarted_by = by
        try:
            await session.api.restart(session.info.kernel_id)
        finally:
            asyncio.get_running_loop().call_later(2.0, self._restart_over)
        if not session.link.resumable:
            session.link.renew()
            session.generation += 1
        session.recorder.record(KernelChanged(session.info.kernel_id, f"restarted by {by}"))
        if run is not None:
            session.close_run(run, RunStatus.DIED, f"The kernel was restarted by {by}.")
        session.over = ""
        session.stale_kernel_notice = ""
        stopped = f" Run {run.id} was ended." if run is not None else ""
        return f"The kernel of session {session.info.id} was restarted.{stopped} All variables and imports are lost."

    def _restart_over(self) -> None:
        self.restarted_by = ""
