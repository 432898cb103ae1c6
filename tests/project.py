"""A project as a user has one: a directory, a HOME of its own, the installed command, and real MCP clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from jlab_tui.adapters.journal.places import journals_of

from .children import ended
from .waiting import pauses

COMMAND = str(Path(sys.executable).with_name("jlab-mcp"))
WITHOUT_NODE = Path(__file__).with_name("without_node")
Era = Literal["auto", "legacy"]


def drain(steps: Iterable[object]) -> None:
    """Take all steps of something that does its work in small ones."""
    for _ in steps:
        pass


T = TypeVar("T")
Mount = Callable[[str], Path]
"""mounts a file system in memory with the options given, such as `size=64k` or `ro`"""


@dataclass
class Project:
    """Directory and environment of one project."""

    root: Path
    home: Path
    extra_env: dict[str, str] = field(default_factory=dict)
    spawned: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        keep = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "PYTHONWARNINGS")
        env = {k: v for k, v in os.environ.items() if k in keep}
        env["PATH"] = f"{WITHOUT_NODE}{os.pathsep}{env['PATH']}"
        return {**env, "HOME": str(self.home), "JLAB_MCP_RUN_MODE": "local", **self.extra_env}

    @property
    def status_dir(self) -> Path:
        (found,) = (self.home / ".jlab-mcp" / "servers").iterdir()
        return found

    def status_file(self) -> dict[str, str]:
        text = (self.status_dir / "server-status").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines())

    def run(
        self, *arguments: str, within: Sequence[str] = (), **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `jlab-mcp` to its end, `within` a command that starts another."""
        return subprocess.run(
            [*within, COMMAND, *arguments],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def spawn(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start `jlab-mcp` and go on; its output is read by the test. Ends with the project."""
        process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.spawned.append(process)
        return process

    def start(self) -> None:
        done = self.run("start", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()

    def stop(self) -> None:
        self.run("stop")

    def logs(self) -> str:
        return "".join(
            p.read_text(encoding="utf-8") for p in (self.home / ".jlab-mcp" / "logs").glob("*.log")
        )

    def journals(self, session: str) -> list[Path]:
        """The files of a session, in the order of their epochs."""
        return journals_of(self.status_dir / "sessions", session)

    def journal(self, session: str) -> list[dict[str, Any]]:
        """Every line of a session's journals, in order; the last one of a file may be on its way."""
        whole = [path.read_bytes().rpartition(b"\n")[0] for path in self.journals(session)]
        return [json.loads(line) for data in whole for line in data.split(b"\n") if line]

    @asynccontextmanager
    async def client(self, era: Era = "auto", **env: str) -> AsyncIterator[Agent]:
        """A real MCP client that launched `jlab-mcp` over stdio."""
        parameters = StdioServerParameters(
            command=COMMAND, args=[], cwd=str(self.root), env={**self.env, **env}
        )
        with open(self.home / "mcp-stderr.log", "a", encoding="utf-8") as errors:
            async with Client(stdio_client(parameters, errlog=errors), mode=era) as client:
                yield Agent(client, self)


@dataclass
class Agent:
    """An MCP client with the short cuts that tests need."""

    client: Client
    project: Project

    async def ask(self, method: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """What a method of the client answers."""
        return await method(*arguments)

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result = await self.ask(self.client.call_tool, tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def text(self, tool: str, **arguments: Any) -> str:
        """Text of a reply that is not an error."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result)

    async def error(self, tool: str, **arguments: Any) -> str:
        """Text of a reply that must be an error."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)

    async def record(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """JSON of a reply."""
        answer = json.loads(await self.text(tool, **arguments))
        assert isinstance(answer, dict)
        return answer

    async def session(self, name: str = "test") -> str:
        return str((await self.record("start_new_session", experiment_name=name))["session_id"])

    async def cells(
        self, session: str, count: int, holds: Callable[[list[dict[str, Any]]], object] = bool
    ) -> list[dict[str, Any]]:
        """The cells in the session's notebook file, once there are so many and `holds`: it follows a reply by a moment."""
        sessions = (await self.record("ping"))["sessions"]
        path = Path(next(s["notebook_path"] for s in sessions if s["session_id"] == session))

        def saved() -> list[dict[str, Any]] | None:
            cells: list[dict[str, Any]] = read_notebook(path)["cells"]
            return cells if len(cells) == count and holds(cells) else None

        found: list[dict[str, Any]] = await until(saved, what=f"{count} cells in {path}")
        return found


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def read_notebook(path: Path) -> dict[str, Any]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(notebook, dict)
    return notebook


def outputs_text(cell: dict[str, Any]) -> str:
    """Everything that a cell of a notebook file printed."""
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


async def until(condition: Callable[[], Any], timeout: float = 40, what: str | Callable[[], str] = "") -> Any:
    """Wait for a condition; returns its true value."""
    for pause in pauses(timeout):
        if value := condition():
            return value
        await asyncio.sleep(pause)
    raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what or condition}")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def project_in(directory: Path, **env: str) -> Iterator[Project]:
    """A project whose server always stops at the end."""
    root, home = directory / "project", directory / "home"
    root.mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    project = Project(root, home, dict(env))
    try:
        yield project
    finally:
        for process in project.spawned:
            with ended(process):
                pass
        servers = Path(project.env.get("JLAB_MCP_DIR", home / ".jlab-mcp")) / "servers"
        records = [path.read_text(encoding="utf-8") for path in servers.glob("*/server-status")]
        if any(servers.glob("*/starting")) or any("JOB_ID=" in record for record in records):
            project.stop()
        for record in records:
            if (pid := re.search(r"^PID=(\d+)$", record, re.MULTILINE)) is not None:
                _end_server(int(pid[1]))


def _end_server(pid: int) -> None:
    """End a local server as `jlab-mcp stop` does, without a process more."""
    for number, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        if not _is_server(pid):
            return
        os.killpg(pid, number)
        for pause in pauses(patience):
            if not alive(pid):
                return
            time.sleep(pause)


def _is_server(pid: int) -> bool:
    try:
        return "launch.py" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") and alive(pid)
    except OSError:
        return False
