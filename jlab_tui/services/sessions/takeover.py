"""Finds the session of an id: one that this process holds, or one that an earlier process left, with its run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn

from ...core.errors import KernelGone, NotebookError, RecordUnreadable, ServerError, UnknownSession
from ...core.notebook.notebook import Notebook, new_notebook
from ...core.session.identity import SessionIdentity
from ...core.session.replay import ReplayedSession
from ..ports import Journal, Journals, NotebookFile, Notebooks
from ..server.ready import Server
from ..session.journal_replay import JournalReplay
from ..session.session import KERNEL_READY_S, Session
from .factory import Origin, SessionFactory, notebook_warnings
from .finalize import Finalizer
from .kernel_ends import KernelEnds
from .scratch import ScratchSessions
from .table import SessionTable

BUSY_READY_S: Final = 2.0
"""how long a kernel that is known to be busy may take to answer"""


class Takeover:
    """Finds sessions, and takes over those that nobody holds."""

    def __init__(
        self,
        server: Callable[[], Awaitable[Server]],
        table: SessionTable,
        factory: SessionFactory,
        finalizer: Finalizer,
        scratch: ScratchSessions,
        journals: Journals,
        notebooks: Notebooks,
        ends: KernelEnds,
    ) -> None:
        """`server` raises a ServerError while none is ready."""
        self._server = server
        self._table = table
        self._factory = factory
        self._finalizer = finalizer
        self._scratch = scratch
        self._journals = journals
        self._notebooks = notebooks
        self._ends = ends

    async def get(self, session_id: str, replay: JournalReplay | None = None) -> Session:
        """Find the session of that id. `replay` is what its journals say so far. Raises UnknownSession, RecordUnreadable,
        SessionOwned, KernelGone."""
        if session := self._table.find(session_id):
            return session
        async with self._table.lock(session_id):
            if session := self._table.find(session_id):
                return session
            # The process that holds it may be gone meanwhile; whether it is, the claim tells.
            await self._table.drop_taken_over(session_id)
            replay = replay or JournalReplay(session_id, self._journals)
            try:
                server = await self._server()
            except ServerError:
                await self._finalizer.finalize(replay)
                raise
            left = await replay.read_on()
            await self._refuse_closed(server, session_id, left, replay)
            session = await self._take_over_or_close(server, left)
            self._table.add(session)
            await self._until_usable(session)
            if not session.identity.notebook:
                self._scratch.end_with_run(session)
            return session

    def refuse_unknown(self, session_id: str, left: ReplayedSession | None) -> NoReturn:
        if left is None or left.opened is not None:
            raise UnknownSession(session_id, [s.identity.id for s in self._table.sessions])
        raise RecordUnreadable(session_id, ", ".join(map(str, self._journals.files(session_id))))

    async def _refuse_closed(
        self, server: Server, session_id: str, left: ReplayedSession | None, replay: JournalReplay
    ) -> None:
        if left is None or left.opened is None or (left.closed and not left.opened.notebook):
            self.refuse_unknown(session_id, left)
        reason = f"Session {session_id} is closed: {left.closed}" if left.closed else ""
        if not reason and left.opened.server_started != server.record.started:
            reason = await self._finalizer.finalize(replay)
        if reason:
            raise KernelGone(reason.rstrip(".") + ".", _open_again(left.opened.notebook))

    async def _take_over_or_close(self, server: Server, left: ReplayedSession | None) -> Session:
        assert left is not None
        try:
            return await self._take_over(server, left)
        except KernelGone:
            # Its run has ended with it, and nobody is to wait for that.
            kernels = {kernel.kernel_id for kernel in await server.api.kernels()}
            if left.kernel_id in kernels:
                raise
            why = (await self._ends.all(server)).get(left.kernel_id, "")
            await self._finalizer.finalize_gone(left, why)
            if not why or left.opened is None:
                raise
            gone = f"The kernel of session {left.session} is gone. {why}"
            raise KernelGone(gone, _open_again(left.opened.notebook)) from None

    async def _take_over(self, server: Server, left: ReplayedSession) -> Session:
        """The session that some journals tell of, not connected yet. Raises SessionOwned, KernelGone."""
        opened = left.opened
        assert opened is not None
        claim = await self._factory.claim(
            server, left.session, opened.kernel_id, users_kernel=opened.users_kernel
        )
        journal: Journal | None = None
        if claim is None and await server.api.kernel_state(opened.kernel_id) is not None:
            journal = await asyncio.to_thread(self._factory.ownership.succeed, left.session)
        if claim is None and journal is None:
            raise KernelGone(f"The kernel of session {left.session} is gone.", _open_again(opened.notebook))
        file, notebook, notes = await self._notebook(server, opened.notebook)
        origin = Origin(left.epoch + 1, left.count + 1, left.generation, left.awaited, left.seq, journal)
        warnings = await notebook_warnings(server) if opened.notebook else []
        identity = SessionIdentity.of(opened, hostname=server.record.hostname)
        session = self._factory.make(server, identity, claim, file, notebook, warnings, origin)
        recorded = (await server.api.recorded_kernels()).get(opened.kernel_id) if claim else None
        await session.resume(left, recorded, notes)
        return session

    async def _notebook(
        self, server: Server, path: str
    ) -> tuple[NotebookFile | None, Notebook | None, list[str]]:
        """Return a session's notebook from its file, and the notes about it."""
        if not path:
            return None, None, []
        file = self._notebooks.file(Path(path))
        try:
            return file, await asyncio.to_thread(file.load), []
        except NotebookError as error:
            what = (
                "It stays as it is until it can be merged" if file.path.exists() else "A new one is written"
            )
            note = f"{error.message} {what}; every output is in its run's record."
            return file, new_notebook((await server.api.kernelspecs()).default), [note]

    async def _until_usable(self, session: Session) -> None:
        """Connect it, and wait until it is on record as ours and its kernel answers, if that can be expected."""
        # A stock server's kernel answers when its cell has ended; until then nothing has to be sent to it.
        is_idle = session.current is None
        if not await session.connect(KERNEL_READY_S if is_idle else BUSY_READY_S) and is_idle:
            session.journal.notice("The kernel did not answer yet.", "warning")


def _open_again(notebook: str) -> str:
    return f'Open its notebook again with start_session_resume_notebook(notebook_path="{notebook}").'
