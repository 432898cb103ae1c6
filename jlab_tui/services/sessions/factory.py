"""Builds a session from its claim at the server, its journal, its notebook and its link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ...core.journal.summary import Heads
from ...core.kernel.link import Claim, Lease
from ...core.notebook.notebook import Notebook
from ...core.notebook.output_items import CellLimits
from ...core.notebook.outputs import CellOutputs
from ...core.server.record import Owner
from ...core.session.identity import SessionIdentity
from ...core.session.replay import entries_of, rebuild_all
from ...core.session.run import Run
from ...core.session.state import Kernel, SessionStatus
from ...core.settings import OnExit
from ..journal.ownership import Ownership
from ..ports import Diagnosis, Journal, Journals, Jupyter, Link, NotebookFile, SessionPorts, Spool
from ..server.ready import Server
from ..session.session import Session
from ..session.user_actions import UserActions

FEATURE: Final = "channels"
"""what the Jupyter extension names when it records kernels"""
OTHERS_S: Final = 1.0
"""how long a session that is opened waits for what others have left of its notebook"""


SHARED_DOCUMENTS: Final = (
    "jupyter-collaboration is active on this server: what somebody edits in JupyterLab and has not saved yet can be lost "
    "when cells are written. Tell the user to edit this notebook there only while no cell runs."
)


async def notebook_warnings(server: Server) -> list[str]:
    """Return the notes for the start of a session on a notebook of this server."""
    shared = SHARED_DOCUMENTS if await server.api.shares_documents() else ""
    return [note for note in (server.record.environment, shared) if note]


@dataclass(frozen=True, slots=True)
class Origin:
    """The point from which a session continues; empty for a new one."""

    epoch: int = 0
    first_run: int = 1
    generation: int = 1
    """of its kernel"""
    awaited: tuple[str, ...] = ()
    """who asked for restarts of it whose exit notice is on its way"""
    seq: int | None = None
    """last message applied; None: continue with the next one"""
    journal: Journal | None = None
    """the one that makes it ours, on a stock server"""


class SessionFactory:
    """Makes complete sessions for this process."""

    def __init__(
        self,
        owner: Owner,
        journals: Journals,
        ownership: Ownership,
        spool: Spool,
        now: Callable[[], float],
        on_exit: OnExit,
        diagnosis: Diagnosis,
        hold_limit_s: float,
    ) -> None:
        self._owner = owner
        self._journals = journals
        self.ownership = ownership
        self._spool = spool
        self._now = now
        self._on_exit = on_exit
        self._diagnosis = diagnosis
        self._hold_limit_s = hold_limit_s
        self._actions = UserActions(journals.new_actions, journals.has_ended, now)

    async def start(
        self, server: Server, session_id: str, kernel_name: str | None, path: str = "", notebook: str = ""
    ) -> tuple[str, Claim | None]:
        """A kernel for a session, ours from its beginning; on a server without the extension, where None comes with it,
        it is nobody's until the session is on record."""
        if FEATURE in await server.api.features():
            return await server.api.start_claimed(session_id, self._owner, kernel_name, path, notebook)
        return await server.api.start_kernel(kernel_name, path, notebook), None

    async def claim(
        self, server: Server, session_id: str, kernel_id: str, *, users_kernel: bool
    ) -> Claim | None:
        """Claim a kernel for a session. None on a server without the extension; raises SessionOwned, KernelGone."""
        if FEATURE not in await server.api.features():
            return None
        return await server.api.claim(
            session_id, kernel_id, self._owner, on_exit=self._on_exit_of(users_kernel)
        )

    def _on_exit_of(self, users_kernel: bool) -> OnExit:
        return OnExit.KEEP if users_kernel else self._on_exit

    def make(
        self,
        server: Server,
        identity: SessionIdentity,
        claim: Claim | None,
        file: NotebookFile | None,
        notebook: Notebook | None,
        warnings: Sequence[str] = (),
        origin: Origin = Origin(),
    ) -> Session:
        """A session whose journal has its first line; its link is not open yet."""
        epoch = max(origin.epoch, claim.epoch if claim else 1)
        journal = origin.journal or self._journals.writer(identity.id, epoch)
        ports = SessionPorts(
            api=server.api,
            journal=journal,
            file=file,
            link=self._link(server.api, identity, claim, journal, origin.seq),
            spool=self._spool,
            read_back=self.read_back,
            now=self._now,
            server=server.record,
            diagnosis=self._diagnosis,
            actions=self._actions,
            hold_limit_s=self._hold_limit_s,
        )
        kernel = Kernel(origin.generation, users_own=identity.users_kernel, awaited=origin.awaited)
        state = SessionStatus(identity.id, identity.kernel_id, claim is not None, kernel=kernel)
        opened = identity.opened(self._owner, epoch, server.record.started)
        return Session(opened, state, ports, notebook, origin.first_run, warnings)

    def _link(
        self,
        api: Jupyter,
        identity: SessionIdentity,
        claim: Claim | None,
        journal: Journal,
        seq: int | None,
    ) -> Link:
        """The link to a session's kernel, from message `seq` of the recorded stream on."""
        lease: Lease | None = None
        since = 0
        if claim is not None:
            lease = Lease(self._owner.client, claim.epoch, self._on_exit_of(identity.users_kernel))
            since = claim.last_seq if seq is None else min(seq, claim.last_seq)
        return api.link(
            identity.kernel_id,
            session_id=f"jlab-mcp-{identity.id}",
            lease=lease,
            hold=None if lease else partial(self.ownership.beat, identity.id, journal),
            since=since,
        )

    def read_back(self, runs: Sequence[Run], limits: CellLimits = CellLimits()) -> dict[str, CellOutputs]:
        """Return outputs by run id from the journals; blocking."""
        return rebuild_all(runs, entries_of(runs, self._journals.read_runs), limits)

    async def heads(self, within_s: float) -> Heads:
        """The sessions that are not closed, as far as they are known after so many seconds."""
        return await asyncio.to_thread(self._journals.heads, within_s)

    async def heads_on(self, server: Server) -> Heads:
        """The same with each session that a kernel of this server belongs to, of however many sessions there are."""
        if FEATURE not in await server.api.features():
            return await asyncio.to_thread(self._journals.heads)
        recorded = await server.api.recorded_kernels()
        sessions = {kernel.session for kernel in recorded.values()}
        return await asyncio.to_thread(self._journals.heads, OTHERS_S, sessions)
