"""MCP server processes as a fault test needs them: their PID known, killed or frozen in the middle of a call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from tests.children import LASTING
from tests.project import COMMAND, Project, alive, until
from tests.shared import SharedProject

INFO = {"name": "fault test", "version": "1"}


class Wire:
    """A client of one MCP server process that speaks plain JSON lines: nothing retries and nothing tidies up.

    A thread reads the answers, so that a process can outlive the event loop of one test."""

    def __init__(self, process: subprocess.Popen[bytes], capabilities: dict[str, Any] | None = None) -> None:
        """`capabilities`: what each request declares in the protocol without a handshake; None: the one with a handshake."""
        self.process = process
        self._meta: dict[str, Any] = {}
        if capabilities is not None:
            about = {"protocolVersion": "2026-07-28", "clientInfo": INFO, "clientCapabilities": capabilities}
            self._meta = {
                "_meta": {f"io.modelcontextprotocol/{name}": value for name, value in about.items()}
            }
        self._number = 0
        self.notices: list[dict[str, Any]] = []
        """notifications and questions of the server so far"""
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if future := self._answers.pop(message.get("id", -1), None):
                future.set_result(message)
            elif "method" in message:
                self.notices.append(message)
        for future in self._answers.values():
            future.set_exception(EOFError("the server process has ended"))

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Any) -> tuple[int, Future[dict[str, Any]]]:
        """Send a request; its id, and what it will answer."""
        self._number += 1
        future: Future[dict[str, Any]] = Future()
        future.set_running_or_notify_cancel()  # a test that stops waiting does not stop the reader
        self._answers[self._number] = future
        self.write({"id": self._number, "method": method, "params": {**params, **self._meta}})
        return self._number, future

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer to a request."""
        return await asyncio.wrap_future(self.send(method, **params)[1])

    def call(self, tool: str, **arguments: Any) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """Call a tool; its request id, and what it will answer."""
        number, answer = self.send("tools/call", name=tool, arguments=arguments)
        return number, asyncio.wrap_future(answer)

    async def text(self, tool: str, **arguments: Any) -> str:
        """Text of a reply, an error or not."""
        _, answer = self.call(tool, **arguments)
        return text_of(await answer)

    async def record(self, tool: str, **arguments: Any) -> dict[str, Any]:
        text = await self.text(tool, **arguments)
        assert text.startswith("{"), text
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def cancel(self, request: int, reason: str) -> None:
        self.write({"method": "notifications/cancelled", "params": {"requestId": request, "reason": reason}})

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def gone(self, timeout: float = 30) -> int:
        """Wait until the process has ended; its exit code."""
        return await asyncio.to_thread(self.process.wait, timeout)

    def greet(self) -> None:
        """The handshake, or the question that takes its place."""
        if self._meta:
            self.send("server/discover")[1].result(60)
            return
        _, hello = self.send("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=INFO)
        hello.result(60)
        self.write({"method": "notifications/initialized"})


@contextlib.contextmanager
def process_of(
    project: Project,
    capabilities: dict[str, Any] | None = None,
    arguments: Sequence[str] = ("--worker",),
    /,
    **env: str,
) -> Iterator[Wire]:
    """An MCP server process of this project, after the handshake."""
    with (
        open(project.home / "mcp-stderr.log", "a", encoding="utf-8") as errors,
        subprocess.Popen(
            [COMMAND, *arguments],
            cwd=project.root,
            env={**project.env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        client = Wire(process, capabilities)
        try:
            client.greet()
            yield client
        finally:
            process.kill()
            client._reading.join(30)


@asynccontextmanager
async def wire(
    project: Project, capabilities: dict[str, Any] | None = None, /, **env: str
) -> AsyncIterator[Wire]:
    """A worker of its own, without the relay that starts it for a client; killed at the end, if it lives still."""
    async with _entered(process_of(project, capabilities, **env)) as client:
        yield client


@asynccontextmanager
async def relayed_wire(
    project: Project, capabilities: dict[str, Any] | None = None, /, **env: str
) -> AsyncIterator[Wire]:
    """The MCP server as a client starts it: a relay and its worker; `worker_of` names the worker."""
    async with _entered(process_of(project, capabilities, (), **env)) as client:
        yield client


async def worker_of(relay: Wire) -> int:
    """The PID of the worker that a relay has now."""
    children = Path(f"/proc/{relay.pid}/task/{relay.pid}/children")
    return int((await until(lambda: children.read_text().split(), what="it has a worker"))[0])


@asynccontextmanager
async def _entered(starting: AbstractContextManager[Wire]) -> AsyncIterator[Wire]:
    client = await asyncio.to_thread(starting.__enter__)
    try:
        yield client
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


@asynccontextmanager
async def lasting_wire(project: SharedProject) -> AsyncIterator[Wire]:
    """The MCP server process that the tests of this worker share: for those that neither end it nor need a new one."""
    yield await asyncio.to_thread(project.once, _lasting_process)


def _lasting_process(project: Project) -> AbstractContextManager[Wire]:
    return process_of(project, **LASTING)


@asynccontextmanager
async def tab(project: Project, kernel_id: str) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """A JupyterLab tab on a kernel: a stock WebSocket. Gives what runs code as the user; it waits for its begin."""
    facts = project.status_file()
    url = f"{facts['URL'].replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels?session_id=tab"
    headers = {"Authorization": f"token {facts['TOKEN']}"}
    async with connect(url, additional_headers=headers, max_size=None, proxy=None) as socket:
        begun = asyncio.Event()

        async def read_along() -> None:
            async for text in socket:
                if isinstance(text, str) and json.loads(text)["header"]["msg_type"] == "execute_input":
                    begun.set()

        async def run(code: str) -> None:
            header = {
                "msg_id": "by-the-user",
                "msg_type": "execute_request",
                "session": "tab",
                "username": "u",
            }
            header |= {"version": "5.3", "date": "2026-01-01T00:00:00Z"}
            content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
            message = {
                "channel": "shell",
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
            }
            await socket.send(json.dumps(message))
            await asyncio.wait_for(begun.wait(), 30)

        reading = asyncio.create_task(read_along())
        try:
            yield run
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def rest(project: Project) -> httpx.Client:
    """Jupyter's REST API of the project's server, for the user."""
    facts = project.status_file()
    headers = {"Authorization": f"token {facts['TOKEN']}"}
    return httpx.Client(base_url=facts["URL"], headers=headers, timeout=30, trust_env=False)


def text_of(answer: dict[str, Any]) -> str:
    content = answer["result"]["content"]
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def journal_text(project: Project, session: str) -> str:
    """Everything in the journals of a session, as it stands on disk."""
    files = project.journals(session)
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


async def until_recorded(project: Project, session: str, text: str) -> None:
    await until(lambda: text in journal_text(project, session), what=f"{text!r} in the journal")


async def until_begun(project: Project, run: str) -> None:
    """Wait until the kernel has started a run."""
    session = run.rpartition("-")[0]
    await until(
        lambda: any(e["k"] == "begun" and e["run"] == run for e in project.journal(session)),
        what=f"run {run} begins",
    )


async def until_printed(project: Project, session: str, text: str) -> None:
    """Wait until code of this session has printed something; what it says in its source does not count."""
    await until(
        lambda: any(text in line for line in recorded_lines(project, session, "")), what=f"{text!r} printed"
    )


def recorded_lines(project: Project, session: str, beginning: str) -> list[str]:
    """Printed lines of a session with this beginning, in the order of its journals."""
    text = "".join(e["text"] for e in project.journal(session) if e["k"] == "text")
    return [line for line in text.splitlines() if line.startswith(beginning)]


def kernel_pid(kernel_id: str) -> int | None:
    """PID of a kernel's process on this machine."""
    for path in _command_lines():
        with contextlib.suppress(OSError, ValueError):
            if f"kernel-{kernel_id}.json".encode() in path.read_bytes() and alive(int(path.parent.name)):
                return int(path.parent.name)
    return None


def _command_lines() -> Iterator[Path]:
    yield from Path("/proc").glob("[0-9]*/cmdline")
