"""Drives a session's state: takes its link's messages, and performs the effects.

`core.session.step` decides and `intake` keeps the record. Effects that need the link, the server or time happen here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ...core.errors import ServerUnreachable
from ...core.journal.events import Event
from ...core.kernel.conversation import ends_request
from ...core.kernel.wire import KernelMessage, execution
from ...core.session.protocol import CloseLink, Effect, EndRun, RenewLink, ServerGone, StartRun
from ...core.session.refusals import refusal
from ...core.session.run import Run
from ...core.session.state import EndedWithKernel, SessionStatus, Usable
from ..journal.writer import SessionJournal
from ..notebook.output_sync import OutputSync
from ..ports import SessionPorts
from ..progress import Tasks
from .intake import Intake
from .interrupt import Interrupter
from .link_monitor import LINK_PATIENCE_S, LinkMonitor
from .out_of_memory import GpuMemoryLook
from .outages import Outages
from .run_completion import Completion
from .run_handle import RunHandle
from .silence import SilenceWatch

T = TypeVar("T")


class Driver:
    """Stands between one session's state and its kernel."""

    def __init__(
        self,
        state: SessionStatus,
        ports: SessionPorts,
        journal: SessionJournal,
        sync: OutputSync,
        monitor: LinkMonitor,
        interrupter: Interrupter,
        on_act: Callable[[Event], None],
        silence: SilenceWatch,
        gpu_memory: GpuMemoryLook,
    ) -> None:
        """`on_act` gets what a user of a dashboard asks of the session."""
        self.intake = Intake(state, journal, sync, ports.now, self._perform)
        self._journal = journal
        self._link = ports.link
        self._sync = sync
        self._monitor = monitor
        self._interrupter = interrupter
        self._on_act = on_act
        self._silence = silence
        self._gpu_memory = gpu_memory
        self._completion = Completion(ports.link.send, self.intake.settle)
        self._outages = Outages(self.intake, ports.link, monitor, ports.spool)
        self._tasks = Tasks()

    def open_link(self) -> None:
        """Connect to the kernel, and stay connected until the link is closed."""
        self._link.open(self._on_message, self.intake.apply, self._on_act)

    def adopt(self, left: Run) -> None:
        """Continue a run that an earlier process left."""
        run = self.intake.adopt(left)
        if not run.status.is_final and run.reply is not None:
            self.background(self._completion.settle(run))
        if not run.status.is_final and run.has_started:
            self.background(self._silence.watch(run))

    def background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that ends with the session, not with its caller."""
        return self._tasks.start(work)

    async def end_tasks(self, what: str) -> None:
        await self._tasks.cancel(what)

    # -- before anything is done ---------------------------------------------------------------------------------

    def refuse_if_over(self) -> None:
        """Raise KernelGone or SessionOwned if the session is no longer usable."""
        if error := refusal(self.intake.state, self._sync.path):
            raise error

    async def refuse_if_unusable(self) -> None:
        """Raise the same; of a kernel that ended with its server, what became of the server."""
        state = self.intake.state
        if isinstance(state.availability, EndedWithKernel) and state.kernel.is_shut_down:
            # A server that ends shuts its kernels down first.
            monitor = self._monitor
            if why := await monitor.why_ended_on_record() or await monitor.why_ended():
                self.intake.apply(ServerGone(why))
            elif why := await monitor.why_unanswered():
                raise ServerUnreachable(why, "Nothing was run. Call ping to see what is wrong.")
        self.refuse_if_over()

    async def confirm(self) -> None:
        """Make sure that the session is still ours, before any change to notebook or kernel. Raises SessionOwned."""
        if isinstance(self.intake.state.availability, Usable):
            await self._monitor.confirm()
        if self.intake.state.is_taken_over:
            self.refuse_if_over()

    async def ready(self) -> None:
        """Wait until code reaches the kernel. The status file decides whether the server has ended, even if something answers."""
        if why := await self._monitor.why_ended_on_record():
            self.intake.apply(ServerGone(why))
            self.refuse_if_over()
        try:
            await self._link.ready(LINK_PATIENCE_S)
        except TimeoutError:
            self.refuse_if_over()
            raise await self._monitor.unreachable() from None

    async def send(self, run: RunHandle) -> None:
        """Send a run's code to the kernel, once. Even a cancelled call must know whether it was sent."""
        await asyncio.shield(self.background(self._send(run)))

    async def _send(self, run: RunHandle) -> None:
        await self._journal.flush()  # a later process must know of the run before the kernel does
        if not await self._link.send(execution(run.source, run.msg_id)):
            self.background(self._outages.watch_unseen(run))

    async def look_at_kernel(self) -> None:
        """Notice when the kernel is gone."""
        await self._outages.look_at_kernel()

    # -- what happens --------------------------------------------------------------------------------------------

    def _on_message(self, message: KernelMessage) -> None:
        if self.intake.state.is_taken_over:
            return
        self.intake.feed(message)
        if ends_request(message):
            run = self.intake.current
            if run is not None and message.parent_id == run.msg_id:
                self.background(self._completion.settle(run))
        self._completion.on_message(message)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StartRun():
                run = self.intake.runs[effect.run]
                if run.cancelled:
                    self.background(self._interrupter.started(run))
                self.background(self._silence.watch(run))
            case EndRun():
                self._gpu_memory.after(self.intake.runs[effect.end.run], self.background)
            case RenewLink():
                self._link.renew()
            case CloseLink():
                self.background(self._link.close())
            case _:
                if work := self._outages.after(effect):
                    self.background(work)
