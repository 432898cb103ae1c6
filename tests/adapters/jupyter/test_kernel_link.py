"""The link to a kernel, against a server that says what the Jupyter extension says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.kernel_link import KernelLink
from jlab_tui.core.kernel.link import Lease, LinkChange, LinkUp, OutputLost, RequestRefused
from jlab_tui.core.kernel.wire import Request
from jlab_tui.core.server.route import PlainRoute


@asynccontextmanager
async def linked(*gaps: dict[str, Any]) -> AsyncIterator[tuple[KernelLink, list[LinkChange]]]:
    """A link to a node whose kernel is gone, and what the link tells about itself."""

    async def node(connection: ServerConnection) -> None:
        hello: dict[str, Any] = {"first": 1, "last": 0, "epoch": 1, "gap": None}
        await connection.send(json.dumps({"hello": hello}))
        for gap in gaps:
            await connection.send(json.dumps({"gap": gap}))
        async for frame in connection:
            if isinstance(frame, bytes):
                await connection.send(json.dumps({"refused": "asked", "reason": "the kernel is gone"}))

    changes: list[LinkChange] = []
    async with serve(node, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = KernelLink(
            Dialer(PlainRoute(f"http://127.0.0.1:{port}")),
            {},
            "kernel",
            session_id="s",
            lease=Lease("client", 1, "shutdown"),
        )
        link.open(lambda message: None, changes.append)
        try:
            await link.ready(30)
            yield link, changes
        finally:
            await link.close()


async def test_a_refused_request_is_reported_and_not_waited_for() -> None:
    async with linked() as (link, changes):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.ask(Request("shell", "execute_request", "asked", {}), 1000), 20)
        assert changes[-1] == RequestRefused("asked", "the kernel is gone")


async def test_only_losses_are_reported_as_lost_and_only_once() -> None:
    acknowledged = {"from": 1, "to": 3, "bytes": 0, "why": ""}
    full = {"from": 4, "to": 9, "bytes": 700, "why": "full"}
    async with linked(acknowledged, full) as (link, changes):
        with pytest.raises(TimeoutError):  # it is answered after the gaps
            await asyncio.wait_for(link.ask(Request("shell", "execute_request", "asked", {}), 1000), 20)
        assert changes[:2] == [LinkUp(first=True), OutputLost(6, 700, "full", 9, unfetched=True)]
        assert link.seq == 9, "after a reconnect it goes on behind the gap"
