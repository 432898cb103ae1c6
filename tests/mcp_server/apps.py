"""The application behind the tools, with real services on a Jupyter server without processes, and what these tests steer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mcp import Client
from mcp_types import CallToolResult

from jlab_tui.adapters.grep import grep
from jlab_tui.adapters.images import shrink
from jlab_tui.core.errors import JlabError, NoServer
from jlab_tui.core.progress.tracks import Pace
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.core.settings import Mode, load_settings
from jlab_tui.mcp_server.context import App
from jlab_tui.mcp_server.context_source import AppSource
from jlab_tui.mcp_server.stdio import CancelReasons
from jlab_tui.mcp_server.tool_server import make_server
from jlab_tui.services.server.client_start import Choice, StartLook
from jlab_tui.services.server.ready import Server
from jlab_tui.services.server.resource_sampler import ResourceSampler
from jlab_tui.services.session.notebook_rerun import NotebookRerun
from jlab_tui.services.session.reader import Reader
from jlab_tui.services.session.replies import Replies
from jlab_tui.services.sessions.once import Once
from tests.jupyters import Place
from tests.project import Agent, Project


def ready(**facts: Any) -> ServerStatus:
    record = ServerRecord(
        ServerState.READY, Mode.LOCAL, hostname="node1", url="http://node1:1", started=1000.0
    )
    return ServerStatus(record, "running", "JupyterLab is ready.", reachable=True, **facts)


@dataclass
class Launched:
    """`Launcher` as far as the tools ask it."""

    seen: Sequence[ServerStatus | JlabError | None] = field(default_factory=lambda: [ready()])
    """what each look shows; the last one stays"""

    async def look(self) -> ServerStatus | None:
        now, *later = self.seen
        self.seen = later or [now]
        if isinstance(now, JlabError):
            raise now
        return now

    def no_server(self) -> JlabError:
        return NoServer("/work")


@dataclass
class Starting:
    """`ClientStart` that notes what it is asked to start."""

    mode: Mode | None = None
    there: bool = False
    status: ServerStatus | None = field(default_factory=ready)
    """what a wait gives"""
    started: list[tuple[Choice, bool]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def known_mode(self) -> Mode | None:
        return self.mode

    async def is_there(self) -> bool:
        return self.there

    async def survey(self) -> str:
        return "gpu: 2 nodes\x1b]0;title\x07\u202e"

    async def start(self, choice: Choice, *, bootstrap: bool = False) -> None:
        self.started.append((choice, bootstrap))

    async def look(self) -> StartLook:
        state = None if self.status is None else self.status.state
        coming = (None, ServerState.PENDING, ServerState.STARTING)
        return StartLook(self.status, is_settled=state not in coming)

    async def wait(
        self, timeout: float, queue_timeout: float, beat: Callable[[float, str], Awaitable[None]]
    ) -> StartLook:
        self.waited.append(timeout)
        await beat(0.04, "Job 7 waits in the queue.")
        return await self.look()


@dataclass
class Front:
    """What stands behind the tools in one test."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    launcher: Launched = field(default_factory=Launched)
    starting: Starting = field(default_factory=Starting)
    reasons: CancelReasons = field(default_factory=CancelReasons)
    hold_limit_s: float = 600.0
    shared: Place | None = None
    """the server and directories of another one"""
    place: Place = field(init=False)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.shared or Place(self.folder)
        sessions, notebooks, journals = (
            self.place.process(hold_limit_s=self.hold_limit_s),
            self.place.notebooks,
            self.place.journals,
        )
        env = {"HOME": str(self.folder), **self.env}
        settings = load_settings(env, self.folder, lambda path: False)

        async def server() -> Server:
            return Server(ready().record, cast(Any, self.place.server))

        async def vitals(last_line: str, seconds: float) -> str:
            return f"{last_line} · GPU 93%"

        async def no_notice(run_id: str, pace: Pace | None) -> str:
            return ""

        replies = Replies(
            sessions.find_run, sessions.outputs, journals, no_notice, settings.output_chars, time.time
        )

        async def close() -> None:
            await replies.close()
            await sessions.release()

        self.app = App(
            settings=settings,
            launcher=cast(Any, self.launcher),
            sessions=sessions,
            once=Once(sessions, journals),
            reader=Reader(journals, notebooks),
            replies=replies,
            rerun=NotebookRerun(sessions.outputs_of, settings.output_chars),
            starting=cast(Any, self.starting),
            server=server,
            resources=ResourceSampler(lambda: "").sample,
            vitals=vitals,
            shrink=shrink,
            grep=grep,
            give_memory_back=lambda: None,
            clear_up=lambda: None,
            now=lambda: 2000.0,
            reasons=self.reasons,
            close=close,
        )

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Agent]:
        """A client of the tools, in this process."""

        async def make() -> App:
            return self.app

        server = make_server(AppSource(make, lambda: None, self.reasons))
        async with Client(server, **options) as client:
            yield Agent(client, Project(self.folder, self.folder))

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        async with self.client() as agent:
            return await agent.call(tool, **arguments)
