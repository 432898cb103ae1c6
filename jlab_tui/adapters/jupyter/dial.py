"""Opens connections to one server and proves the peer before it sends anything."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from functools import cached_property
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpcore2
import httpx2

from ...core.server.route import BridgeRoute, LoopbackRoute, PlainRoute, Route, SocketRoute, TlsRoute
from ...jupyter_extension.credentials import peer_uid
from ...jupyter_extension.loopback_owner import owner
from ..link.bridges import Bridges

_REFUSALS: Final = (OSError, httpcore2.ConnectError, httpcore2.ConnectTimeout)
_FIND_S: Final = 5.0
T = TypeVar("T")


class PeerUnproved(ConnectionError):
    """Nothing proves that the listener is ours."""


class Dialer:
    """Opens connections on one route."""

    def __init__(self, route: Route, shown: str = "", bridges: Bridges | None = None) -> None:
        """`shown`: the server's name in messages, by default its URL; `bridges`: needed for a `BridgeRoute`."""
        self.route = route
        self._bridges = bridges
        self.shown = (shown or self.base).rstrip("/")
        self._found = ""
        """address that last showed this launch's certificate, or took a connection"""

    @property
    def base(self) -> str:
        """Base URL of requests; a server behind a socket ignores the host name."""
        if isinstance(self.route, SocketRoute | BridgeRoute):
            return f"http://localhost{self.route.base_path}"
        return self.route.url.rstrip("/")

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """Trusts only this launch's certificate; for a server without one, the user's own authorities."""
        match self.route:
            case TlsRoute(certificate=certificate):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False  # the certificate is the identity, not the node's name
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cadata=base64.b64decode(certificate))
                return context
            case PlainRoute(url=url) | LoopbackRoute(url=url) if url.startswith("https"):
                return ssl.create_default_context()
            case _:
                return None

    def transport(self, limits: httpx2.Limits) -> httpx2.AsyncBaseTransport:
        """Return httpx2's transport over kept connections, each proved when it opens."""
        return _Transport(
            httpcore2.AsyncConnectionPool(
                ssl_context=self.ssl_context,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                uds="socket" if isinstance(self.route, SocketRoute | BridgeRoute) else None,
                network_backend=_Backend(self),
            )
        )

    async def connect(self) -> socket.socket:
        """Return a connected socket with a proved peer (TLS proves it later). Raises OSError, PeerUnproved."""
        if isinstance(self.route, SocketRoute | BridgeRoute):
            return await self.at_socket(lambda path: _connected(self.route, socket.AF_UNIX, path))
        host, port = _endpoint(self.route.url)

        async def connected(address: str) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return await _connected(self.route, family, (address, port))

        return await self.first(host, port, connected)

    async def at_socket(self, connect: Callable[[str], Awaitable[T]]) -> T:
        """Return the result of `connect` for the socket's path; a bridge is started if there is none."""
        if isinstance(self.route, SocketRoute):
            return await connect(self.route.path)
        assert isinstance(self.route, BridgeRoute) and self._bridges is not None
        path = self._bridges.socket(self.route.target)
        try:
            return await connect(path)
        except _REFUSALS:
            await self._bridges.start(self.route.target, self.route.ways)
            return await connect(path)

    async def unreached(self) -> str:
        """Why no address of the node takes a connection; empty if one does, whoever listens there."""
        assert isinstance(self.route, TlsRoute)
        host, port = _endpoint(self.route.url)
        addresses = (*await _addresses(host, port, missing_ok=True), *self.route.addresses)
        try:
            await _race([_answers(address, port, None) for address in dict.fromkeys(addresses)], _FIND_S)
        except OSError as error:
            why = error.strerror or str(error) or "no answer"
            return f"no address of {host} takes a connection at port {port} ({why})"
        return ""

    async def first(self, host: str, port: int, connect: Callable[[str], Awaitable[T]]) -> T:
        """Return the result of `connect` for the first address of `host` that accepts and proves itself: a name may also lead
        to a stranger's listener."""
        if isinstance(self.route, TlsRoute | PlainRoute):
            self._found = self._found or await self._find(self.route, host, port)
            try:
                return await connect(self._found)
            except _REFUSALS:
                self._found = ""
                raise
        refused: Exception | None = None
        for address in await _addresses(host, port):
            try:
                return await connect(address)
            except _REFUSALS as error:
                refused = error if refused is None or isinstance(error, PeerUnproved) else refused
        refused = refused or ConnectionError("the name has no address")
        raise refused

    async def _find(self, route: TlsRoute | PlainRoute, host: str, port: int) -> str:
        """Try all addresses of the node at once, of which some may be silent. Returns the first that shows the certificate, or
        without one takes connections."""
        known = route.addresses if isinstance(route, TlsRoute) else ()
        addresses = dict.fromkeys(
            (*await _addresses(host, port, missing_ok=isinstance(route, TlsRoute)), *known)
        )
        if len(addresses) == 1:
            return next(iter(addresses))  # the connection itself proves it
        context = self.ssl_context if isinstance(route, TlsRoute) else None
        return await _race([_answers(address, port, context) for address in addresses], _FIND_S)


async def _race(tries: list[Coroutine[Any, Any, str]], limit_s: float) -> str:
    """Return the first result. Raises the OSError that says most, if there is none in time."""
    looks = [asyncio.create_task(one) for one in tries]
    refused: Exception = ConnectionError("its name has no address here")
    try:
        for look in asyncio.as_completed(looks, timeout=limit_s):
            try:
                return await look
            except OSError as error:
                refused = error if not isinstance(refused, ssl.SSLError) else refused
    finally:
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
    raise refused


async def _answers(address: str, port: int, context: ssl.SSLContext | None) -> str:
    """Return the address once it takes a connection, and shows the certificate that `context` trusts."""
    _, writer = await asyncio.open_connection(address, port, ssl=context)
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
        case SocketRoute() | BridgeRoute():
            if (uid := peer_uid(connection)) != os.geteuid():
                raise PeerUnproved(f"another account (uid {uid}) serves the socket")
        case LoopbackRoute(url=url):
            near, far = connection.getsockname()[:2], connection.getpeername()[:2]
            uid = await owner(near, far)
            if uid != os.geteuid():
                whose = "another account" if uid is not None else "nobody on this machine"
                raise PeerUnproved(f"{whose} serves the port of {url}")
        case TlsRoute() | PlainRoute():
            pass


async def _addresses(host: str, port: int, *, missing_ok: bool = False) -> list[str]:
    """Return every address of a name. Raises OSError for an unknown one."""
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
        async def connected(path: str) -> httpcore2.AsyncNetworkStream:
            stream = await self._network.connect_unix_socket(path, timeout, socket_options)
            return await self._proved(stream, timeout)

        try:
            return await self._dialer.at_socket(connected)
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
    """Adapts a pool of httpcore2 to httpx2. Errors become those of the same name in httpx2."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        target = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore2.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await self._pool.handle_async_request(sent)
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
