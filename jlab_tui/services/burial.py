"""Closing the records of sessions whose server is gone and whose process never saw its end.

A process that is alive when the server ends does this for its own sessions. Where it was killed before, the next one
reads what the node recorded after the last line of the journal, and writes journal and notebook to their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from ..core.errors import NotebookError
from ..core.events import RunStatus, SessionClosed, SessionOpened
from ..core.models import Owner, ServerRecord, ServerState
from ..core.outputs import CellOutputs
from ..core.settings import Mode
from ..core.wire import KernelMessage, Request
from .ports import Journals, Jupyter, Notebooks, Spool
from .recorder import Recorder
from .runs import Run, SessionRecord, read_record, rebuild_all
from .saver import Saver
from .session import Session, SessionInfo

OwnerAlive = Callable[[str, int], bool | None]
"""whether the process of a host and id is alive; None for another host"""

FOREIGN_S: Final = 90.0
"""a process on another host is taken to be gone when it has recorded nothing for so long after the server's end"""


class Burial:
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
        """`diagnose` tells in a sentence that a server has ended, or nothing while it may come back."""
        self._owner = owner
        self._diagnose = diagnose
        self._journals = journals
        self._notebooks = notebooks
        self._spool = spool
        self._now = now
        self._owner_alive = owner_alive
        self._settled: set[str] = set()
        """sessions with nothing left to close"""
        self._lock = asyncio.Lock()

    async def bury(self, session_id: str) -> str:
        """Close the records of a session whose server is gone. Returns why it is, or nothing when it may come back."""
        async with self._lock:
            reason, _ = await self._bury(session_id, {})
            return reason

    async def bury_all(self) -> list[Run]:
        """Close every run that ended with its server unseen; returns those runs."""
        found: list[Run] = []
        reasons: dict[float, str] = {}
        async with self._lock:
            for session_id in await asyncio.to_thread(lambda: list(self._journals.files())):
                if session_id not in self._settled:
                    found += (await self._bury(session_id, reasons, only_unfinished=True))[1]
        return found

    async def _bury(
        self, session_id: str, reasons: dict[float, str], *, only_unfinished: bool = False
    ) -> tuple[str, list[Run]]:
        """Why the server is gone, and the runs that were closed. `reasons` keeps what is known of servers."""
        files = (await asyncio.to_thread(self._journals.files)).get(session_id, [])
        record = await asyncio.to_thread(lambda: read_record(session_id, self._journals.read(files)))
        opened = record.opened
        if opened is None or record.closed:
            self._settled.add(session_id)
            return "", []
        if only_unfinished and not record.unfinished:
            return "", []
        if opened.server_started not in reasons:
            served = ServerRecord(ServerState.ENDED, Mode.LOCAL, started=opened.server_started)
            reasons[opened.server_started] = await self._diagnose(served)
        reason = reasons[opened.server_started]
        if not reason or self._is_held(opened, record.last_at):
            return reason, []
        unfinished = record.unfinished
        if not await self._close(record, opened, files, reason):
            return reason, []
        self._settled.add(session_id)
        return reason, unfinished

    def _is_held(self, opened: SessionOpened, last_at: float) -> bool:
        """Whether a living process has the session, and closes it by itself."""
        if opened.client == self._owner.client:
            return True
        if (opened.client_host, opened.client_pid) == (self._owner.host, self._owner.pid):
            return False  # the id of the dead process is ours now
        alive = self._owner_alive(opened.client_host, opened.client_pid)
        return self._now() - last_at < FOREIGN_S if alive is None else alive

    async def _close(
        self, record: SessionRecord, opened: SessionOpened, files: list[Path], reason: str
    ) -> bool:
        """Write journal and notebook to their end. Returns False when another process does that now."""
        journal = await asyncio.to_thread(self._journals.successor, record.session, files)
        if journal is None:
            return False
        owner = self._owner
        recorder = Recorder(journal, self._now)
        recorder.record(
            replace(
                opened,
                client=owner.client,
                client_host=owner.host,
                client_pid=owner.pid,
                epoch=record.epoch + 1,
            )
        )
        info = SessionInfo(
            record.session, opened.name, opened.notebook, opened.kernel_id, opened.hostname, opened.python,
            opened.cwd, opened.users_kernel,
        )  # fmt: skip

        async def known() -> str:
            return reason

        no_server = cast(Jupyter, None)  # nothing is asked of a server that is gone
        saver = await self._saver(opened.notebook) if record.unfinished else None
        session = Session(
            info, no_server, recorder, saver, self._now, known, self._spool, self._read_back, record.count + 1
        )
        session.link = _EndedLink(record.seq)
        session.over = reason
        if saver is not None:
            saver.before_save = session.sync_cells
        unfinished = record.unfinished
        for run in record.runs.values():
            session.adopt_run(run)
        if saver is not None:
            await session.keeper.restore(record, saver.file.saved_at)
        for run in unfinished[:-1]:
            session.close_run(run, RunStatus.LOST, "Its end was not recorded.")
        await session.end_with_server(reason)
        recorder.record(SessionClosed(reason))
        await session.close()
        return True

    def _read_back(self, runs: Sequence[Run]) -> dict[str, CellOutputs]:
        return rebuild_all(runs, self._journals.read_from(runs[0].journal, runs[0].offset))

    async def _saver(self, path: str) -> Saver | None:
        """Saver of the session's notebook; None for one that has gone or cannot be read, which is left alone."""
        if not path:
            return None
        file = self._notebooks.file(Path(path))
        try:
            return Saver(file, await asyncio.to_thread(file.load))
        except NotebookError:
            return None


class _EndedLink:
    """Stands for the connection to a kernel that is gone."""

    resumable = True
    connected = False
    silent_for = float("inf")

    def __init__(self, seq: int) -> None:
        self.seq = seq

    def open(self) -> None:
        pass

    async def ready(self, timeout: float) -> None:
        raise TimeoutError

    async def close(self) -> None:
        pass

    async def send(self, request: Request) -> bool:
        return False

    async def ask(self, request: Request, timeout: float) -> KernelMessage:
        raise TimeoutError

    def acknowledge(self, seq: int) -> None:
        pass

    def renew(self) -> None:
        pass
