"""Impostors at the address of our server receive nothing from us."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from jlab_tui.adapters.jupyter.dial import Dialer, PeerUnproved
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.adapters.jupyter.websocket import open_connection
from jlab_tui.adapters.server.certificate import certificate_in, new_identity
from jlab_tui.core.errors import ServerUnreachable
from jlab_tui.core.server.route import LoopbackRoute, Route, SocketRoute, TlsRoute
from jlab_tui.core.server.status import Health
from tests.listening import at_path, listening
from tests.security.accounts import Impostor, impostor, needs_two_accounts

TOKEN = "a-token-that-must-not-leak"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"kernels":1}'


def tcp(host: str = "127.0.0.1", port: int = 0) -> Callable[[], socket.socket]:
    def bind() -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        return listener

    return bind


async def is_left_unanswered(route: Route, stranger: Impostor) -> None:
    """Nothing reaches the stranger, by REST or by WebSocket, however often it is tried."""
    dialer = Dialer(route)
    api = JupyterApi(dialer, TOKEN)
    try:
        assert await api.health() is Health.FOREIGN
        with pytest.raises(ServerUnreachable):
            await api.kernels()
        with pytest.raises(PeerUnproved):
            await open_connection(dialer, "/jlab-mcp/channels/k", api.authorization, None, 30)
    finally:
        await api.close()
    assert stranger.heard() == b""


@needs_two_accounts
async def test_another_accounts_port_is_sent_nothing() -> None:
    with impostor(tcp(), ANSWER) as stranger:
        await is_left_unanswered(LoopbackRoute(f"http://127.0.0.1:{stranger.where}"), stranger)


@needs_two_accounts
async def test_another_accounts_socket_is_sent_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="jlab-mcp-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        with impostor(partial(at_path, Path(folder, "s.sock")), ANSWER) as stranger:
            await is_left_unanswered(SocketRoute(stranger.where), stranger)


@needs_two_accounts
async def test_a_stranger_beside_our_server_on_the_other_family_is_passed_over() -> None:
    """A name may lead to [::1] first, where somebody else listens on the port that we have on 127.0.0.1."""
    async with listening(answering) as port:
        with impostor(tcp("::1", port), ANSWER) as stranger:
            api = JupyterApi(Dialer(LoopbackRoute(f"http://localhost:{port}")), TOKEN)
            assert await api.health() is Health.OK
            await api.close()
            assert stranger.heard() == b""


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)


async def test_our_own_port_and_socket_are_answered(tmp_path: Path) -> None:
    async with listening(answering) as port, listening(answering, at_path(tmp_path / "s")):
        routes: list[Route] = [
            LoopbackRoute(f"http://127.0.0.1:{port}"),
            SocketRoute(str(tmp_path / "s")),
        ]
        for route in routes:
            api = JupyterApi(Dialer(route), TOKEN)
            assert await api.health() is Health.OK
            await api.close()


async def test_a_port_that_nobody_accepts_at_is_sent_nothing_until_somebody_does() -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        api = JupyterApi(Dialer(LoopbackRoute(f"http://127.0.0.1:{listener.getsockname()[1]}")), TOKEN)
        assert await api.health(0.2) is Health.SILENT
        with listener.accept()[0] as waiting:
            assert waiting.recv(1 << 16) == b""
        async with listening(listen, listener):
            assert await api.health() is Health.OK
        await api.close()
    assert TOKEN.encode() in heard


async def test_the_configured_base_path_is_asked_for_over_the_socket(tmp_path: Path) -> None:
    asked: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[0])
        writer.write(ANSWER)

    async with listening(listen, at_path(tmp_path / "s")):
        dialer = Dialer(SocketRoute(str(tmp_path / "s"), "/user/ada"))
        api = JupyterApi(dialer, TOKEN)
        assert await api.health() is Health.OK
        with pytest.raises(InvalidStatus):  # the answer is that to a plain request
            await open_connection(dialer, "/jlab-mcp/channels/k", api.authorization, None, 30)
        await api.close()
    assert [line.split()[1] for line in asked] == ["/user/ada/api/status", "/user/ada/jlab-mcp/channels/k"]


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """One launch's certificate: as the record has it, and as its server shows it."""
    folder.mkdir()
    (folder / "pem").write_bytes(new_identity())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    return certificate_in(folder / "pem"), context


async def test_a_certificate_of_another_launch_is_sent_nothing(tmp_path: Path) -> None:
    ours, _ = certificate(tmp_path / "ours")
    _, theirs = certificate(tmp_path / "theirs")
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1 << 16))

    async with listening(listen, tls=theirs) as port:
        dialer = Dialer(TlsRoute(f"https://127.0.0.1:{port}", ours))
        api = JupyterApi(dialer, TOKEN)
        assert await api.health() is Health.UNTRUSTED
        with pytest.raises(ssl.SSLCertVerificationError):
            await open_connection(dialer, "/jlab-mcp/channels/k", api.authorization, None, 30)
        await api.close()
    assert not heard


async def test_this_launchs_certificate_is_trusted_under_any_name_of_the_node(tmp_path: Path) -> None:
    ours, context = certificate(tmp_path / "ours")
    async with listening(answering, tls=context) as port:
        api = JupyterApi(Dialer(TlsRoute(f"https://localhost:{port}", ours)), TOKEN)
        assert await api.health() is Health.OK
        await api.close()


async def test_the_address_that_shows_the_certificate_is_used_of_all_that_the_node_may_have(
    tmp_path: Path,
) -> None:
    """The node's name leads to a stranger here; one of the node's own addresses leads to our server."""
    ours, context = certificate(tmp_path / "ours")
    _, theirs = certificate(tmp_path / "theirs")
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1 << 16))

    async with (
        listening(answering, tcp("127.0.0.2")(), context) as port,
        listening(listen, tcp("127.0.0.4", port)(), theirs),
    ):
        api = JupyterApi(Dialer(TlsRoute(f"https://127.0.0.4:{port}", ours, ("127.0.0.2",))), TOKEN)
        assert await api.health() is Health.OK
        await api.close()
    assert not heard


async def test_a_node_whose_name_means_nothing_here_is_reached_by_its_address(tmp_path: Path) -> None:
    ours, context = certificate(tmp_path / "ours")
    async with listening(answering, tls=context) as port:
        route = TlsRoute(f"https://gpu1.invalid:{port}", ours, ("127.0.0.3", "127.0.0.1"))
        api = JupyterApi(Dialer(route), TOKEN)
        assert await api.health() is Health.OK
        await api.close()
