"""What a test's own server leaves open would be blamed on a later test."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import warnings
from pathlib import Path

import pytest

from jlab_tui.adapters.server.certificate import new_identity

from .listening import Handler, listening


async def wait_forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(12_000_000))
    await asyncio.Event().wait()


async def return_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(12_000_000))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificate") / "pem"
    path.write_bytes(new_identity())
    return path


@pytest.mark.parametrize("handler", [wait_forever, return_at_once])
@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("steps", range(6))
def test_no_connection_outlives_its_server_however_early_that_ends(
    handler: Handler, secured: bool, steps: int, certificate: Path
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if secured else None
    if tls:
        tls.load_cert_chain(certificate)

    async def end_after_some_steps() -> None:
        async with listening(handler, tls=tls) as port:
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
        for client in clients:
            client.close()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(end_after_some_steps())
        gc.collect()
    assert [str(one.message) for one in said] == []


async def test_a_handlers_own_error_fails_the_test() -> None:
    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        async with listening(fail) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
