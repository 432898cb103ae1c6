"""Puts a session together: its claim at the server, its record, its notebook's saver and its link."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from ...core.errors import ServerError
from ...core.journal.events import SessionOpened
from ...core.kernel.link import Claim, Lease
from ...core.notebook.notebook import Notebook
from ...core.notebook.outputs import CellOutputs
from ...core.server.record import Owner, ServerRecord
from ...core.session.replay import entries_since, rebuild_all
from ...core.session.run import Run
from ...core.settings import OnExit
from ..journal.ownership import Ownership
from ..journal.writer import SessionJournal
from ..notebook.autosave import Autosave
from ..ports import Journal, Journals, Jupyter, LinkMaker, NotebookFile, Spool
from ..session.session import Session, SessionInfo

FEATURE: Final = "channels"
"""what the node extension names when it records kernels"""


@dataclass(frozen=True, slots=True)
class Server:
    """The server that sessions are opened on."""

    record: ServerRecord
    api: Jupyter


SHARED_DOCUMENTS: Final = (
    "jupyter-collaboration is active on this server: what somebody edits in JupyterLab and has not saved yet can be lost "
    "when cells are written. Tell the user to edit this notebook there only while no cell runs."
)


async def notebook_warnings(server: Server) -> list[str]:
    """What has to be said at the start of a session on a notebook of this server."""
    return [SHARED_DOCUMENTS] if await server.api.shares_documents() else []


async def _rename(api: Jupyter, kernel_id: str, name: str) -> None:
    with contextlib.suppress(ServerError):
        await api.rename_session(kernel_id, name)


class SessionFactory:
    """Makes sessions of this process; `services.sessions.registry` opens and closes them."""

    def __init__(
        self,
        owner: Owner,
        make_link: LinkMaker,
        journals: Journals,
        ownership: Ownership,
        spool: Spool,
        now: Callable[[], float],
        on_exit: OnExit,
        diagnose: Callable[[ServerRecord], Awaitable[str]],
        why_silent: Callable[[], Awaitable[str]],
    ) -> None:
        """`diagnose` says why a server ended, or nothing; `why_silent` why the present one does not answer, or nothing."""
        self.owner = owner
        self._make_link = make_link
        self._journals = journals
        self.ownership = ownership
        self._spool = spool
        self._now = now
        self._on_exit = on_exit
        self._diagnose = diagnose
        self._why_silent = why_silent

    async def start(
        self, server: Server, session_id: str, kernel_name: str | None, path: str = "", notebook: str = ""
    ) -> tuple[str, Claim | None]:
        """A kernel for a session, ours from its beginning; on a server without the extension, where None comes with it,
        it is nobody's until the session is on record."""
        if FEATURE in await server.api.features():
            return await server.api.start_claimed(session_id, self.owner, kernel_name, path, notebook)
        return await server.api.start_kernel(kernel_name, path, notebook), None

    async def claim(
        self, server: Server, session_id: str, kernel_id: str, *, users_kernel: bool
    ) -> Claim | None:
        """Claim a kernel for a session. None on a server without the extension; raises SessionOwned, KernelGone."""
        if FEATURE not in await server.api.features():
            return None
        return await server.api.claim(
            session_id, kernel_id, self.owner, on_exit=self._on_exit_of(users_kernel)
        )

    def _on_exit_of(self, users_kernel: bool) -> OnExit:
        return OnExit.KEEP if users_kernel else self._on_exit

    def make(
        self,
        server: Server,
        info: SessionInfo,
        claim: Claim | None,
        file: NotebookFile | None,
        notebook: Notebook | None,
        epoch: int = 0,
        first_run: int = 1,
        journal: Journal | None = None,
    ) -> Session:
        """A session with its record begun, in `journal` where that is what makes it ours; it has no link yet."""
        epoch = max(epoch, claim.epoch if claim else 1)
        recorder = SessionJournal(journal or self._journals.writer(info.id, epoch), self._now)
        saver = Autosave(file, notebook) if file is not None and notebook is not None else None
        diagnose = partial(self._diagnose, server.record)
        session = Session(
            info, server.api, recorder, saver, self._now, diagnose, self._spool, self.read_back, first_run
        )
        session.connection.why_silent = self._why_silent
        opened = SessionOpened(
            session=info.id,
            name=info.name,
            notebook=info.notebook,
            kernel_id=info.kernel_id,
            hostname=info.hostname,
            server_started=server.record.started,
            python=info.python,
            cwd=info.cwd,
            client=self.owner.client,
            client_host=self.owner.host,
            client_pid=self.owner.pid,
            client_started=self.owner.started,
            conversation=self.owner.conversation,
            epoch=epoch,
            users_kernel=info.users_kernel,
        )
        recorder.record(opened)

        def moved(path: Path) -> None:
            info.notebook = str(path)
            session.spawn(_rename(server.api, info.kernel_id, path.name))
            recorder.record(replace(opened, notebook=info.notebook))

        if saver is not None:
            saver.before_save, saver.on_moved = session.sync_cells, moved
        return session

    def attach(self, session: Session, server: Server, claim: Claim | None, since: int) -> None:
        """Connect it to its kernel, from message `since` of the recorded stream on."""
        on_exit = self._on_exit_of(session.info.users_kernel)
        lease = Lease(self.owner.client, claim.epoch, on_exit) if claim else None
        session.link = self._make_link(
            server.api,
            session.info.kernel_id,
            session_id=f"jlab-mcp-{session.info.id}",
            lease=lease,
            hold=None if lease else partial(self.ownership.beat, session.info.id, session.recorder),
            since=since,
            on_message=session.on_message,
            on_change=session.connection.on_change,
        )
        session.recorder.acknowledge = session.link.acknowledge
        # Until here the claim that was just made tells that the session is ours.
        session.recorder.may_write = session.connection.may_write
        if session.saver is not None:
            session.saver.may_write = session.connection.may_write
        session.link.open()

    def read_back(self, runs: Sequence[Run]) -> dict[str, CellOutputs]:
        """What runs have put out, by run id, from their journals; blocking."""
        return rebuild_all(runs, entries_since(runs[0], self._journals.read_from))
