"""The proxy itself: what it leaves open would be blamed on a later test."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from typing import get_args

import pytest

from tests.listening import listening

from .proxy import Cut, Proxy


async def stands_still(writer: asyncio.StreamWriter) -> None:
    """Wait until every buffer on the way is full."""
    left = -1
    while left != (left := writer.transport.get_write_buffer_size()):
        await asyncio.sleep(0.1)
    assert left


async def cut_while_the_target_does_not_read(how: Cut, target: socket.socket) -> socket.socket:
    proxy = Proxy(target.getsockname()[1])
    async with listening(proxy.accept) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(20_000_000))
        accepted, _ = await asyncio.to_thread(target.accept)
        await stands_still(writer)
        proxy.cut(how)
        for _ in range(20):  # the proxy notices, and is done with the connection
            await asyncio.sleep(0)
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return accepted


@pytest.mark.parametrize("how", get_args(Cut))
def test_no_socket_outlives_the_loop_even_if_the_target_does_not_read(how: Cut) -> None:
    with socket.create_server(("127.0.0.1", 0)) as target, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with asyncio.run(cut_while_the_target_does_not_read(how, target)):
            gc.collect()
    assert [str(one.message) for one in said] == []
