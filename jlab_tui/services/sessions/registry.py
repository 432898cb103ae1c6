"""Manages all sessions of one MCP server process: opens, finds, takes over and closes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from ...core.errors import JlabError, KernelGone, SessionOwned, UnknownRun
from ...core.journal.events import SessionClosed
from ...core.journal.summary import Heads
from ...core.notebook.outputs import CellOutputs
from ...core.server.record import Owner
from ...core.session.call import NO_CALL, Call
from ...core.session.run import Run
from ...core.session.state import Usable
from ...core.settings import OnExit
from ..journal.ownership import OwnerAlive, Ownership
from ..ports import Diagnosis, Intents, Journals, Notebooks, Spool
from ..progress import all_of
from ..server.ready import Server
from ..session.cells import checked_code
from ..session.journal_replay import JournalReplay
from ..session.replies import Found
from ..session.run_handle import RunHandle
from ..session.session import Session
from .factory import SessionFactory
from .finalize import Finalizer
from .kernel_ends import KernelEnds
from .left_sessions import Left, LeftSessions
from .open import SessionOpener
from .reconnect import Reconnect
from .scratch import ScratchSessions
from .table import SessionTable
from .takeover import Takeover

OPENING_S: Final = 5.0
"""how long a process that ends waits for a session that is being opened: it leaves no empty notebook, and on a stock
server no kernel of nobody"""
RELEASE_S: Final = 3.0
"""how long a process that ends tries to tell the server; a lease that is lost does the same"""


LOOK_S: Final = 0.15
"""how long a list of sessions looks at their records before it goes by what is known"""
CLOSING_S: Final = 0.5
"""how long a call waits for runs that ended unseen to be closed; the rest goes on behind it"""


class Sessions:
    """Sessions by id. Every method that names one takes it over when an earlier process left it."""

    def __init__(
        self,
        owner: Owner,
        server: Callable[[], Awaitable[Server]],
        diagnosis: Diagnosis,
        journals: Journals,
        notebooks: Notebooks,
        intents: Intents,
        spool: Spool,
        now: Callable[[], float],
        on_exit: OnExit,
        owner_alive: OwnerAlive,
        hold_limit_s: float,
        comes_back: Callable[[], bool] = lambda: False,
    ) -> None:
        """`server` raises a ServerError while none is ready; `now` gives epoch seconds; `hold_limit_s`: how long held code
        waits for the user. `comes_back`: whether the client, at the end of this process, has only lost it and will be
        served by another one."""
        self._comes_back = comes_back
        self.owner = owner
        self._server = server
        self._journals = journals
        self._notebooks = notebooks
        self._on_exit = on_exit
        self._ownership = Ownership(owner, journals, owner_alive)
        self._table = SessionTable()
        self._ends = KernelEnds(now)
        self._scratch = ScratchSessions(self._table)
        self._factory = SessionFactory(
            owner,
            journals,
            self._ownership,
            spool,
            now,
            on_exit,
            diagnosis,
            hold_limit_s,
        )
        self._finalizer = Finalizer(owner, diagnosis.why_over, journals, notebooks, spool, now, owner_alive)
        self._takeover = Takeover(
            server,
            self._table,
            self._factory,
            self._finalizer,
            self._scratch,
            journals,
            notebooks,
            self._ends,
        )
        self._opener = SessionOpener(
            server,
            self._table,
            self._factory,
            self._takeover,
            self._finalizer,
            notebooks,
            intents,
            self._ends,
        )
        self._reconnect = Reconnect(owner, server, self._table, self._factory, self._takeover, now)
        self._left = LeftSessions(owner, server, self._table, self._ownership, self._finalizer, self._ends)
        self._closing: asyncio.Task[None] | None = None
        self._ended: list[Run] = []
        """runs that were closed and not told yet"""

    @property
    def open_sessions(self) -> list[Session]:
        return self._table.sessions

    # -- opening -------------------------------------------------------------------------------------------------

    async def open_new(self, experiment_name: str, call: Call = NO_CALL) -> Session:
        """A new notebook, never over an existing one, with a kernel of its own."""
        return await self._opener.open_new(experiment_name, call)

    async def open_existing(self, notebook_path: str, call: Call = NO_CALL) -> tuple[Session, bool]:
        """A session on an existing notebook: the live one when there is one, else a fresh kernel. Returns whether it was live."""
        return await self._opener.open_existing(notebook_path, call)

    async def fork(self, notebook_path: str, experiment_name: str, call: Call = NO_CALL) -> Session:
        """A copy of a notebook next to it, with a fresh kernel; nothing is run."""
        return await self._opener.fork(notebook_path, experiment_name, call)

    async def run_scratch(self, code: str, call: Call = NO_CALL) -> tuple[Session, RunHandle]:
        """Run code in a kernel of its own, without a notebook; it ends with the run."""
        code = checked_code(code)
        session = await self._opener.open_scratch(call)
        return session, await self._scratch.run(session, code, call)

    async def reclaim(self, heads: Heads | None = None) -> None:
        """Once: take back the sessions of this client's conversation that an earlier process of it left, as far as `heads`
        has them."""
        await self._reconnect.reclaim(heads)

    def reclaim_soon(self) -> None:
        """The same in the background."""
        self._reconnect.soon()

    # -- finding -------------------------------------------------------------------------------------------------

    async def get(self, session_id: str) -> Session:
        """The session of that id, taken over from an earlier process when need be. Raises UnknownSession,
        RecordUnreadable, SessionOwned, KernelGone."""
        return await self._takeover.get(session_id)

    async def for_reading(self, session_id: str) -> tuple[Session | None, str, str]:
        """A session and its notebook's path. None instead of a session that another process holds, or whose kernel is
        gone, and a sentence about that."""
        try:
            session = await self.get(session_id)
        except (SessionOwned, KernelGone) as error:
            left = await JournalReplay(session_id, self._journals).read_on()
            if left is None or left.opened is None or not left.opened.notebook:
                raise
            return None, left.opened.notebook, error.message
        return session, session.identity.notebook, ""

    async def save_at(self, notebook_path: str) -> None:
        """Bring the file of a notebook up to date, where a session of this process has it."""
        await self._table.save_at(await asyncio.to_thread(self._notebooks.resolve, notebook_path))

    def held(self, session_id: str) -> Session | None:
        """A session that this process holds."""
        return self._table.find(session_id)

    def held_run(self, run_id: str) -> tuple[Session, RunHandle] | None:
        """A run of a session that this process holds."""
        session = self._table.find(run_id.rpartition("-")[0])
        return (session, session.runs[run_id]) if session is not None and run_id in session.runs else None

    async def find_run(self, run_id: str, replay: JournalReplay | None = None) -> Found:
        """A run by id, with its session when that can be used. Also finds runs of closed sessions, and of those that
        another process holds. `replay` is what an earlier look has read. Raises UnknownRun."""
        replay = replay or JournalReplay(run_id.rpartition("-")[0], self._journals)
        session_id = replay.session_id
        session = self._table.find(session_id)
        if session is None:
            with contextlib.suppress(JlabError):
                session = await self._takeover.get(session_id, replay)
        if session is not None and run_id in session.runs:
            return session, session.runs[run_id]
        left = await replay.read_on() if session is None and session_id else None
        if left is not None and left.opened is None and not left.runs:
            self._takeover.refuse_unknown(session_id, left)
        if left is None or run_id not in left.runs:
            known = [run for s in self._table.sessions for run in list(s.runs)[-3:]]
            raise UnknownRun(run_id, known)
        return None, left.runs[run_id]

    async def outputs(self, run: Run) -> CellOutputs:
        """What a run has put out, from memory or from its record."""
        return (await self.outputs_of([run]))[run.id]

    async def outputs_of(self, runs: Sequence[Run]) -> dict[str, CellOutputs]:
        """The same of several, by run id; the record is read once. `runs` in the order in which they began."""
        known = {run.id: run.outputs for run in runs if run.outputs is not None}
        unknown = [run for run in runs if run.id not in known]
        return {**known, **(await asyncio.to_thread(self._factory.read_back, unknown) if unknown else {})}

    async def heads(self) -> Heads:
        """The sessions that are not closed, as far as is known soon."""
        return await self._factory.heads(LOOK_S)

    async def left(self, kernels: Collection[str], heads: Heads) -> Left:
        """Sessions of this server that we do not hold and that can be taken over. `kernels`: those that it has now."""
        return await self._left.look(kernels, heads)

    # -- closing -------------------------------------------------------------------------------------------------

    async def close_ended(self, heads: Heads) -> list[Run]:
        """Close runs of dead processes that ended with their server unseen. Returns those that were closed since the last
        call; what takes long goes on behind it."""
        running = [head for head in heads.known if head.running]
        if self._closing is None:
            self._closing = asyncio.create_task(self._finalizer.finalize_ended(running, self._ended))
        closing = self._closing
        if (await asyncio.wait([closing], timeout=CLOSING_S))[0]:
            self._closing = None
            closing.result()
        ended = self._ended[:]
        self._ended.clear()
        return ended

    async def shut_down(self, session_id: str) -> str:
        """Shut a session's kernel down and close its records. Raises ServerUnreachable when the kernel may go on."""
        session = await self.get(session_id)
        outcome = await session.shut_down()
        await self._table.let_go(session, "shut down")
        return outcome

    async def release(self) -> None:
        """Release everything at the end of the process: fast, in parallel, best effort."""
        for task in filter(None, (self._left.tidying, self._closing)):
            task.cancel()  # the next process goes on with it
        await self._opener.settled(OPENING_S)
        sessions = [s for s in self._table.sessions if not s.state.is_taken_over]
        if not self._comes_back():
            for session in sessions:
                session.give_up_held()
        telling = [] if self._comes_back() else [asyncio.wait_for(self._release_kernels(sessions), RELEASE_S)]
        await all_of("letting go of the sessions", *telling, *(session.save() for session in sessions))
        await all_of("closing the sessions", *(session.close() for session in sessions))
        self._table.clear()

    async def _release_kernels(self, sessions: Sequence[Session]) -> None:
        # A session that is over may belong to a server that is gone: nobody answers there.
        usable = [s for s in sessions if isinstance(s.state.availability, Usable)]
        servers = {id(s.api): s.api for s in usable if s.state.is_recorded}
        releases = (api.release(self.owner.client) for api in servers.values())
        await all_of("telling the server", *releases)
        if self._on_exit is not OnExit.KEEP:
            plain = [s for s in sessions if not s.state.is_recorded and not s.identity.users_kernel]
            doomed = [s for s in plain if s.current is None or self._on_exit is OnExit.KILL]
            await all_of("shutting kernels down", *(self._delete(s) for s in doomed))

    @staticmethod
    async def _delete(session: Session) -> None:
        await session.shut_down()
        session.journal.record(SessionClosed("its client ended"))
