"""The link to a kernel, against a server that says what the node extension says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from jlab_tui.adapters.kernel import KernelLink
from jlab_tui.core.link import Lease, LinkChange, LinkUp, RequestRefused
from jlab_tui.core.wire import Request


@asynccontextmanager
async def linked(gap: dict[str, int] | None = None) -> AsyncIterator[tuple[KernelLink, list[LinkChange]]]:
    """A link to a node whose kernel is gone, and what the link tells about itself."""

    async def node(connection: ServerConnection) -> None:
        hello: dict[str, Any] = {"first": 1, "last": 0, "epoch": 1, "gap": gap}
        await connection.send(json.dumps({"hello": hello}))
        async for frame in connection:
            if isinstance(frame, bytes):
                await connection.send(json.dumps({"refused": "asked", "reason": "the kernel is gone"}))

    changes: list[LinkChange] = []
    async with serve(node, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = KernelLink(
            f"http://127.0.0.1:{port}",
            {},
            "kernel",
            session_id="s",
            lease=Lease("client", 1, "shutdown"),
            on_message=lambda message: None,
            on_change=changes.append,
        )
        link.open()
        try:
            await link.ready(10)
            yield link, changes
        finally:
            await link.close()


async def test_a_refused_request_is_told_and_not_waited_for() -> None:
    async with linked() as (link, changes):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.ask(Request("shell", "execute_request", "asked", {}), 1000), 20)
        assert changes[-1] == RequestRefused("asked", "the kernel is gone")


@pytest.mark.parametrize(("size", "lost"), [(0, 0), (700, 700)])
async def test_only_what_was_lost_is_said_to_be_lost(size: int, lost: int) -> None:
    async with linked({"from": 1, "to": 9, "bytes": size}) as (_, changes):
        assert changes[0] == LinkUp(first=True, dropped_bytes=lost), "what we acknowledged is not lost"
