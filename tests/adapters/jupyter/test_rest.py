"""Jupyter's REST API as seen through a server that stumbles."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.core.server.resources import Measured
from jlab_tui.core.server.route import PlainRoute
from jlab_tui.core.server.state_machine import Health
from tests.listening import listening


@asynccontextmanager
async def answering(*statuses: int, sessions: bytes = b"") -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP server that answers with one status after the other, the last one again and again; its url and requests."""
    left = list(statuses)
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            asked.append(head.decode().rsplit(" ", 1)[0])
            while (await reader.readline()).strip():
                pass
            status = left.pop(0) if len(left) > 1 else left[0]
            body = b'{"kernels": 0, "protocol": 1, "features": ["channels"]}'
            body = body if status == 200 else b'{"message": "Unhandled error"}'
            body = sessions if sessions and status == 200 else b"" if status == 204 else body
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}", asked


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        ((500, 200), Health.OK),
        ((500, 500, 500, 200), Health.OK),
        ((500,), Health.SILENT),
        ((404,), Health.FOREIGN),
        ((403,), Health.FOREIGN),
    ],
)
async def test_an_internal_error_is_asked_again_and_makes_no_other_server(
    statuses: tuple[int, ...], health: Health
) -> None:
    async with answering(*statuses) as (url, _):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        assert await api.health() is health
        await api.close()


@pytest.mark.parametrize(("statuses", "is_known"), [((500, 500, 204), True), ((500, 404), False)])
async def test_a_kernel_that_jupyter_is_restarting_is_ended_once_it_can_be(
    statuses: tuple[int, ...], is_known: bool
) -> None:
    async with answering(200, *statuses, sessions=b"[]") as (url, asked):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        assert await api.delete_kernel("k") is is_known
        assert asked == ["GET /api/sessions", *["DELETE /api/kernels/k"] * len(statuses)]
        await api.close()


async def test_kernels_that_are_not_in_the_answer_are_asked_for_by_themselves() -> None:
    async with answering(404, 200, sessions=b"[]") as (url, asked):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        assert await api.measured(10, kernels=True) == Measured((), ())
        ours = "GET /jlab-mcp/resources?history=10&kernels="
        assert asked == [f"{ours}1", "GET /api/kernels", "GET /api/sessions"]
        await api.measured(10, kernels=False)
        assert asked[3:] == [f"{ours}0"]
        await api.close()


async def test_an_interrupt_is_sent_once_for_any_answer() -> None:
    async with answering(500) as (url, asked):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        with pytest.raises(Exception, match="answered 500"):
            await api.interrupt("k")
        assert asked == ["POST /api/kernels/k/interrupt"]
        await api.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_a_certificate_that_nobody_here_trusts_is_distinguished_from_silence(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    command = [*make.split(), "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    async with listening(hang_up, tls=context) as port:
        api = JupyterApi(Dialer(PlainRoute(f"https://127.0.0.1:{port}")), "token")
        assert await api.health() is Health.UNTRUSTED
        await api.close()


@pytest.mark.parametrize(("status", "shares"), [(200, True), (405, True), (404, False)])
async def test_a_server_that_keeps_open_notebooks_in_memory_is_known(status: int, shares: bool) -> None:
    async with answering(status) as (url, asked):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        assert [await api.shares_documents(), await api.shares_documents()] == [shares, shares]
        assert len(asked) == 1
        await api.close()


async def test_an_extension_that_speaks_an_earlier_protocol_offers_nothing() -> None:
    async with answering(200) as (url, _):
        api = JupyterApi(Dialer(PlainRoute(url)), "token")
        assert await api.features() == frozenset()
        await api.close()
