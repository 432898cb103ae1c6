"""A Jupyter server without processes, as the services' ports see one: kernels echo their code, the claims are the Jupyter extension's."""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from jlab_tui.adapters.intents import OpeningIntents
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.jupyter.spool_reader import Spool
from jlab_tui.adapters.notebook import NotebookDirectory
from jlab_tui.core.errors import KernelGone, ServerUnreachable, SessionOwned
from jlab_tui.core.journal.events import Entry, Event
from jlab_tui.core.kernel.leaving import EndedKernel, LeftKernel
from jlab_tui.core.kernel.link import Claim, Lease, LinkChange, LinkOver, LinkUp, RecordedKernel
from jlab_tui.core.kernel.waits import ProcessFacts
from jlab_tui.core.kernel.wire import KernelMessage, Request
from jlab_tui.core.notebook.output_items import CellLimits
from jlab_tui.core.server.kernelspecs import KernelSpecs
from jlab_tui.core.server.record import KernelInfo, KernelSpec, Owner, ServerRecord, ServerState
from jlab_tui.core.server.resources import Sample
from jlab_tui.core.server.state_machine import Health
from jlab_tui.core.settings import Mode, OnExit
from jlab_tui.jupyter_extension.claims import Claims, Graces, Granted
from jlab_tui.jupyter_extension.ended_kernels import describe, rule_of
from jlab_tui.services.server.ready import Server
from jlab_tui.services.sessions.registry import Sessions


@dataclass
class EchoKernel:
    """Prints the code that it is sent; code that begins with `hang` never ends."""

    id: str
    path: str = ""
    name: str = "python3"
    state: str = "idle"
    count: int = 0
    stream: list[KernelMessage] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    listeners: list[Callable[[KernelMessage], None]] = field(default_factory=list)
    owners: list[Callable[[Event], None]] = field(default_factory=list)
    """what takes the actions of users"""
    running: str = ""
    interrupts: int = 0
    is_gone: bool = False

    def says(self, msg_type: str, content: dict[str, Any], parent: str = "", channel: str = "iopub") -> None:
        message = KernelMessage(
            channel, msg_type, uuid.uuid4().hex, parent, content, seq=len(self.stream) + 1
        )
        self.stream.append(message)
        for listener in list(self.listeners):
            listener(message)

    def executes(self, code: str, msg_id: str) -> None:
        self.codes.append(code)
        self.requests.add(msg_id)
        self.count += 1
        self.says("status", {"execution_state": "busy"}, msg_id)
        self.says("execute_input", {"code": code, "execution_count": self.count}, msg_id)
        if code.startswith("hang"):
            self.running = msg_id
            return
        self.says("stream", {"name": "stdout", "text": code}, msg_id)
        self.ends(msg_id)

    def ends(self, msg_id: str) -> None:
        self.running = ""
        self.says("execute_reply", {"status": "ok", "execution_count": self.count}, msg_id, "shell")
        self.says("status", {"execution_state": "idle"}, msg_id)

    def raises(self, msg_id: str, name: str) -> None:
        """The code ends with an exception."""
        self.running = ""
        error = {"ename": name, "evalue": "", "traceback": [name]}
        self.says("error", error, msg_id)
        self.says(
            "execute_reply", {"status": "error", **error, "execution_count": self.count}, msg_id, "shell"
        )
        self.says("status", {"execution_state": "idle"}, msg_id)

    def dies(self, cause: str, *, restarting: bool, **how: Any) -> None:
        """What the Jupyter extension reports when the process ends; causes: restart, shutdown, died."""
        lost, self.running = [self.running] if self.running else [], ""
        self.says("jlab_mcp_obituary", {"cause": cause, "restarting": restarting, "lost": lost, **how})
        self.count = 0


class EchoServer:
    """`Jupyter` of the services' ports, with the Jupyter extension's channels."""

    url = "http://echo"
    started = 1000.0
    oddities = 0

    def __init__(self) -> None:
        self.by_id: dict[str, EchoKernel] = {}
        self.claims = Claims(Graces())
        self.on_call: Callable[[str], object] = lambda called: None
        """called for each call that opens a session"""
        self.is_reachable = True
        self.samples: list[Sample] = []
        self.process_facts: ProcessFacts | None = None
        self.keeps_documents = False
        self.cut_after_s: float | None = None
        """how long the last kernel that ended had, if it was cut"""
        """as with jupyter-collaboration"""
        self.started_here: set[str] = set()
        self.ended: dict[str, EndedKernel] = {}
        self.notice_after_s = 0.0
        """how long after the answer to a restart the kernel's exit notice comes"""
        self.refused_restarts = 0
        self.is_restarting = asyncio.Event()
        self.may_answer = asyncio.Event()
        """whether a restart is answered"""
        self.may_answer.set()
        self._ids = itertools.count(1)

    def link(self, kernel_id: str, **how: Any) -> EchoLink:
        return EchoLink(self, kernel_id, **how)

    def opened_by_the_user(self, path: str) -> EchoKernel:
        """A notebook session as JupyterLab makes it."""
        kernel = EchoKernel(f"kernel-{next(self._ids)}", path)
        self.by_id[kernel.id] = kernel
        return kernel

    def removes(self, kernel_id: str) -> None:
        """The kernel is shut down, by whomever."""
        kernel = self.by_id.pop(kernel_id)
        kernel.is_gone = True
        kernel.dies("shutdown", restarting=False)

    def reaps(self, after: float = 1e6) -> None:
        """Advance the extension's clock by `after` seconds."""
        later = time.monotonic() + after
        for kernel_id, _ in self.claims.due({}, later):
            left = self.claims.left(kernel_id, False, False, later)
            if kernel_id in self.by_id and left is not None:
                rule, session = rule_of(left, time.time()), self.claims.owner_of(kernel_id)[3] or ""
                path = self.by_id[kernel_id].path
                self.ended[kernel_id] = EndedKernel(
                    session, path, rule.cause, rule.detail, time.time(), **rule.facts
                )
                self.removes(kernel_id)

    async def close(self) -> None: ...

    async def health(self, timeout: float = 3.0) -> Health:
        return Health.OK

    async def kernels(self) -> tuple[KernelInfo, ...]:
        return tuple(KernelInfo(k.id, "python3", k.state, 0, k.path) for k in self.by_id.values())

    async def kernel_at(self, path: str) -> tuple[str, str] | None:
        self.on_call("kernel_at")
        await asyncio.sleep(0)
        return next(((k.id, k.state) for k in self.by_id.values() if k.path == path), None)

    async def start_kernel(self, kernel_name: str | None, path: str = "", notebook: str = "") -> str:
        self.on_call("start_kernel")
        if not self.is_reachable:
            raise ServerUnreachable("It is out of reach.", "")
        kernel = EchoKernel(f"kernel-{next(self._ids)}", path, kernel_name or "python3")
        self.by_id[kernel.id] = kernel  # the server goes on with it, whatever becomes of the call
        await asyncio.sleep(0)
        return kernel.id

    async def start_claimed(
        self, session: str, owner: Owner, kernel_name: str | None, path: str = "", notebook: str = ""
    ) -> tuple[str, Claim]:
        kernel_id = await self.start_kernel(kernel_name, path, notebook)
        self.started_here.add(kernel_id)
        return kernel_id, await self.claim(session, kernel_id, owner, on_exit="shutdown")

    async def kernelspecs(self, *, again: bool = False) -> KernelSpecs:
        self.on_call("kernelspecs")
        await asyncio.sleep(0)
        r = KernelSpec("ir", "R", "R", "/usr/bin/R")
        python = KernelSpec("python3", "Python 3", "python", "/usr/bin/python3")
        return KernelSpecs(python, {"ir": r, "python3": python})

    async def rename_session(self, kernel_id: str, name: str) -> None:
        kernel = self.by_id[kernel_id]
        kernel.path = f"{kernel.path.rpartition('/')[0]}/{name}"

    async def delete_kernel(self, kernel_id: str) -> bool:
        if not self.is_reachable:
            raise ServerUnreachable("It is out of reach.", "")
        if kernel_id not in self.by_id:
            return False
        self.removes(kernel_id)
        return True

    async def interrupt(self, kernel_id: str) -> None:
        kernel = self.by_id[kernel_id]
        kernel.interrupts += 1
        if kernel.running:
            kernel.raises(kernel.running, "KeyboardInterrupt")

    async def restart(self, kernel_id: str) -> None:
        if self.is_restarting.is_set() and not self.may_answer.is_set():
            self.refused_restarts += 1
            raise ServerUnreachable("Exception restarting kernel", "It restarts already.")
        self.is_restarting.set()
        await self.may_answer.wait()
        dies = functools.partial(self.by_id[kernel_id].dies, "restart", restarting=True, exit_code=0)
        if self.notice_after_s:
            asyncio.get_running_loop().call_later(self.notice_after_s, dies)
        else:
            dies()

    async def kernel_state(self, kernel_id: str) -> str | None:
        kernel = self.by_id.get(kernel_id)
        return kernel.state if kernel is not None else None

    async def shares_documents(self) -> bool:
        self.on_call("shares_documents")
        return self.keeps_documents

    async def features(self) -> frozenset[str]:
        return frozenset({"channels"})

    async def resources(self, history_s: float = 0) -> list[Sample]:
        return self.samples

    async def process(self, kernel_id: str, *, with_stacks: bool) -> ProcessFacts | None:
        return self.process_facts

    async def claim(
        self, session: str, kernel_id: str, owner: Owner, *, takeover: bool = False, on_exit: str
    ) -> Claim:
        self.on_call("claim")
        await asyncio.sleep(0)
        if kernel_id not in self.by_id:
            raise KernelGone("It is gone.", "")
        told = {"client": owner.client}
        outcome = self.claims.claim(kernel_id, session, told, takeover, time.monotonic(), on_exit)
        if not isinstance(outcome, Granted):
            raise SessionOwned("It is held.", "")
        return Claim(outcome.epoch, len(self.by_id[kernel_id].stream))

    async def recorded_kernels(self) -> dict[str, RecordedKernel]:
        return {
            k.id: RecordedKernel(self.claims.owner_of(k.id)[1], len(k.stream), 0, k.running, frozenset(k.requests),
                                 k.id in self.started_here, session=self.claims.owner_of(k.id)[3] or "",
                                 cut_after_s=self.cut_after_s, left=self._left(k))
            for k in self.by_id.values()
        }  # fmt: skip

    def _left(self, kernel: EchoKernel) -> LeftKernel | None:
        told = describe(
            self.claims.left(kernel.id, bool(kernel.running), False, time.monotonic()), time.time()
        )
        return LeftKernel(**told) if told is not None else None

    async def ended_kernels(self) -> dict[str, EndedKernel]:
        return self.ended

    async def release(self, client: str) -> None:
        self.claims.release(client, None, time.monotonic())

    async def hand_on(self, kernel_id: str, act: Entry) -> bool:
        for hear in self.by_id[kernel_id].owners:
            hear(act.event)
        return bool(self.by_id[kernel_id].owners)


class EchoLink:
    """The owner's connection to one kernel."""

    resumable = True
    oddities = 0
    silent_for = unsure_for = 0.0

    def __init__(
        self,
        server: EchoServer,
        kernel_id: str,
        *,
        session_id: str,
        lease: Lease | None,
        hold: object,
        since: int,
    ) -> None:
        self.server = server
        self.kernel = self.server.by_id[kernel_id]
        self.seq = since
        self.lease = lease
        self.acknowledged = 0
        self.on_message: Callable[[KernelMessage], None] = lambda message: None
        self.on_change: Callable[[LinkChange], None] = lambda change: None

    @property
    def connected(self) -> bool:
        return self._take in self.kernel.listeners

    def open(
        self,
        on_message: Callable[[KernelMessage], None],
        on_change: Callable[[LinkChange], None],
        on_act: Callable[[Event], None] = lambda act: None,
    ) -> None:
        self.on_message, self.on_change, self.on_act = on_message, on_change, on_act
        assert self.lease is not None
        lease, claims = self.lease, self.server.claims
        if not claims.connected(self.kernel.id, lease.client, lease.epoch, lease.on_exit, self):
            self.on_change(LinkOver(True, "owned by another"))
            return
        self.on_change(LinkUp(first=True))
        for message in self.kernel.stream[self.seq :]:
            self._take(message)
        self.kernel.listeners.append(self._take)
        self.kernel.owners.append(self.on_act)

    def _take(self, message: KernelMessage) -> None:
        if message.seq > self.seq:
            self.seq = message.seq
            self.on_message(message)

    async def ready(self, timeout: float) -> None:
        if not self.connected:
            raise TimeoutError

    async def close(self) -> None:
        if self.connected:
            self.kernel.listeners.remove(self._take)
            self.kernel.owners.remove(self.on_act)
        self.server.claims.disconnected(self.kernel.id, self, time.monotonic())

    async def send(self, request: Request) -> bool:
        if not self.kernel.is_gone and request.msg_type == "execute_request":
            self.kernel.executes(request.content["code"], request.msg_id)
        return True

    async def ask(self, request: Request, timeout: float) -> KernelMessage:
        raise TimeoutError

    def acknowledge(self, seq: int) -> None:
        self.acknowledged = max(self.acknowledged, seq)

    def renew(self) -> None: ...


@dataclass
class Diagnosis:
    """A server has ended once another one has begun."""

    server: EchoServer

    async def why_over(self, served: ServerRecord) -> str:
        return "" if served.started == self.server.started else "That server has ended."

    why_on_record = why_over

    async def why_silent(self) -> str:
        return "" if self.server.is_reachable else "It does not answer."


@dataclass
class Place:
    """Directories of one project and its server; `process` makes one MCP server process after another."""

    folder: Path
    server: EchoServer = field(default_factory=EchoServer)
    notebook_dir: Path = field(init=False)
    processes: list[Sessions] = field(default_factory=list)
    _pids: itertools.count[int] = field(default_factory=lambda: itertools.count(2_000_001))

    def __post_init__(self) -> None:
        self.notebook_dir = self.folder / "notebooks"

    @property
    def notebooks(self) -> NotebookDirectory:
        folder = self.folder
        return NotebookDirectory(self.notebook_dir, folder, folder, folder, CellLimits.of_cell(100))

    @property
    def journals(self) -> JournalStore:
        folder = self.folder
        return JournalStore(folder / "sessions", folder / "actions", lambda: folder / "fifos", "host")

    def process(
        self,
        conversation: str = "",
        on_exit: OnExit = OnExit.SHUTDOWN,
        journals: JournalStore | None = None,
        hold_limit_s: float = 600.0,
    ) -> Sessions:
        record = ServerRecord(ServerState.READY, Mode.LOCAL, started=self.server.started)

        async def server() -> Server:
            if not self.server.is_reachable:
                raise ServerUnreachable("It is out of reach.", "")
            return Server(record, self.server)

        folder = self.folder
        made = Sessions(
            owner=Owner(uuid.uuid4().hex, "host", next(self._pids), conversation),
            server=server,
            diagnosis=Diagnosis(self.server),
            journals=journals or self.journals,
            notebooks=self.notebooks,
            intents=OpeningIntents(folder / "intents"),
            spool=Spool(folder / "spool"),
            now=time.time,
            on_exit=on_exit,
            owner_alive=lambda host, pid, started: False,
            hold_limit_s=hold_limit_s,
        )
        self.processes.append(made)
        return made

    def record_of(self, session: str) -> list[Entry]:
        """Every line of a session's journals."""
        return [entry for _, _, entry in self.journals.read(self.journals.files(session))]

    def kill(self, process: Sessions) -> None:
        """The process is gone without a word: its connections close, nothing more is written."""
        for session in process.open_sessions:
            link = cast(EchoLink, session._link)
            if link.connected:
                link.kernel.listeners.remove(link._take)
                link.kernel.owners.remove(link.on_act)
            self.server.claims.disconnected(link.kernel.id, link, time.monotonic())
            session.journal.abandon()
            session._sync.abandon()
