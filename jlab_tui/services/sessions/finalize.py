"""Closes the records of sessions whose server is gone and whose process never saw that.

A process that is alive when the server ends does this for its own sessions. Where it was killed before, the next one
reads what the Jupyter extension recorded after the last line of the journal, and writes journal and notebook to their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from ...core.errors import NotebookError
from ...core.journal.events import RunStatus, SessionClosed, SessionOpened
from ...core.journal.summary import SessionHead
from ...core.notebook.notebook import Notebook
from ...core.notebook.output_items import CellLimits
from ...core.notebook.outputs import CellOutputs
from ...core.notebook.pace import LARGE
from ...core.server.record import Owner, ServerRecord, ServerState
from ...core.session.protocol import RunClosed
from ...core.session.replay import ReplayedSession, entries_of, rebuild_all
from ...core.session.run import Run
from ...core.session.state import EndedWithServer, Kernel, SessionStatus
from ...core.settings import Mode
from ..journal.ownership import OwnerAlive
from ..journal.writer import SessionJournal
from ..notebook.output_sync import OutputSync
from ..ports import Journals, NotebookFile, Notebooks, Spool
from ..progress import all_of
from ..session.intake import Intake, read_rest
from ..session.journal_replay import JournalReplay

KERNEL_GONE: Final = "Its kernel was shut down after its process had gone."
FOREIGN_S: Final = 90.0
"""seconds without a record after the server's end, after which a process on another host counts as gone"""


class Finalizer:
    """Finds such sessions and closes them."""

    def __init__(
        self,
        owner: Owner,
        diagnose: Callable[[ServerRecord], Awaitable[str]],
        journals: Journals,
        notebooks: Notebooks,
        spool: Spool,
        now: Callable[[], float],
        owner_alive: OwnerAlive,
    ) -> None:
        """`diagnose` returns a sentence if a server has ended, or nothing while it may come back."""
        self._owner = owner
        self._diagnose = diagnose
        self._journals = journals
        self._notebooks = notebooks
        self._spool = spool
        self._now = now
        self._owner_alive = owner_alive
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """by session"""

    def _lock(self, session: str) -> asyncio.Lock:
        return self._locks.setdefault(session, asyncio.Lock())

    async def finalize(self, replay: JournalReplay) -> str:
        """Close the records of a session whose server is gone. Returns why it is gone, or nothing if it may come back."""
        async with self._lock(replay.session_id):
            replayed = await replay.read_on()
            if replayed is None or replayed.opened is None or replayed.closed:
                return ""
            reason = await self._why_over(replayed.opened.server_started, {})
            if reason and not self._is_held(replayed.opened, replayed.last_at):
                await self._close(await self._read(replay.session_id), replayed.opened, reason)
            return reason

    async def finalize_ended(self, heads: Iterable[SessionHead], ended: list[Run]) -> None:
        """Close these sessions, as far as their server has ended. Adds each run that this ends to `ended`."""
        reasons: dict[float, str] = {}
        for head in heads:
            ended += await self._close_head(head, reasons)

    async def finalize_left(
        self, server_started: float, kernels: Collection[str], ended: Mapping[str, str]
    ) -> None:
        """Close every session that nobody holds and whose kernel is gone. `kernels` are those of the server that began at
        `server_started`, asked for just now; `ended` says why others ended."""
        reasons: dict[float, str] = {}
        owner_alive = cache(self._owner_alive)
        for head in (await asyncio.to_thread(self._journals.heads)).known:
            await asyncio.sleep(0)  # calls come first
            opened = head.opened
            if head.is_closed or self._is_held(opened, head.last_at, owner_alive):
                continue
            is_gone = opened.server_started == server_started and opened.kernel_id not in kernels
            why = ended.get(opened.kernel_id, "") or KERNEL_GONE
            await self._close_head(head, reasons, why if is_gone else "")

    async def finalize_gone(self, left: ReplayedSession, why: str = "") -> None:
        """Close a session whose kernel is gone, if nobody holds it. `why` it ended, if that is known."""
        if left.opened is not None:
            running = left.unfinished[-1].id if left.unfinished else ""
            head = SessionHead(left.session, left.opened, running, last_at=left.last_at)
            await self._close_head(head, {}, why or KERNEL_GONE)

    async def _close_head(
        self, head: SessionHead, reasons: dict[float, str], kernel_gone: str = ""
    ) -> list[Run]:
        """Close a session if its server or kernel is gone and nobody holds it; return the runs that this ended."""
        opened = head.opened
        if head.is_closed or self._is_held(opened, head.last_at):
            return []
        reason = kernel_gone or await self._why_over(opened.server_started, reasons)
        if not reason:
            return []
        async with self._lock(head.session):
            if not head.running and not await self._may_be_behind(opened.notebook):
                await self._close_idle(opened, reason, head.files)
                return []
            replayed = await self._read(head.session)
            if replayed.opened is None or replayed.closed:
                return []
            status = RunStatus.DIED if kernel_gone else RunStatus.JOB_ENDED
            return await self._close(replayed, replayed.opened, reason, status)

    async def _why_over(self, server_started: float, known: dict[float, str]) -> str:
        """Return why a server is gone; empty while it may come back."""
        if server_started not in known:
            served = ServerRecord(ServerState.ENDED, Mode.LOCAL, started=server_started)
            known[server_started] = await self._diagnose(served)
        return known[server_started]

    async def _read(self, session_id: str) -> ReplayedSession:
        return await JournalReplay(session_id, self._journals).read_on() or ReplayedSession(session_id)

    def _is_held(self, opened: SessionOpened, last_at: float, owner_alive: OwnerAlive | None = None) -> bool:
        """Return whether a living process has the session and closes it by itself."""
        if opened.client == self._owner.client:
            return True
        if (opened.client_host, opened.client_pid) == (self._owner.host, self._owner.pid):
            return False  # we now have the id of the dead process
        alive = (owner_alive or self._owner_alive)(
            opened.client_host, opened.client_pid, opened.client_started
        )
        return self._now() - last_at < FOREIGN_S if alive is None else alive

    async def _close(
        self,
        replayed: ReplayedSession,
        opened: SessionOpened,
        reason: str,
        status: RunStatus = RunStatus.JOB_ENDED,
    ) -> list[Run]:
        """Complete journal and notebook. Returns the runs that this ended; none if another process does it."""
        journal = await self._succeed(opened, replayed.epoch)
        if journal is None:
            return []
        is_behind = bool(replayed.unfinished) or replayed.is_ahead_of_file
        file, notebook = await self._notebook(opened.notebook if is_behind else "")
        sync = OutputSync(file, notebook, self._read_back, journal.flush)
        kernel = Kernel(replayed.generation, users_own=opened.users_kernel, awaited=replayed.awaited)
        state = SessionStatus(
            opened.session,
            opened.kernel_id,
            is_recorded=True,
            availability=EndedWithServer(reason),
            kernel=kernel,
        )
        intake = Intake(state, journal, sync, self._now)
        for run in replayed.runs.values():
            intake.adopt(run)
        await sync.restore(replayed)
        for earlier in intake.state.open[:-1]:
            intake.apply(RunClosed(earlier.run, RunStatus.LOST, "Its end was not recorded."))
        await read_rest(intake, self._spool, replayed.seq)
        if last := intake.state.current:
            intake.apply(RunClosed(last, status, reason))
        journal.record(SessionClosed(reason))
        await all_of(f"closing session {opened.session}", sync.close())
        await all_of(f"closing session {opened.session}", journal.close())
        return [intake.runs[run.id] for run in replayed.unfinished]

    async def _close_idle(self, opened: SessionOpened, reason: str, files: Sequence[Path]) -> None:
        if journal := await self._succeed(opened, opened.epoch, files):
            journal.record(SessionClosed(reason))
            await journal.close()

    async def _succeed(
        self, opened: SessionOpened, epoch: int, files: Sequence[Path] = ()
    ) -> SessionJournal | None:
        """The next journal of a session, which makes this process its owner; None when another process was quicker."""
        files = files or await asyncio.to_thread(self._journals.files, opened.session)
        writer = await asyncio.to_thread(self._journals.successor, opened.session, files)
        if writer is None:
            return None
        owner = self._owner
        journal = SessionJournal(writer, self._now)
        journal.record(
            replace(
                opened,
                client=owner.client,
                client_host=owner.host,
                client_pid=owner.pid,
                client_started=owner.started,
                epoch=epoch + 1,
            )
        )
        return journal

    def _read_back(self, runs: Sequence[Run], limits: CellLimits) -> dict[str, CellOutputs]:
        return rebuild_all(runs, entries_of(runs, self._journals.read_runs), limits)

    async def _may_be_behind(self, path: str) -> bool:
        """Whether a session's notebook is so large that its file follows later."""
        return bool(path) and await asyncio.to_thread(lambda: self._notebooks.file(Path(path)).size) > LARGE

    async def _notebook(self, path: str) -> tuple[NotebookFile | None, Notebook | None]:
        """The session's notebook; none for one that has gone or cannot be read, which is left alone."""
        if not path:
            return None, None
        file = self._notebooks.file(Path(path))
        try:
            return file, await asyncio.to_thread(file.load)
        except NotebookError:
            return None, None
