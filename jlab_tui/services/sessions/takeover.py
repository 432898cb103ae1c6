"""Takes a session over that an earlier process left, with the run that is in progress."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from ...core.errors import KernelGone, NotebookError
from ...core.journal.events import RunStatus
from ...core.notebook.notebook import Notebook, new_notebook
from ...core.session.replay import ReplayedSession
from ..ports import Journal, NotebookFile, Notebooks
from ..session.session import KERNEL_READY_S, Session, SessionInfo
from .factory import Server, SessionFactory, notebook_warnings

BUSY_READY_S: Final = 2.0
"""the same for a kernel that is known to be busy"""


class Takeover:
    """Sessions from their records."""

    def __init__(self, factory: SessionFactory, notebooks: Notebooks) -> None:
        self._factory = factory
        self._notebooks = notebooks

    async def take_over(self, server: Server, record: ReplayedSession) -> Session:
        """The session of a record, connected; its kernel may still be busy. Raises SessionOwned, KernelGone."""
        opened = record.opened
        assert opened is not None
        claim = await self._factory.claim(
            server, record.session, opened.kernel_id, users_kernel=opened.users_kernel
        )
        journal: Journal | None = None
        if claim is None and await server.api.kernel_state(opened.kernel_id) is not None:
            journal = await asyncio.to_thread(self._factory.ownership.succeed, record.session)
        if claim is None and journal is None:
            raise KernelGone(
                f"The kernel of session {record.session} is gone.",
                f'Open its notebook again with start_session_resume_notebook(notebook_path="{opened.notebook}").',
            )
        file: NotebookFile | None = None
        notebook: Notebook | None = None
        notes: list[str] = []
        if opened.notebook:
            file = self._notebooks.file(Path(opened.notebook))
            try:
                notebook = await asyncio.to_thread(file.load)
            except NotebookError as error:
                what = (
                    "It stays as it is until it can be merged"
                    if file.path.exists()
                    else "A new one is written"
                )
                notes.append(f"{error.message} {what}; every output is in its run's record.")
                notebook = new_notebook(await server.api.kernelspec())
        info = SessionInfo(
            record.session, opened.name, opened.notebook, opened.kernel_id, server.record.hostname,
            opened.python, opened.cwd, opened.users_kernel,
            await notebook_warnings(server) if opened.notebook else [],
        )  # fmt: skip
        session = self._factory.make(
            server, info, claim, file, notebook, record.epoch + 1, record.count + 1, journal
        )
        if session.saver is not None:
            session.saver.merge_notes += notes
        recorded = (await server.api.recorded_kernels()).get(opened.kernel_id) if claim else None
        arrived = recorded.requests if recorded is not None else None
        session.generation = record.generation
        for run in record.runs.values():
            run.has_started = run.has_started or (recorded is not None and recorded.running == run.msg_id)
            session.adopt_run(run)
        if file is not None:
            await session.keeper.restore(record, file.saved_at)
        self._factory.attach(session, server, claim, since=min(record.seq, claim.last_seq) if claim else 0)
        unfinished = [session.runs[run.id] for run in record.unfinished]
        for run in unfinished:
            if arrived is not None and run.msg_id not in arrived and not run.has_started:
                session.close_run(
                    run,
                    RunStatus.LOST,
                    "It never reached the kernel: the process that asked for it ended first.",
                )
            elif run is not unfinished[-1]:
                session.close_run(run, RunStatus.LOST, "Its end was not recorded.")
        return session

    async def usable(self, session: Session) -> None:
        """Wait until it is on record as ours, and until its kernel answers, if that can be expected."""
        await session.recorder.flush()
        # A stock server's kernel answers when its cell has ended; until then nothing has to be sent to it.
        patience = KERNEL_READY_S if session.current is None else BUSY_READY_S
        try:
            await session.link.ready(patience)
        except TimeoutError:
            if session.current is None:
                session.notice("The kernel did not answer yet.", "warning")
