"""Connections to one server on its route: opened, and the peer proved, before anything is sent."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpcore2
import httpx2

from ...core.server.peer import Endpoint, NotAccepted, owner_of
from ...core.server.route import LoopbackRoute, PlainRoute, Route, SocketRoute, TlsRoute

_REFUSALS: Final = (OSError, httpcore2.ConnectError, httpcore2.ConnectTimeout)
_TABLES: Final = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_FIND_S: Final = 5.0
_ACCEPT_POLL_S: Final = 0.005
T = TypeVar("T")


class PeerUnproved(ConnectionError):
    """Somebody listens there who is not proved to be us."""


def knows_owners() -> bool:
    """Whether this system tells who owns the other end of a loopback connection."""
    return os.access(_TABLES[0], os.R_OK)


class Dialer:
    """Opens connections on one route."""

    def __init__(self, route: Route, shown: str = "") -> None:
        """`shown` is what messages call the server, by default its URL."""
        self.route = route
        self.shown = (shown or self.base).rstrip("/")
        self._proved = ""
        """address at which this launch's certificate was last shown"""

    @property
    def base(self) -> str:
        """URL that requests begin with; a server behind a socket does not look at the name."""
        if isinstance(self.route, SocketRoute):
            return f"http://localhost{self.route.base_path}"
        return self.route.url.rstrip("/")

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """Trusts nothing but this launch's certificate; the user's own authorities for a server without one."""
        match self.route:
            case TlsRoute(certificate=certificate):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False  # the certificate is the identity, whatever the node is called
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cadata=base64.b64decode(certificate))
                return context
            case PlainRoute(url=url) | LoopbackRoute(url=url) if url.startswith("https"):
                return ssl.create_default_context()
            case _:
                return None

    def transport(self, limits: httpx2.Limits) -> httpx2.AsyncBaseTransport:
        """For httpx2: requests over kept connections, each of them proved when it was opened."""
        return _Transport(
            httpcore2.AsyncConnectionPool(
                ssl_context=self.ssl_context,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                uds=self.route.path if isinstance(self.route, SocketRoute) else None,
                network_backend=_Backend(self),
            )
        )

    async def connect(self) -> socket.socket:
        """A connected socket whose peer is proved, but for what TLS proves later. Raises OSError, PeerUnproved."""
        if isinstance(self.route, SocketRoute):
            return await _connected(self.route, socket.AF_UNIX, self.route.path)
        host, port = _endpoint(self.route.url)

        async def connected(address: str) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return await _connected(self.route, family, (address, port))

        return await self.first(host, port, connected)

    async def first(self, host: str, port: int, connect: Callable[[str], Awaitable[T]]) -> T:
        """What `connect` gives at the first address of `host` that takes connections and proves itself: a name may lead
        to a stranger's listener, too."""
        if isinstance(self.route, TlsRoute):
            self._proved = self._proved or await self._find(self.route, host, port)
            try:
                return await connect(self._proved)
            except _REFUSALS:
                self._proved = ""
                raise
        refused: Exception | None = None
        for address in await _addresses(host, port):
            try:
                return await connect(address)
            except _REFUSALS as error:
                refused = error if refused is None or isinstance(error, PeerUnproved) else refused
        refused = refused or ConnectionError("the name has no address")
        raise refused

    async def _find(self, route: TlsRoute, host: str, port: int) -> str:
        """The address at which the certificate is shown, of all that the node may have, asked at once."""
        addresses = dict.fromkeys((*await _addresses(host, port, missing_ok=True), *route.addresses))
        if len(addresses) == 1:
            return next(iter(addresses))  # the connection itself tells
        looks = [asyncio.create_task(self._shows_certificate(address, port)) for address in addresses]
        refused: Exception = ConnectionError(f"{host} has no address here")
        try:
            for look in asyncio.as_completed(looks, timeout=_FIND_S):
                try:
                    return await look
                except OSError as error:
                    refused = error if not isinstance(refused, ssl.SSLError) else refused
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)
        raise refused

    async def _shows_certificate(self, address: str, port: int) -> str:
        _, writer = await asyncio.open_connection(address, port, ssl=self.ssl_context)
        writer.transport.abort()
        return address


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


async def _connected(route: Route, family: int, address: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, address)
        await prove(route, opened)
    except BaseException:
        opened.close()
        raise
    return opened


async def prove(route: Route, connection: Any) -> None:
    """Raise PeerUnproved unless the other end of a connection on this route belongs to our account. `connection` is a
    connected socket. TLS proves itself in its handshake."""
    match route:
        case SocketRoute(path=path):
            if (uid := peer_uid(connection)) != os.geteuid():
                raise PeerUnproved(f"the socket {path} is served by another account (uid {uid})")
        case LoopbackRoute(url=url):
            near, far = connection.getsockname()[:2], connection.getpeername()[:2]
            uid = await _owner(near, far)
            if uid != os.geteuid():
                whose = "another account" if uid is not None else "nobody on this machine"
                raise PeerUnproved(f"the port of {url} is served by {whose}")
        case TlsRoute() | PlainRoute():
            pass


async def _owner(near: Endpoint, far: Endpoint) -> int | None:
    """As `owner_of`, once the far end is accepted; callers limit how long they wait for that."""
    while True:
        try:
            return owner_of(await asyncio.to_thread(_tables), near, far)
        except NotAccepted:
            await asyncio.sleep(_ACCEPT_POLL_S)


def peer_uid(connection: Any) -> int | None:
    """The account at the other end of a Unix socket (SO_PEERCRED of Linux, LOCAL_PEERCRED of macOS)."""
    if sys.platform == "darwin":
        raw = connection.getsockopt(
            0, 1, 8
        )  # SOL_LOCAL, LOCAL_PEERCRED: struct xucred begins with version and uid
        return int(struct.unpack("=II", raw)[1])
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def _tables() -> str:
    texts = []
    for path in _TABLES:
        try:
            texts.append(path.read_text(encoding="ascii"))
        except OSError:
            continue  # without IPv6 there is no tcp6
    return "".join(texts)


async def _addresses(host: str, port: int, *, missing_ok: bool = False) -> list[str]:
    """Every address of a name. Raises OSError for one that this host does not know."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        if not missing_ok:
            raise
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Backend(httpcore2.AsyncNetworkBackend):
    """Opens httpcore2's connections and proves their peers."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async def connected(address: str) -> httpcore2.AsyncNetworkStream:
            stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            return await self._proved(stream, timeout)

        try:
            return await self._dialer.first(host, port, connected)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return await self._proved(
                await self._network.connect_unix_socket(path, timeout, socket_options), timeout
            )
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    async def _proved(
        self, stream: httpcore2.AsyncNetworkStream, timeout: float | None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await prove(self._dialer.route, stream.get_extra_info("socket"))
        except BaseException:
            await stream.aclose()
            raise
        return stream


class _Transport(httpx2.AsyncBaseTransport):
    """A pool of httpcore2 as httpx2 wants it; its errors by httpx2's names, which are the same."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        target = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore2.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await self._pool.handle_async_request(asked)
        except Exception as error:
            raise _named_by_httpx(error) from error
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except Exception as error:
            raise _named_by_httpx(error) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def _named_by_httpx(error: Exception) -> Exception:
    for kind in type(error).__mro__:
        named = getattr(httpx2, kind.__name__, None)
        if (
            kind.__module__.startswith("httpcore2")
            and isinstance(named, type)
            and issubclass(named, httpx2.HTTPError)
        ):
            return named(str(error))
    return error
