"""All sessions of one MCP server process: opening, taking over, looking up, closing."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NoReturn
from weakref import WeakValueDictionary

from ..core.errors import (
    JlabError,
    KernelGone,
    RecordUnreadable,
    ServerError,
    ServerUnreachable,
    SessionOwned,
    UnknownRun,
    UnknownSession,
)
from ..core.events import HumanActed, RunStatus, SessionClosed
from ..core.heads import SessionHead
from ..core.link import Claim
from ..core.models import Owner, ServerRecord
from ..core.notebook import Notebook, file_stem, kernel_of, new_notebook
from ..core.outputs import CellOutputs
from ..core.settings import OnExit
from .adoption import Adoption
from .assembly import Assembly, Server, notebook_warnings
from .burial import Burial
from .holding import Holding, OwnerAlive
from .opening import Opening, Openings
from .ports import Journals, Link, LinkMaker, NotebookFile, Notebooks, Spool
from .runs import Run, SessionRecord, read_record
from .session import KERNEL_READY_S, Session, SessionInfo
from .subshell import evaluation

OPENING_S: Final = 5.0
"""how long a process that ends waits for a session that is being opened: it leaves no empty notebook, and on a stock
server no kernel of nobody"""
RELEASE_S: Final = 3.0
"""how long a process that ends tries to tell the server; a lease that is lost does the same"""
PREDECESSOR_S: Final = 60.0
"""how long sessions are tried to be taken back from an earlier process of the same conversation that still has them"""
USERS_KERNEL: Final = (
    "This is the kernel that the user has open on this notebook: its variables are as the user left them, no cell was "
    "run again, and the kernel stays when this session ends."
)
UNUSED_KERNEL: Final = "This is a kernel that the user has open on this notebook and that has run nothing yet; it stays when this session ends."
_ASK_S: Final = 3.0


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
        self._notebooks = notebooks
        self._now = now
        self._on_exit = on_exit
        self._holding = Holding(owner, journals, owner_alive)
        self._assembly = Assembly(
            owner, make_link, journals, self._holding, spool, now, on_exit, diagnose, why_silent
        )
        self._adoption = Adoption(self._assembly, notebooks)
        self._burial = Burial(owner, diagnose, journals, notebooks, spool, now, owner_alive)
        self.close_ended = self._burial.bury_all
        """closes runs of dead processes that ended with their server; returns them"""
        self._open: dict[str, Session] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._reclaimed = False
        self._reclaiming: asyncio.Task[None] | None = None
        self._first_claim = 0.0
        self._tidying: asyncio.Task[None] | None = None
        self._openings = Openings(self._undo)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def open_sessions(self) -> list[Session]:
        return list(self._open.values())

    # -- opening -------------------------------------------------------------------------------------------------

    async def open_new(self, experiment_name: str) -> Session:
        """A new notebook, never over an existing one, with a kernel of its own."""
        return await self._openings.whole(partial(self._open_new, experiment_name))

    async def _open_new(self, experiment_name: str, opening: Opening) -> Session:
        server = await self._server()
        notebook = new_notebook(await server.api.kernelspec())
        warnings = await self._new_file(opening, file_stem(experiment_name), notebook)
        return await self._open_on(server, opening, opening.file, notebook, warnings)

    async def _new_file(
        self, opening: Opening, stem: str, notebook: Notebook, directory: Path | None = None
    ) -> list[str]:
        opening.file, trouble = await asyncio.to_thread(self._notebooks.new, stem, notebook, directory)
        return [trouble] if trouble else []

    async def open_existing(self, notebook_path: str) -> tuple[Session, bool]:
        """A session on an existing notebook: the live one when there is one, else a fresh kernel. Returns whether it was live."""
        return await self._openings.whole(partial(self._open_existing, notebook_path))

    async def _open_existing(self, notebook_path: str, opening: Opening) -> tuple[Session, bool]:
        path = await asyncio.to_thread(self._notebooks.resolve, notebook_path)
        async with self._locks.setdefault(
            str(path), asyncio.Lock()
        ):  # asked for twice at once, it is one session
            return await self._open_at(path, opening)

    async def _open_at(self, path: Path, opening: Opening) -> tuple[Session, bool]:
        for session in self.open_sessions:
            notebook_is_gone = not await asyncio.to_thread(Path(session.info.notebook).exists)
            if session.saver is not None and notebook_is_gone:
                await session.keeper.refresh()  # it may have been renamed to this path
            if session.info.notebook == str(path):
                await session.connection.look()
                if not session.over:
                    return session, True
                await self._let_go(session, session.over)
        server = await self._server()
        heads = await self._heads(server)
        for head in heads:
            if head.opened.notebook == str(path) and not head.is_closed:
                with contextlib.suppress(KernelGone, UnknownSession):
                    return await self.get(head.session), True
        await self.close_ended()
        file = self._notebooks.file(path)
        notebook = await asyncio.to_thread(file.load)
        if kernel_id := await self._kernel_at(server, path):
            users_kernel = not await self._is_ours(server, kernel_id, heads)
            session_id = _new_id()
            claim = await self._assembly.claim(server, session_id, kernel_id, users_kernel=users_kernel)
            session = await self._connect(
                server,
                opening,
                session_id,
                kernel_id,
                claim,
                file,
                notebook,
                [],
                in_root=True,
                users_kernel=users_kernel,
            )
            if users_kernel:
                session.was_unused = await _is_unused(session.link)
                session.info.warnings.insert(0, UNUSED_KERNEL if session.was_unused else USERS_KERNEL)
            return session, True
        return await self._open_on(server, opening, file, notebook, []), False

    async def _is_ours(self, server: Server, kernel_id: str, heads: Sequence[SessionHead]) -> bool:
        """Whether a kernel was started for a session of ours. One that is on no record was, when its process was killed
        in the middle of that."""
        if any(h.opened.kernel_id == kernel_id and not h.opened.users_kernel for h in heads):
            return True
        recorded = (await server.api.recorded_kernels()).get(kernel_id)
        return recorded is not None and recorded.started_here

    async def _kernel_at(self, server: Server, path: Path) -> str:
        """The living kernel that a notebook is open on, as in JupyterLab; empty when there is none."""
        at = await asyncio.to_thread(self._notebooks.server_path, path)
        kernel_id, state = (await server.api.kernel_at(at) if at is not None else None) or ("", "")
        if kernel_id and state == "dead":
            await server.api.delete_kernel(kernel_id)
            return ""
        return kernel_id

    async def fork(self, notebook_path: str, experiment_name: str) -> Session:
        """A copy of a notebook as `<name>_continued.ipynb` next to it, with a fresh kernel; nothing is run."""
        return await self._openings.whole(partial(self._fork, notebook_path, experiment_name))

    async def _fork(self, notebook_path: str, experiment_name: str, opening: Opening) -> Session:
        path = await asyncio.to_thread(self._notebooks.resolve, notebook_path)
        source = await asyncio.to_thread(self._notebooks.file(path).load)
        server = await self._server()
        stem = file_stem(experiment_name) if experiment_name.strip() else f"{path.stem}_continued"
        if experiment_name.strip() and not stem.endswith("_continued"):
            stem += "_continued"
        warnings = await self._new_file(opening, stem, source, path.parent)
        return await self._open_on(server, opening, opening.file, source, warnings)

    async def open_scratch(self) -> Session:
        """A kernel without a notebook, for one run."""
        return await self._openings.whole(self._open_scratch)

    async def _open_scratch(self, opening: Opening) -> Session:
        server = await self._server()
        session_id = _new_id()
        opening.kernel_id, claim = await self._assembly.start(server, session_id, None)
        return await self._connect(server, opening, session_id, opening.kernel_id, claim, None, None, [])

    async def _open_on(
        self,
        server: Server,
        opening: Opening,
        file: NotebookFile | None,
        notebook: Notebook,
        warnings: list[str],
    ) -> Session:
        assert file is not None
        session_id = _new_id()
        path = await asyncio.to_thread(self._notebooks.server_path, file.path)
        wanted = kernel_of(notebook)
        kernel = (await server.api.kernelspec(wanted)).name if wanted else None
        name = file.path.name
        if path is None:
            name = ""
            warnings.append(f"{file.path} is outside JupyterLab's root directory; it cannot be opened there.")
        elif await self._kernel_at(server, file.path):
            name = ""
            warnings.append(
                f"JupyterLab still has a kernel under the name {path}, of a notebook that is gone; this session has a "
                "kernel of its own, which JupyterLab does not show with the notebook."
            )
        opening.kernel_id, claim = await self._assembly.start(server, session_id, kernel, path or "", name)
        return await self._connect(
            server,
            opening,
            session_id,
            opening.kernel_id,
            claim,
            file,
            notebook,
            warnings,
            in_root=path is not None,
        )

    async def _connect(
        self,
        server: Server,
        opening: Opening,
        session_id: str,
        kernel_id: str,
        claim: Claim | None,
        file: NotebookFile | None,
        notebook: Notebook | None,
        warnings: list[str],
        *,
        in_root: bool = False,
        users_kernel: bool = False,
    ) -> Session:
        if file is not None:
            warnings += await notebook_warnings(server)
        info = SessionInfo(
            id=session_id,
            name=file.path.stem if file is not None else "scratch",
            notebook=str(file.path) if file is not None else "",
            kernel_id=kernel_id,
            hostname=server.record.hostname,
            python=(await server.api.kernelspec(kernel_of(notebook))).python,
            cwd=str(file.path.parent)
            if file is not None and in_root
            else server.record.extra.get("ROOT", ""),
            users_kernel=users_kernel,
            warnings=warnings,
        )
        try:
            session = self._assembly.make(server, info, claim, file, notebook)
            self._assembly.attach(session, server, claim, since=claim.last_seq if claim else 0)
            opening.session = session
            await session.link.ready(KERNEL_READY_S)
        except TimeoutError:
            session.connection.refuse_if_over()
            raise KernelGone(
                f"The kernel did not answer within {KERNEL_READY_S:g} s.",
                "Look at the log with: jlab-mcp logs",
            ) from None
        self._open[session_id] = session
        await session.recorder.flush()  # a process that ends now leaves a session that the next one finds
        return session

    async def _undo(self, opening: Opening) -> None:
        """Take back what was made for a session that nobody wants any more, or that could not be opened."""
        if opening.kernel_id and not (opening.session is not None and opening.session.taken_over):
            with contextlib.suppress(ServerError):
                await (await self._server()).api.delete_kernel(opening.kernel_id)
        if opening.session is not None:
            await self._let_go(opening.session, "it was not wanted any more when it was open")
        if opening.file is not None:
            await asyncio.to_thread(opening.file.discard)

    # -- looking up ----------------------------------------------------------------------------------------------

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
                await self._burial.bury(session_id)
                raise
            record = await asyncio.to_thread(self._read, session_id)
            if record is None or record.opened is None or (record.closed and not record.opened.notebook):
                self._refuse_unknown(session_id, record)
            reason = f"Session {session_id} is closed: {record.closed}" if record.closed else ""
            if not reason and record.opened.server_started != server.record.started:
                reason = await self._burial.bury(session_id)
            if reason:
                path = record.opened.notebook
                raise KernelGone(
                    reason.rstrip(".") + ".",
                    f'Open its notebook again with start_session_resume_notebook(notebook_path="{path}").',
                )
            try:
                session = await self._adoption.take_over(server, record)
            except KernelGone:
                # Its run has ended with it, and nobody is to wait for that.
                kernels = {kernel.kernel_id for kernel in await server.api.kernels()}
                await self._burial.bury_left(server.record.started, kernels)
                raise
            self._open[session_id] = session
            await self._adoption.usable(session)
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

    async def find_run(self, run_id: str) -> tuple[Session | None, Run]:
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
        return {**known, **(await asyncio.to_thread(self._assembly.read_back, unknown) if unknown else {})}

    def human_note(self, run: Run) -> str:
        """What a human did to this run from a dashboard, as a sentence, or nothing."""
        for entry in reversed(self._journals.human_actions(run.started)):
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
            self._tidying = asyncio.create_task(self._burial.bury_left(server.record.started, kernels))
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
        held = await asyncio.gather(*(asyncio.to_thread(self._holding.is_held, h.session) for h in heads))
        return {h.session for h, is_held in zip(heads, held, strict=True) if is_held}

    def reclaim_soon(self) -> None:
        """Like `reclaim`, in the background; for every call, whatever it is about."""
        is_idle = self._reclaiming is None or self._reclaiming.done()
        if is_idle and not self._reclaimed and self.owner.conversation:
            self._reclaiming = asyncio.create_task(self._try_to_reclaim())

    async def _try_to_reclaim(self) -> None:
        with contextlib.suppress(JlabError):  # no server yet: the next call tries again
            await self.reclaim()

    async def reclaim(self) -> None:
        """Once: take back the sessions of this client's conversation that an earlier process of it left."""
        if self._reclaimed or not self.owner.conversation:
            return
        began = self._now()
        server = await self._server()
        heads = await self._heads(server)
        mine = [h for h in heads if not h.is_closed and h.opened.conversation == self.owner.conversation]
        is_held = False
        for head in mine:
            if head.opened.client != self.owner.client and head.session not in self._open:
                try:
                    await self.get(head.session)
                except SessionOwned:
                    is_held = True
                except JlabError:
                    pass
        # The process before us may still be about to end: later calls try again.
        self._first_claim = self._first_claim or began
        self._reclaimed = not is_held or began - self._first_claim > PREDECESSOR_S

    async def _heads(self, server: Server) -> list[SessionHead]:
        """Sessions of this incarnation of the server."""
        heads = await asyncio.to_thread(self._journals.heads)
        return [head for head in heads if head.opened.server_started == server.record.started]

    def _refuse_unknown(self, session_id: str, record: SessionRecord | None) -> NoReturn:
        if record is None or record.opened is not None:
            raise UnknownSession(session_id, [s.info.id for s in self._open.values()])
        raise RecordUnreadable(session_id, ", ".join(map(str, self._journals.files().get(session_id, []))))

    def _read(self, session_id: str) -> SessionRecord | None:
        files = self._journals.files().get(session_id)
        return read_record(session_id, self._journals.read(files)) if files else None

    async def _let_go(self, session: Session, why: str) -> None:
        """Close a session; its kernel is not touched."""
        if not session.taken_over:
            session.recorder.record(SessionClosed(why))
        await session.close()
        self._open.pop(session.info.id, None)

    # -- closing -------------------------------------------------------------------------------------------------

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
        await self._let_go(session, "shut down")
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
        await self._let_go(session, "scratch")

    async def release(self) -> None:
        """Let go of everything at the end of the process: fast, in parallel, best effort."""
        await self._openings.settled(OPENING_S)
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


def _new_id() -> str:
    return uuid.uuid4().hex[:8]


async def _is_unused(link: Link) -> bool:
    """Whether a kernel has counted no cell; one that is busy has."""
    try:
        reply = await link.ask(evaluation("0"), _ASK_S)
    except TimeoutError:
        return False
    return reply.content.get("execution_count") == 0
