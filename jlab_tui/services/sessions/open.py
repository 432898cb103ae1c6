"""Opens sessions: on a new notebook, an existing one, a copy of one, or on none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from ...core.errors import KernelGone, ServerError, UnknownSession
from ...core.journal.summary import SessionHead
from ...core.kernel.link import Claim
from ...core.notebook.notebook import Notebook, new_notebook
from ...core.notebook.stems import file_stem, stem_of_copy
from ...core.server.kernelspecs import ChosenKernel, WantedKernel, choose_kernel, wanted_kernel
from ...core.session.call import Call
from ...core.session.identity import SessionIdentity
from ...core.session.refusals import refusal
from ..ports import Intents, NotebookFile, Notebooks
from ..server.ready import Server
from ..session.session import KERNEL_READY_S, Session
from .factory import SessionFactory, notebook_warnings
from .finalize import Finalizer
from .kernel_ends import KernelEnds
from .rollback import Rollback, Rollbacks
from .table import SessionTable
from .takeover import Takeover

USERS_KERNEL: Final = (
    "This is the kernel that the user has open on this notebook: its variables are as the user left them, no cell was "
    "run again, and the kernel stays when this session ends."
)
UNUSED_KERNEL: Final = "This is a kernel that the user has open on this notebook and that has run nothing yet; it stays when this session ends."
_ASK_S: Final = 20.0
_ASK_BUSY_S: Final = 3.0


class SessionOpener:
    """Opens each session completely, or undoes it."""

    def __init__(
        self,
        server: Callable[[], Awaitable[Server]],
        table: SessionTable,
        factory: SessionFactory,
        takeover: Takeover,
        finalizer: Finalizer,
        notebooks: Notebooks,
        intents: Intents,
        ends: KernelEnds,
    ) -> None:
        """`server` raises a ServerError while none is ready."""
        self._server = server
        self._table = table
        self._factory = factory
        self._takeover = takeover
        self._finalizer = finalizer
        self._notebooks = notebooks
        self._intents = intents
        self._ends = ends
        self._openings = Rollbacks(self._undo)

    async def settled(self, timeout: float) -> None:
        """Wait until no session is being opened."""
        await self._openings.settled(timeout)

    async def open_new(self, experiment_name: str, call: Call) -> Session:
        """A new notebook, never over an existing one, with a kernel of its own."""
        if (before := await self._opened_before(call)) is not None:
            return before
        return await self._openings.whole(call, partial(self._open_new, experiment_name))

    async def _opened_before(self, call: Call) -> Session | None:
        """Return the session that an earlier attempt of the call opened, or was about to."""
        if not call.is_resent:
            return None
        with contextlib.suppress(UnknownSession):
            return await self._takeover.get(call.session_id)
        if path := await asyncio.to_thread(self._intents.read, call.session_id):
            return (await self.open_existing(str(path), call))[0]
        return None

    async def _open_new(self, experiment_name: str, rollback: Rollback) -> Session:
        server = await self._server()
        notebook = new_notebook((await kernel_for(server, WantedKernel())).spec)
        warnings = await self._new_file(rollback, file_stem(experiment_name), notebook)
        return await self._open_on(server, rollback, rollback.file, notebook, warnings)

    async def _new_file(
        self, rollback: Rollback, stem: str, notebook: Notebook, directory: Path | None = None
    ) -> list[str]:
        file, trouble = await asyncio.to_thread(self._notebooks.new, stem, notebook, directory)
        rollback.file = file
        await asyncio.to_thread(self._intents.write, rollback.session_id, file.path)
        return [trouble] if trouble else []

    async def open_existing(self, notebook_path: str, call: Call) -> tuple[Session, bool]:
        """A session on an existing notebook: the live one when there is one, else a fresh kernel. Returns whether it was live."""
        return await self._openings.whole(call, partial(self._open_existing, notebook_path))

    async def _open_existing(self, notebook_path: str, rollback: Rollback) -> tuple[Session, bool]:
        path = await asyncio.to_thread(self._notebooks.resolve, notebook_path)
        async with self._table.lock(str(path)):
            return await self._open_at(path, rollback)

    async def _open_at(self, path: Path, rollback: Rollback) -> tuple[Session, bool]:
        if session := await self._open_here(path):
            return session, True
        server = await self._server()
        found = (await self._factory.heads_on(server)).known
        at_path = [head for head in found if head.opened.notebook == str(path)]
        heads = [head for head in found if head.opened.server_started == server.record.started]
        for head in heads:
            if head in at_path and not head.is_closed:
                with contextlib.suppress(KernelGone, UnknownSession):
                    return await self._takeover.get(head.session), True
        await self._finalizer.finalize_ended(at_path, [])  # the file may lack something
        file = self._notebooks.file(path)
        notebook = await asyncio.to_thread(file.load)
        if kernel_id := await self._kernel_at(server, path):
            users_kernel = not await self._is_ours(server, kernel_id, heads)
            session_id = rollback.session_id
            claim = await self._factory.claim(server, session_id, kernel_id, users_kernel=users_kernel)
            session = await self._connect(
                server,
                rollback,
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
                is_busy = await server.api.kernel_state(kernel_id) == "busy"
                is_unused = await session.has_run_nothing(_ASK_BUSY_S if is_busy else _ASK_S)
                session.opening_warnings.insert(0, UNUSED_KERNEL if is_unused else USERS_KERNEL)
            return session, True
        at = await asyncio.to_thread(self._notebooks.server_path, path)
        why = await self._ends.of_notebook(server, at) if at is not None else ""
        notes = [f"The kernel that this notebook had is gone, with its variables. {why}"] if why else []
        return await self._open_on(server, rollback, file, notebook, notes), False

    async def _open_here(self, path: Path) -> Session | None:
        """The session that this process has on a notebook, if it can be used."""
        for session in self._table.sessions:
            notebook = session.identity.notebook
            if notebook and not await asyncio.to_thread(Path(notebook).exists):
                await session.cells.read()  # it may have been renamed to this path
            if session.identity.notebook == str(path):
                if await session.is_usable():
                    return session
                await self._table.let_go(session, session.state.why_over)
        return None

    async def _is_ours(self, server: Server, kernel_id: str, heads: Sequence[SessionHead]) -> bool:
        """Return whether a kernel was started for one of our sessions. A kernel on no record was, if its process was killed
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

    async def fork(self, notebook_path: str, experiment_name: str, call: Call) -> Session:
        """A copy of a notebook as `<name>_continued.ipynb` next to it, with a fresh kernel; nothing is run."""
        if (before := await self._opened_before(call)) is not None:
            return before
        return await self._openings.whole(call, partial(self._fork, notebook_path, experiment_name))

    async def _fork(self, notebook_path: str, experiment_name: str, rollback: Rollback) -> Session:
        path = await asyncio.to_thread(self._notebooks.resolve, notebook_path)
        await self._table.save_at(path)
        source = await asyncio.to_thread(self._notebooks.file(path).load)
        server = await self._server()
        await kernel_for(server, wanted_kernel(source.metadata))  # before a copy is made
        stem = file_stem(experiment_name) if experiment_name.strip() else stem_of_copy(path.stem)
        if experiment_name.strip() and not stem.endswith("_continued"):
            stem += "_continued"
        warnings = await self._new_file(rollback, stem, source, path.parent)
        return await self._open_on(server, rollback, rollback.file, source, warnings)

    async def open_scratch(self, call: Call) -> Session:
        """A kernel without a notebook, for one run."""
        if (before := await self._opened_before(call)) is not None:
            return before
        return await self._openings.whole(call, self._open_scratch)

    async def _open_scratch(self, rollback: Rollback) -> Session:
        server = await self._server()
        session_id = rollback.session_id
        chosen = await kernel_for(server, WantedKernel())  # Python, whatever the server's default is
        is_default = chosen.spec == (await server.api.kernelspecs()).default
        name = None if is_default else chosen.spec.name
        rollback.kernel_id, claim = await self._factory.start(server, session_id, name)
        return await self._connect(
            server, rollback, session_id, rollback.kernel_id, claim, None, None, [], python=chosen.spec.python
        )

    async def _open_on(
        self,
        server: Server,
        rollback: Rollback,
        file: NotebookFile | None,
        notebook: Notebook,
        warnings: list[str],
    ) -> Session:
        assert file is not None
        session_id = rollback.session_id
        path = await asyncio.to_thread(self._notebooks.server_path, file.path)
        chosen = await kernel_for(server, wanted_kernel(notebook.metadata))
        is_default = chosen.spec == (await server.api.kernelspecs()).default
        if chosen.note:
            warnings.append(chosen.note)
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
        rollback.kernel_id, claim = await self._factory.start(
            server, session_id, None if is_default else chosen.spec.name, path or "", name
        )
        return await self._connect(
            server,
            rollback,
            session_id,
            rollback.kernel_id,
            claim,
            file,
            notebook,
            warnings,
            in_root=path is not None,
            python=chosen.spec.python,
        )

    async def _connect(
        self,
        server: Server,
        rollback: Rollback,
        session_id: str,
        kernel_id: str,
        claim: Claim | None,
        file: NotebookFile | None,
        notebook: Notebook | None,
        warnings: list[str],
        *,
        in_root: bool = False,
        users_kernel: bool = False,
        python: str | None = None,
    ) -> Session:
        """`python`: of the kernel; None: the one that the notebook names, as far as that is known."""
        if python is None:
            wanted = wanted_kernel(notebook.metadata if notebook is not None else {})
            python = (await server.api.kernelspecs()).named(wanted).python
        if file is not None:
            warnings += await notebook_warnings(server)
        identity = SessionIdentity(
            id=session_id,
            name=file.path.stem if file is not None else "scratch",
            notebook=str(file.path) if file is not None else "",
            kernel_id=kernel_id,
            hostname=server.record.hostname,
            python=python,
            cwd=str(file.path.parent) if file is not None and in_root else server.record.root,
            users_kernel=users_kernel,
        )
        session = rollback.session = self._factory.make(server, identity, claim, file, notebook, warnings)
        if not await session.connect(KERNEL_READY_S):
            if error := refusal(session.state, identity.notebook):
                raise error
            raise KernelGone(
                f"The kernel did not answer within {KERNEL_READY_S:g} s.",
                "Look at the log with: jlab-mcp logs",
            )
        self._table.add(session)
        if file is not None:
            await asyncio.to_thread(self._intents.forget, session_id)
        return session

    async def _undo(self, rollback: Rollback) -> None:
        """Undo a session that nobody wants any more, or that could not be opened."""
        if rollback.kernel_id and not (rollback.session is not None and rollback.session.state.is_taken_over):
            with contextlib.suppress(ServerError):
                await (await self._server()).api.delete_kernel(rollback.kernel_id)
        if rollback.session is not None:
            await self._table.let_go(rollback.session, "its caller was gone once it was open")
        if rollback.file is not None:
            await asyncio.to_thread(rollback.file.discard)


async def kernel_for(server: Server, wanted: WantedKernel) -> ChosenKernel:
    """Choose the kernel of a notebook. Raises NotebookError for a language that the server has no kernel for."""
    specs = await server.api.kernelspecs()
    if not wanted.is_usual and specs.find(wanted.name) is None:
        specs = await server.api.kernelspecs(again=True)  # it may have been installed since
    return choose_kernel(wanted, specs)
