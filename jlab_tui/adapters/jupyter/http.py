"""Sends requests to one Jupyter server: keeps connections, retries what is safe, and explains a missing answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from ...core.errors import ServerUnreachable
from ...core.json_values import mapping, parse_json, text
from ...core.server.status import Health
from .dial import Dialer, PeerUnproved
from .oddities import Oddities

_TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
_STUMBLES_S = {"GET": (0.05, 0.2, 0.5), "DELETE": (0.2, 0.5, 1.0, 2.0)}
"""pauses before retries after an internal server error, for what may be asked twice; a kernel restarts in a second or two"""
_LIMITS = httpx2.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=30)
_FIRST_TRY = httpx2.Timeout(2.0, connect=2.0)
_ANSWER_MAX = 64 << 20
"""bytes; the answers we need are small"""
_SLOWEST_FACTOR = 3
"""a whole answer may take so many times the patience, which limits each read"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of the server."""

    status_code: int
    reason: str
    body: bytes


Ask = Callable[[httpx2.AsyncClient, float | httpx2.Timeout], Coroutine[Any, Any, Answer]]


class HttpClient:
    """Raises ServerUnreachable for a missing or wrong answer. The token travels in a header only."""

    def __init__(self, dialer: Dialer, token: str) -> None:
        self.dialer = dialer
        self.url = dialer.shown
        self.oddities = Oddities(f"JupyterLab at {self.url}")
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
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        parse: Callable[[Any], T],
        timeout: float | None = None,
    ) -> T:
        """Return `parse` of the answer's JSON."""
        return self.parsed(
            await self.call(method, path, body, accept=(200, 201), timeout=timeout), path, parse
        )

    def parsed(self, answer: Answer, path: str, parse: Callable[[Any], T]) -> T:
        """Return `parse` of an answer's JSON. All answers are parsed here."""
        try:
            return parse(parse_json(answer.body))
        except ValueError as error:
            where = quote(path.partition("?")[0])
            self.oddities.note(f"an unknown answer to {where}", error)
            raise ServerUnreachable(
                f"JupyterLab at {self.url} answered {where} with something that jlab-mcp does not understand.",
                "Look at its log with: jlab-mcp logs",
            ) from None

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        accept: tuple[int, ...],
        timeout: float | None = None,
        again: bool | None = None,
    ) -> Answer:
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
                f"JupyterLab at {self.url} answered {answer.status_code} to {method} {quote(path.partition('?')[0])}: {reason_of(answer)}",
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
    ) -> Answer:
        """Return any answer of the server. Raises httpx2.HTTPError.

        `again`: may be sent twice, because a kept connection can die without notice."""

        def ask(client: httpx2.AsyncClient, patience: float | httpx2.Timeout) -> Coroutine[Any, Any, Answer]:
            return _whole_answer(client, method, path, body, patience)

        for pause in _STUMBLES_S.get(method, ()):
            answer = await self._ask(ask, timeout, again)
            if answer.status_code < 500:
                return answer
            # Jupyter may fail while a kernel is starting (seen with /api/status), and refuses to end one that it restarts.
            await asyncio.sleep(pause)
        return await self._ask(ask, timeout, again)

    async def _ask(
        self,
        ask: Ask,
        timeout: float | httpx2.Timeout,
        again: bool,
    ) -> Answer:
        if again:
            client = self._client
            try:
                return await ask(client, _FIRST_TRY)
            except (httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.RemoteProtocolError):
                if self._client is client:
                    await self._renew()
        return await ask(self._client, timeout)

    async def _renew(self) -> None:
        """Switch to new connections. Requests in flight on the old ones may still finish."""
        self._old.append(self._client)
        self._client = self._new_client()
        if len(self._old) > 2:
            await self._old.pop(0).aclose()


async def _whole_answer(
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    patience: float | httpx2.Timeout,
) -> Answer:
    """Raises httpx2.HTTPError, also for an endless answer."""
    read_s = patience.read if isinstance(patience, httpx2.Timeout) else patience
    received = bytearray()
    try:
        async with (
            asyncio.timeout(None if read_s is None else read_s * _SLOWEST_FACTOR),
            client.stream(method, path, json=body, timeout=patience) as answer,
        ):
            async for chunk in answer.aiter_bytes():
                received += chunk
                if len(received) > _ANSWER_MAX:
                    raise httpx2.RemoteProtocolError("an answer without end", request=answer.request)
            return Answer(answer.status_code, answer.reason_phrase, bytes(received))
    except TimeoutError:
        raise httpx2.ReadTimeout("an answer that does not end") from None


def reason_of(answer: Answer) -> str:
    try:
        raw = mapping(parse_json(answer.body))
    except ValueError:
        raw = {}
    return (text(raw.get("message")) or text(raw.get("reason")) or answer.reason)[:300]


def health_of(error: BaseException) -> Health:
    """Judge a server by why a request to it failed."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Health.UNTRUSTED
    if any(isinstance(cause, PeerUnproved) for cause in causes):
        return Health.FOREIGN
    is_refused = isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError) or any(
        map(_refuses, causes)
    )
    return Health.REFUSED if is_refused else Health.SILENT


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refuses(cause: BaseException) -> bool:
    if isinstance(cause, ConnectionRefusedError | ConnectionResetError) or "refused" in str(cause):
        return True
    return isinstance(cause, OSError) and "All connection attempts failed" in str(cause)
