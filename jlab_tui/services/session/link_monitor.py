"""How a session stands with its kernel's connection: up, broken, over, or another process's. Says why, and refuses in words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ...core.errors import JlabError, KernelGone, ServerUnreachable, SessionOwned
from ...core.journal.events import OutputDropped, RunStatus
from ...core.kernel.link import LEASE_S, LinkChange, LinkDown, LinkOver, LinkUp, OutputLost, RequestRefused
from ..ports import Spool
from .run_handle import RunHandle

if TYPE_CHECKING:
    from .session import Session

UNSEEN_S: Final = 10.0
"""how long after a cut a stock server may leave open whether our request arrived"""
LINK_PATIENCE_S: Final = 20.0
SILENT_S: Final = 4.0
"""without a word for so long, pings included, the server is worth a question"""
CONFIRM_S: Final = 3.0
LINK_LOST: Final = "JupyterLab answers, but the connection to the kernel is broken. It is being made again; what runs there goes on."


class LinkMonitor:
    """Follows the link of one session."""

    def __init__(self, session: Session, diagnose: Callable[[], Awaitable[str]], spool: Spool) -> None:
        """`diagnose` tells in a sentence that the server has ended, or nothing while it may come back."""
        self.why_silent: Callable[[], Awaitable[str]] | None = None
        """tells in a sentence why a server that has not ended does not answer; set by the opener"""
        self._session = session
        self._diagnose = diagnose
        self._spool = spool
        self._server_ended = False

    def on_change(self, change: LinkChange) -> None:
        """The link came up, broke or is over; called in the event loop."""
        match change:
            case LinkUp():
                if (
                    not change.first
                    and self._session.current is not None
                    and not self._session.link.resumable
                ):
                    self._session.spawn(self.watch_unseen(self._session.current))
            case LinkDown():
                if change.attempts >= 2:
                    self._session.spawn(self._ask_why(change.why))
            case LinkOver():
                self._link_over(change)
            case RequestRefused():
                self._refused(change)
            case OutputLost():
                self._lost(change)

    def _refused(self, refusal: RequestRefused) -> None:
        for run in self._session.runs.values():
            if run.msg_id == refusal.msg_id:
                self._session.close_run(run, RunStatus.LOST, f"It was not sent to the kernel: {refusal.why}.")
        self._session.spawn(self.look())

    async def look(self) -> None:
        """Notice when the kernel is gone."""
        if not self._session.over and await self.kernel_state() in ("gone", "dead"):
            self._session.over = f"The kernel of session {self._session.info.id} is gone."

    def _lost(self, lost: OutputLost) -> None:
        recorder, run = self._session.recorder, self._session.current
        recorder.reaching(lost.last)
        if run is not None:
            count, unit = (lost.size, "bytes") if lost.size else (lost.messages, "messages")
            dropped = OutputDropped(run.id, count, unit, _cause(lost))
            run.count_loss(dropped)
            recorder.record(dropped)
        recorder.saw(lost.last)

    def _link_over(self, change: LinkOver) -> None:
        if change.owned:
            self._yield_to_owner(change.why)
            return
        self._session.over = (
            self._session.over or f"The server no longer knows the kernel of session {self._session.info.id}."
        )
        if self._session.current is not None:
            self._session.close_run(self._session.current, RunStatus.DIED, self._session.over)

    def _yield_to_owner(self, why: str) -> None:
        """Another process holds the session: from here on nothing is written to its record or its notebook."""
        self._session.over = f"Session {self._session.info.id} was taken over by another process: {why}."
        self._session.taken_over = True
        self._session.recorder.abandon()
        self._session.keeper.abandon()
        if (run := self._session.current) is not None:
            self._session.current = None
            run.status, run.cause = (
                RunStatus.LOST,
                f"{self._session.over} That process goes on with this run.",
            )
            run.seconds = max(0.0, self._session.now() - run.asked_at)
            run.done.set()

    def may_write(self) -> bool:
        """Whether the session is known to be ours: that was made sure of lately, or the server is gone for good."""
        if self._session.over:
            return not self._session.taken_over
        return self._session.link.unsure_for < LEASE_S

    async def _ask_why(self, why: str) -> None:
        if self._server_ended:
            return
        reason = await self._diagnose()
        if reason and not self._session.taken_over and not self._session.link.connected:
            self._server_ended = True
            self._session.over = reason
            await self.end_with_server(reason)

    async def end_with_server(self, reason: str, status: RunStatus = RunStatus.JOB_ENDED) -> None:
        """Kernel or server are gone for good: take in what was recorded to the end, then close the run in progress."""
        kernel_id = self._session.info.kernel_id
        seq = max(self._session.link.seq, self._session.recorder.seq)
        while self._session.current is not None and self._session.link.resumable:
            messages = await asyncio.to_thread(self._spool.read, kernel_id, seq)
            if not messages:
                break
            for message in messages:
                self._session.on_message(message)
                seq = message.seq
        if self._session.current is not None:
            self._session.close_run(self._session.current, status, reason)

    async def watch_unseen(self, run: RunHandle) -> None:
        """On a stock server, after a cut: say so when nothing shows that the code arrived or still runs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UNSEEN_S
        while not run.status.is_final:
            try:
                await asyncio.wait_for(run.done.wait(), 1.0)
            except TimeoutError:
                pass
            if loop.time() < deadline or not self._session.link.connected or not self.may_write():
                continue
            state = await self.kernel_state()
            if state == "busy":
                deadline = loop.time() + UNSEEN_S
            elif not run.status.is_final:
                self._session.settle(run)
                what = "its end was not seen" if run.has_started else "it is not known whether it ran"
                self._session.close_run(
                    run, RunStatus.LOST, f"The connection broke and {what}; outputs may be missing."
                )

    async def kernel_state(self) -> str:
        try:
            return await self._session.api.kernel_state(self._session.info.kernel_id) or "gone"
        except ServerUnreachable:
            return "unreachable"

    async def ready(self) -> None:
        try:
            await self._session.link.ready(LINK_PATIENCE_S)
        except TimeoutError:
            self.refuse_if_over()
            reason = await self._diagnose() or await self.explain_silence()
            raise ServerUnreachable(
                reason or f"No answer from the kernel within {LINK_PATIENCE_S:.0f} s.",
                "Nothing was run. Call ping to see what is wrong.",
            ) from None

    async def explain_silence(self) -> str:
        """Why the kernel is not heard, in a sentence; nothing while it is, or where nobody knows."""
        if self._session.link.connected and self._session.link.silent_for < SILENT_S:
            return ""
        why = await self.why_silent() if self.why_silent is not None else ""
        return why or LINK_LOST

    async def refuse_unless_usable(self) -> None:
        """Raise what keeps the kernel out of reach."""
        self.refuse_if_over()
        await self.ready()

    def refuse_if_taken_over(self) -> None:
        """Raise SessionOwned when another process holds the session now."""
        if self._session.taken_over:
            self.refuse_if_over()

    async def confirm(self) -> None:
        """Before the notebook or the kernel is touched: make sure that the session is still ours. Raises SessionOwned."""
        if not self._session.over and not self.may_write():
            with contextlib.suppress(TimeoutError):
                await self._session.link.ready(CONFIRM_S)
        self.refuse_if_taken_over()

    def refuse_if_over(self) -> None:
        if self._session.over:
            kind: type[JlabError] = SessionOwned if self._session.taken_over else KernelGone
            hint = "Open its notebook again with start_session_resume_notebook."
            if self._session.taken_over:
                hint = "Nothing was done. It can be read from here; to run code, open a session of your own with start_new_session."
            elif self._session.info.notebook:
                hint = f'Open its notebook again with start_session_resume_notebook(notebook_path="{self._session.info.notebook}").'
            raise kind(self._session.over, hint)


def _cause(lost: OutputLost) -> str:
    match lost.why:
        case "full" if lost.unfetched:
            return "no connection was there to fetch it before the server's recording of the kernel was full"
        case "full":
            return (
                "it came faster than it could be fetched, until the server's recording of the kernel was full"
            )
        case "stalled":
            return "the disk of the server's recordings took nothing"
        case "unreadable":
            return "the server's recording of the kernel could not be read back"
        case _:
            return "the server could not keep it"
