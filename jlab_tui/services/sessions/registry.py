"""All sessions of one MCP server process: opening, taking over, looking up, closing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from weakref import WeakValueDictionary

from ...core.errors import (
    JlabError,
    KernelGone,
    RecordUnreadable,
    ServerError,
    ServerUnreachable,
    SessionOwned,
    UnknownRun,
    UnknownSession,
)
from ...core.journal.events import HumanActed, RunStatus, SessionClosed
from ...core.journal.summary import SessionHead
from ...core.notebook.outputs import CellOutputs
from ...core.server.record import Owner, ServerRecord
from ...core.session.replay import ReplayedSession, replay
from ...core.session.run import Run
from ...core.settings import OnExit
from ..journal.ownership import OwnerAlive, Ownership
from ..ports import Journals, LinkMaker, Notebooks, Spool
from ..session.run_handle import RunHandle
from ..session.session import Session
from .factory import Server, SessionFactory
from .finalize import Finalizer
from .open import SessionOpener
from .reconnect import Reconnect
from .takeover import Takeover

OPENING_S: Final = 5.0
"""how long a process that ends waits for a session that is being opened: it leaves no empty notebook, and on a stock
server no kernel of nobody"""
RELEASE_S: Final = 3.0
"""how long a process that ends tries to tell the server; a lease that is lost does the same"""


@dataclass(frozen=True, slots=True)
class Adoptable:
    """A session that no living process of ours holds."""

    session: str
    notebook: str
    running: str
    """id of a run in progress, empty when there is none"""


class Sessions:
    """Sessions by id. Every method that names one takes it over when an earlier process left it."""

    def __init__(
        self,
        owner: Owner,
        server: Callable[[], Awaitable[Server]],
        diagnose: Callable[[ServerRecord], Awaitable[str]],
        make_link: LinkMaker,
        journals: Journals,
        notebooks: Notebooks,
        spool: Spool,
        now: Callable[[], float],
        on_exit: OnExit,
        owner_alive: OwnerAlive,
        why_silent: Callable[[], Awaitable[str]],
    ) -> None:
        """`server` raises a ServerError while none is ready; `diagnose` says why that one ended, or nothing.

        `why_silent` says why the present one does not answer, or nothing.
        """
        self.owner = owner
        self._server = server
        self._journals = journals
        self._on_exit = on_exit
        self._ownership = Ownership(owner, journals, owner_alive)
        self._factory = SessionFactory(
            owner, make_link, journals, self._ownership, spool, now, on_exit, diagnose, why_silent
        )
        self._takeover = Takeover(self._factory, notebooks)
        self._finalizer = Finalizer(owner, diagnose, journals, notebooks, spool, now, owner_alive)
        self.close_ended = self._finalizer.finalize_all
        """closes runs of dead processes that ended with their server; returns them"""
        self._open: dict[str, Session] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tidying: asyncio.Task[None] | None = None
        self._opener = SessionOpener(self, server, self._factory, notebooks)
        self.open_new = self._opener.open_new
        self.open_existing = self._opener.open_existing
        self.open_scratch = self._opener.open_scratch
        self.fork = self._opener.fork
        self._reconnect = Reconnect(self, now)
        self.reclaim, self.reclaim_soon = self._reconnect.reclaim, self._reconnect.soon
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def open_sessions(self) -> list[Session]:
        return list(self._open.values())

    def add(self, session: Session) -> None:
        self._open[session.info.id] = session

    async def get(self, session_id: str) -> Session:
        """The session of that id, taken over from an earlier process when need be. Raises UnknownSession,
        RecordUnreadable, SessionOwned, KernelGone."""
        session = self._open.get(session_id)
        if session is not None and not session.taken_over:
            return session
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            if session := self._open.get(session_id):
                if not session.taken_over:
                    return session
                # The other process may be gone meanwhile; whether it is, the claim tells.
                del self._open[session_id]
                await session.close()
            try:
                server = await self._server()
            except ServerError:
                await self._finalizer.finalize(session_id)
                raise
            record = await asyncio.to_thread(self._read, session_id)
            if record is None or record.opened is None or (record.closed and not record.opened.notebook):
                self._refuse_unknown(session_id, record)
            reason = f"Session {session_id} is closed: {record.closed}" if record.closed else ""
            if not reason and record.opened.server_started != server.record.started:
                reason = await self._finalizer.finalize(session_id)
            if reason:
                path = record.opened.notebook
                raise KernelGone(
                    reason.rstrip(".") + ".",
                    f'Open its notebook again with start_session_resume_notebook(notebook_path="{path}").',
                )
            try:
                session = await self._takeover.take_over(server, record)
            except KernelGone:
                # Its run has ended with it, and nobody is to wait for that.
                kernels = {kernel.kernel_id for kernel in await server.api.kernels()}
                await self._finalizer.finalize_left(server.record.started, kernels)
                raise
            self._open[session_id] = session
            await self._takeover.usable(session)
            if not session.info.notebook:
                self.end_with_run(session)
            return session

    async def for_reading(self, session_id: str) -> tuple[Session | None, str, str]:
        """A session and its notebook's path. None instead of a session that another process holds, or whose kernel is
        gone, and a sentence about that."""
        try:
            session = await self.get(session_id)
        except (SessionOwned, KernelGone) as error:
            record = await asyncio.to_thread(self._read, session_id)
            if record is None or record.opened is None or not record.opened.notebook:
                raise
            return None, record.opened.notebook, error.message
        return session, session.info.notebook, ""

    async def find_run(self, run_id: str) -> tuple[Session | None, Run | RunHandle]:
        """A run by id, its session when that can be used. Also finds runs of closed sessions. Raises UnknownRun."""
        session_id = run_id.rpartition("-")[0]
        session = self._open.get(session_id)
        if session is None or session.taken_over:
            session = None
            with contextlib.suppress(JlabError):
                session = await self.get(session_id)
        if session is not None and run_id in session.runs:
            return session, session.runs[run_id]
        record = await asyncio.to_thread(self._read, session_id) if session is None and session_id else None
        if record is not None and record.opened is None and not record.runs:
            self._refuse_unknown(session_id, record)
        if record is None or run_id not in record.runs:
            known = [run for s in self._open.values() for run in list(s.runs)[-3:]]
            raise UnknownRun(run_id, known)
        return None, record.runs[run_id]

    async def outputs(self, run: Run) -> CellOutputs:
        """What a run has put out, from memory or from its record."""
        return (await self.outputs_of([run]))[run.id]

    async def outputs_of(self, runs: Sequence[Run]) -> dict[str, CellOutputs]:
        """The same of several, by run id; the record is read once. `runs` in the order in which they began."""
        known = {run.id: run.outputs for run in runs if run.outputs is not None}
        unknown = [run for run in runs if run.id not in known]
        return {**known, **(await asyncio.to_thread(self._factory.read_back, unknown) if unknown else {})}

    def human_note(self, run: Run) -> str:
        """What a human did to this run from a dashboard, as a sentence, or nothing."""
        for entry in reversed(self._journals.human_actions(run.asked_at)):
            act = entry.event
            if not isinstance(act, HumanActed) or act.session != run.session or act.outcome:
                continue
            if act.action in ("interrupt", "restart", "kill"):
                reason = f': "{act.reason}"' if act.reason else ""
                return f"The user did this from the dashboard ({act.action}{reason})."
        return ""

    async def adoptable(self, kernels: Collection[str]) -> list[Adoptable]:
        """Sessions of this server that we do not hold and that can be taken over. `kernels`: those that it has now."""
        server = await self._server()
        left = [h for h in await asyncio.to_thread(self._journals.heads) if not h.is_closed]
        left = [h for h in left if h.opened.client != self.owner.client]
        found = [
            h
            for h in left
            if h.opened.server_started == server.record.started and h.opened.kernel_id in kernels
        ]
        if len(found) < len(left) and (self._tidying is None or self._tidying.done()):
            self._tidying = asyncio.create_task(self._finalizer.finalize_left(server.record.started, kernels))
        held = await self._held(server, found)
        return [Adoptable(h.session, h.opened.notebook, h.running) for h in found if h.session not in held]

    async def _held(self, server: Server, heads: Sequence[SessionHead]) -> set[str]:
        """Those that a living process has."""
        if not heads:
            return set()
        if await server.api.features():
            recorded = await server.api.recorded_kernels()
            owned = {kernel_id for kernel_id, kernel in recorded.items() if kernel.owner_connected}
            return {h.session for h in heads if h.opened.kernel_id in owned}
        held = await asyncio.gather(*(asyncio.to_thread(self._ownership.is_held, h.session) for h in heads))
        return {h.session for h, is_held in zip(heads, held, strict=True) if is_held}

    async def heads(self) -> list[SessionHead]:
        """Sessions of this generation of the server."""
        server = await self._server()
        heads = await asyncio.to_thread(self._journals.heads)
        return [head for head in heads if head.opened.server_started == server.record.started]

    def _refuse_unknown(self, session_id: str, record: ReplayedSession | None) -> NoReturn:
        if record is None or record.opened is not None:
            raise UnknownSession(session_id, [s.info.id for s in self._open.values()])
        raise RecordUnreadable(session_id, ", ".join(map(str, self._journals.files().get(session_id, []))))

    def _read(self, session_id: str) -> ReplayedSession | None:
        files = self._journals.files().get(session_id)
        return replay(session_id, self._journals.read(files)) if files else None

    async def let_go(self, session: Session, why: str) -> None:
        """Close a session; its kernel is not touched."""
        if not session.taken_over:
            session.recorder.record(SessionClosed(why))
        await session.close()
        self._open.pop(session.info.id, None)

    async def shut_down(self, session_id: str) -> str:
        """Shut a session's kernel down and close its records. Raises ServerUnreachable when the kernel may go on."""
        session = await self.get(session_id)
        await session.connection.confirm()
        is_users = session.info.users_kernel
        if not is_users:
            try:
                await session.api.delete_kernel(session.info.kernel_id)
            except ServerError as error:
                if not session.over:
                    raise ServerUnreachable(
                        f"Session {session_id} was not shut down: {error.message}",
                        "Its kernel may go on. Call ping, and try again when the server answers.",
                    ) from None
        if session.current is not None:
            outcome = "was shut down; the kernel goes on" if is_users else "was shut down"
            status = RunStatus.LOST if is_users else RunStatus.DIED
            session.close_run(session.current, status, f"The session {outcome}.")
        await self.let_go(session, "shut down")
        if is_users:
            return f"Session {session_id} is closed. Its kernel is the user's own: it goes on and keeps its variables."
        return f"Session {session_id} is shut down; its kernel and variables are gone."

    def end_with_run(self, session: Session) -> None:
        """Let a scratch session's kernel end with its run."""
        task = asyncio.create_task(self._end_with_run(session))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_with_run(self, session: Session) -> None:
        while session.current is not None:
            await session.current.done.wait()
        await self.close_scratch(session)

    async def close_scratch(self, session: Session) -> None:
        with contextlib.suppress(JlabError):
            await session.api.delete_kernel(session.info.kernel_id)
        await self.let_go(session, "scratch")

    async def release(self) -> None:
        """Let go of everything at the end of the process: fast, in parallel, best effort."""
        await self._opener.settled(OPENING_S)
        if not self._open:
            return
        sessions = [s for s in self._open.values() if not s.taken_over]
        work: list[Awaitable[object]] = [asyncio.wait_for(self._release_kernels(sessions), RELEASE_S)]
        for session in sessions:
            session.sync_cells()
            work.append(session.recorder.flush())
            if session.saver is not None:
                work.append(session.saver.flush())
        await asyncio.gather(*work, return_exceptions=True)
        await asyncio.gather(*(s.close() for s in sessions), return_exceptions=True)
        self._open.clear()

    async def _release_kernels(self, sessions: Sequence[Session]) -> None:
        # A session that is over may belong to a server that is gone: nobody answers there.
        servers = {id(s.api): s.api for s in sessions if s.link.resumable and not s.over}
        await asyncio.gather(
            *(api.release(self.owner.client) for api in servers.values()), return_exceptions=True
        )
        if self._on_exit is not OnExit.KEEP:
            plain = [s for s in sessions if not s.link.resumable and not s.info.users_kernel]
            doomed = [s for s in plain if s.current is None or self._on_exit is OnExit.KILL]
            await asyncio.gather(*(self._delete(s) for s in doomed), return_exceptions=True)

    async def _delete(self, session: Session) -> None:
        await session.connection.confirm()
        session.recorder.record(SessionClosed("its client ended"))
        await session.api.delete_kernel(session.info.kernel_id)
