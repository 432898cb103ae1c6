"""One server and one MCP process for many tests: starting a process costs more than all that most tests do with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from .children import LASTING
from .project import Agent, Project, T


@dataclass
class SharedAgent(Agent):
    """Calls the one MCP client, which lives on an event loop of its own, from the loop of any test."""

    portal: BlockingPortal

    async def ask(self, method: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        return await asyncio.wrap_future(self.portal.start_task_soon(method, *arguments))

    async def sessions(self) -> set[str]:
        """Those that are open."""
        return {session["session_id"] for session in (await self.record("ping"))["sessions"]}


@dataclass
class SharedProject(Project):
    """A project whose server runs; none of the tests that share it stops it."""

    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _made: dict[object, Any] = field(default_factory=dict)

    def once(self, make: Callable[[Project], AbstractContextManager[T]]) -> T:
        """What `make` gives: made when it is first asked for, closed after the last test."""
        if make not in self._made:
            self._made[make] = self._open.enter_context(make(self))
        made: T = self._made[make]
        return made

    @asynccontextmanager
    async def shared_client(self) -> AsyncIterator[Agent]:
        """The client that all tests of this worker share; sessions that a test has left open are closed after it."""
        agent = await asyncio.to_thread(self.once, _shared_agent)
        before = await agent.sessions()
        try:
            yield agent
        finally:
            for session in await agent.sessions() - before:
                await agent.call("shutdown_session", session_id=session)  # a scratch one ends by itself

    def close(self) -> None:
        self._open.close()


@contextlib.contextmanager
def _shared_agent(project: Project) -> Iterator[SharedAgent]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(project.client("auto", **LASTING)) as agent,
    ):
        yield SharedAgent(agent.client, project, portal)


@contextlib.contextmanager
def shared(project: Project) -> Iterator[SharedProject]:
    """A project whose server runs, for many tests."""
    made = SharedProject(project.root, project.home, project.extra_env)
    try:
        yield made
    finally:
        made.close()
