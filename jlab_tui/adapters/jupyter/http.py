"""Requests to one Jupyter server: kept connections, what may be asked twice, and what no answer means."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from ...core.errors import ServerUnreachable
from .dial import Dialer, PeerUnproved

_TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
_STUMBLES_S = (0.05, 0.2, 0.5)
"""pauses after an internal error of the server"""
_LIMITS = httpx2.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=30)
_FIRST_TRY = httpx2.Timeout(2.0, connect=2.0)
Answer = Coroutine[Any, Any, httpx2.Response]


class HttpClient:
    """Raises ServerUnreachable when the server does not answer, or not as it should. The token travels in a header only."""

    def __init__(self, dialer: Dialer, token: str) -> None:
        self.dialer = dialer
        self.url = dialer.shown
        self._token = token
        self._client = self._new_client()
        self._old: list[httpx2.AsyncClient] = []

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token}"}

    async def close(self) -> None:
        for client in (self._client, *self._old):
            await client.aclose()

    async def json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        return (await self.call(method, path, body, accept=(200, 201), timeout=timeout)).json()

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: tuple[int, ...],
        timeout: float | None = None,
        again: bool | None = None,
    ) -> httpx2.Response:
        again = method == "GET" if again is None else again
        try:
            answer = await self.request(
                method, path, body, timeout if timeout is not None else _TIMEOUT, again
            )
        except httpx2.HTTPError as error:
            raise ServerUnreachable(
                f"JupyterLab not responding at {self.url} ({type(error).__name__}).",
                "Restart with: jlab-mcp start",
            ) from None
        if answer.status_code not in accept:
            raise ServerUnreachable(
                f"JupyterLab at {self.url} answered {answer.status_code} to {method} {quote(path.partition('?')[0])}: {_reason(answer)}",
                "Look at its log with: jlab-mcp logs",
            )
        return answer

    def _new_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.dialer.base,
            headers=self.authorization,
            timeout=_TIMEOUT,
            trust_env=False,
            transport=self.dialer.transport(_LIMITS),
        )

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout: float | httpx2.Timeout,
        again: bool,
    ) -> httpx2.Response:
        """The server's answer, whatever it is. Raises httpx2.HTTPError.

        `again`: may be asked twice. A kept connection that died in silence is only noticed by its silence."""

        def ask(client: httpx2.AsyncClient, patience: float | httpx2.Timeout) -> Answer:
            return client.request(method, path, json=body, timeout=patience)

        for pause in _STUMBLES_S if method == "GET" else ():
            answer = await self._ask(ask, timeout, again)
            if answer.status_code < 500:
                return answer
            # Jupyter stumbles over a kernel that is just being started (seen with /api/status).
            await asyncio.sleep(pause)
        return await self._ask(ask, timeout, again)

    async def _ask(
        self,
        ask: Callable[[httpx2.AsyncClient, float | httpx2.Timeout], Answer],
        timeout: float | httpx2.Timeout,
        again: bool,
    ) -> httpx2.Response:
        if again:
            client = self._client
            try:
                return await ask(client, _FIRST_TRY)
            except (httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.RemoteProtocolError):
                if self._client is client:
                    await self._renew()
        return await ask(self._client, timeout)

    async def _renew(self) -> None:
        """Go on with new connections. Requests under way on the old ones may still end."""
        self._old.append(self._client)
        self._client = self._new_client()
        if len(self._old) > 2:
            await self._old.pop(0).aclose()


def _reason(answer: httpx2.Response) -> str:
    try:
        raw = answer.json()
        return str(raw.get("message") or raw.get("reason") or answer.reason_phrase)[:300]
    except (ValueError, AttributeError):
        return answer.reason_phrase


def is_untrusted(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def is_unproved(error: BaseException) -> bool:
    """Whether somebody else listens there: nothing was sent."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PeerUnproved):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def is_refused(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError | ConnectionResetError) or "refused" in str(seen):
            return True
        if isinstance(seen, OSError) and "All connection attempts failed" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError)
