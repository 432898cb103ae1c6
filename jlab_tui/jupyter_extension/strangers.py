"""Limits what unauthenticated requests cost: a small body, some connections, and one log line a minute for all refused ones.

Tornado reads a body into memory before any handler checks the token, up to the server's limit, which suits notebooks.
The router sees the headers first: there the user's own identity provider authenticates any request that is larger than
a form, and the first ones of each connection until it knows the sender.
"""

from __future__ import annotations

import inspect
import resource
from typing import Any, Awaitable, Callable, Dict, Optional

from jupyter_server.base.handlers import JupyterHandler
from tornado import httputil, ioloop

STRANGERS_BODY_BYTES = 64 << 10
"""larger than the login form, the only body that strangers need to send"""
STRANGERS_CONNECTIONS = 1000
REFUSALS_EVERY_S = 60.0


def guard(app: Any) -> None:
    """Limit what unauthenticated requests cost this server. Called before it listens."""
    settings = app.web_app.settings
    strangers = Strangers(connections_for_strangers)
    app.io_loop.add_callback(lambda: _count(app.http_server, strangers))  # it does not exist yet
    refusals = Refusals(app.log.warning, _later)
    settings["log_function"] = counting(settings["log_function"], refusals)
    find = app.web_app.find_handler

    def find_handler(request: Any, **kwargs: Any) -> httputil.HTTPMessageDelegate:
        delegate: httputil.HTTPMessageDelegate = find(request, **kwargs)
        if is_large(request.headers) or request.connection.stream in strangers:
            return _AskFirst(app.web_app, request, delegate, strangers)
        return delegate

    app.web_app.find_handler = find_handler


def _count(http_server: Any, strangers: Strangers) -> None:
    """Count each new connection to the port as a stranger's."""
    serve = http_server.handle_stream

    def handle_stream(stream: Any, address: Any) -> Any:
        strangers.add(stream)
        return serve(stream, address)

    http_server.handle_stream = handle_stream


def connections_for_strangers() -> int:
    """Half of the files that this process may open: the other half is for kernels and for connections of the user."""
    return min(STRANGERS_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class Strangers:
    """The open connections without authentication: each one too many closes the oldest."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._streams: Dict[Any, None] = {}
        """oldest first"""

    def __contains__(self, stream: Any) -> bool:
        return stream in self._streams

    def add(self, stream: Any) -> None:
        if len(self._streams) >= self._most():
            self._streams = {one: None for one in self._streams if not one.closed()}
        while len(self._streams) >= max(1, self._most()):
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            oldest.close()
        self._streams[stream] = None

    def remove(self, stream: Any) -> None:
        """Its sender is known now."""
        self._streams.pop(stream, None)


def is_large(headers: Any) -> bool:
    """Whether the headers announce a body that is larger than a stranger's may be."""
    if headers.get("Transfer-Encoding"):
        return True
    length = headers.get("Content-Length", "0").strip()
    return not (length.isdecimal() and len(length) < 10 and int(length) <= STRANGERS_BODY_BYTES)


class _AskFirst(httputil.HTTPMessageDelegate):
    """Authenticates a request at its headers: Tornado refuses a large body of a stranger and closes the connection."""

    def __init__(
        self, web_app: Any, request: Any, inner: httputil.HTTPMessageDelegate, strangers: Strangers
    ) -> None:
        self._web_app, self._request, self._inner = web_app, request, inner
        self._strangers = strangers

    async def headers_received(self, start_line: Any, headers: Any) -> None:
        if await _is_known(self._web_app, self._request):
            self._strangers.remove(self._request.connection.stream)
        else:
            self._request.connection.set_max_body_size(STRANGERS_BODY_BYTES)
        received = self._inner.headers_received(start_line, headers)
        if received is not None:
            await received

    def data_received(self, chunk: bytes) -> Optional[Awaitable[None]]:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


async def _is_known(web_app: Any, request: Any) -> bool:
    """Whether the identity provider knows the sender. It needs a handler, which here answers nothing."""
    handler = JupyterHandler(web_app, request)
    user = handler.identity_provider.get_user(handler)
    return (await user if inspect.isawaitable(user) else user) is not None


class Refusals:
    """Counts refused requests: logs the first at once, and the rest of a minute as one number."""

    def __init__(
        self, write: Callable[[str], None], later: Callable[[float, Callable[[], None]], None]
    ) -> None:
        self._write, self._later = write, later
        self._count = 0
        self._latest = ""
        self._is_due = False

    def add(self, request: str) -> None:
        self._count += 1
        self._latest = request
        if not self._is_due:
            self._report()

    def _report(self) -> None:
        self._is_due = self._count > 0
        if self._is_due:
            requests = "request" if self._count == 1 else "requests"
            self._write("%d unauthenticated %s refused; latest: %s" % (self._count, requests, self._latest))
            self._count = 0
            self._later(REFUSALS_EVERY_S, self._report)


def counting(log_request: Callable[[Any], None], refusals: Refusals) -> Callable[[Any], None]:
    """Return a `log_function` for Tornado that counts refused requests and leaves the others to `log_request`.

    A refused request makes no metric either: strangers choose its labels, and each label takes memory for good."""

    def log(handler: Any) -> None:
        status = handler.get_status()
        if status < 300 or status == 304 or _user(handler):
            log_request(handler)
        else:
            request = handler.request
            what = (status, request.method[:10], request.path[:100], request.remote_ip)
            refusals.add("%d %s %s from %s" % what)

    return log


def _user(handler: Any) -> Any:
    try:
        return handler.current_user
    except RuntimeError:  # refused before anybody asked for the user
        return None


def _later(seconds: float, call: Callable[[], None]) -> None:
    ioloop.IOLoop.current().call_later(seconds, call)
