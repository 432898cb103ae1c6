"""Chooses this process's route to a server, and opens Jupyter's API on it.

Loads the HTTP client at first use: importing it takes longer than the rest of `status`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...core.errors import ServerUnreachable
from ...core.link.bridge import LinkFacts
from ...core.server.exit_grace import ExitGrace
from ...core.server.machine import Machine
from ...core.server.record import ServerRecord
from ...core.server.route import (
    BridgeRoute,
    NoRoute,
    PlainRoute,
    Route,
    Surroundings,
    TlsRoute,
    choose,
    describe,
    ways_of,
)
from ...core.server.status import Health, UnprovedHealth
from ...core.settings import Link, Mode
from ...jupyter_extension.loopback_owner import TABLES
from ..link.bridges import BridgeDown, Bridges

if TYPE_CHECKING:
    from .dial import Dialer
    from .rest import JupyterApi


_PATIENT_S: Final = 1.0
"""who waits less for an answer does not wait for a bridge"""
_OUTAGE_S: Final = 60.0
_BRIDGE_S: Final = 15.0
"""longest wait of one look for a bridge, which comes up all the same"""

log = logging.getLogger(__name__)


class ServerAccess:
    """Keeps one `JupyterApi`, replaced when the server, its secrets or the route to it change."""

    def __init__(
        self,
        here: Machine,
        link: Link,
        bridges: Bridges,
        *,
        allow_unproved: bool,
        exit_grace: Callable[[bool], ExitGrace | None] = lambda in_job: None,
    ) -> None:
        """`exit_grace` returns how long kernels that are claimed here outlive this process, given whether the server is in a job;
        None: as the server was started."""
        self._here = here
        self._link = link
        self._bridges = bridges
        self._allow_unproved = allow_unproved
        self._exit_grace = exit_grace
        self._api: JupyterApi | None = None
        self._key: tuple[Route, str] | None = None
        self._old: list[JupyterApi] = []
        self._answered: tuple[Route | None, float] = (None, 0.0)
        """the port that answered last, and when (the loop's time)"""

    def route(self, record: ServerRecord) -> Route | NoRoute:
        return choose(
            record,
            Surroundings(
                sees_socket=bool(record.socket) and _is_our_socket(record.socket),
                shares_machine=self._shares_machine(record),
                knows_owners=os.access(TABLES[0], os.R_OK),
                allows_unproved=self._allow_unproved,
                link=self._link,
                bridge=self._bridges.word(record.target) if ways_of(record, self._link) else None,
            ),
        )

    def link(self, record: ServerRecord) -> LinkFacts | None:
        """How this host reaches the server of a job; None for another."""
        if not (record.target.job_id and record.is_published):
            return None
        return describe(self.route(record), self._bridges.word(record.target))

    def api(self, record: ServerRecord) -> JupyterApi:
        """Raises ServerUnreachable if nothing proves that the server is ours."""
        route = self._route(record)
        if self._api is None or self._key != (route, record.token):
            if self._api is not None:
                self._old.append(self._api)  # it may have requests in flight
            _, make_api = _http_client()
            self._api = make_api(
                self._dialer(record, route), record.token, self._exit_grace(record.is_in_job)
            )
            self._key = route, record.token
        return self._api

    def dialer(self, record: ServerRecord) -> Dialer:
        """What opens bare connections. Raises ServerUnreachable if nothing proves that the server is ours."""
        return self._dialer(record, self._route(record))

    def _route(self, record: ServerRecord) -> Route:
        route = self.route(record)
        if isinstance(route, NoRoute):
            raise ServerUnreachable(route.message, route.hint)
        return route

    def _dialer(self, record: ServerRecord, route: Route) -> Dialer:
        make_dialer, _ = _http_client()
        return make_dialer(route, record.url or record.hostname, self._bridges)

    async def ask_health(self, record: ServerRecord, patience: float) -> Health | UnprovedHealth | NoRoute:
        """Ask `GET /api/status` for at most `patience` seconds."""
        route = self.route(record)
        if isinstance(route, NoRoute):
            return route
        if isinstance(route, BridgeRoute) and not await self._bridge(route):
            return Health.SILENT
        health = await self.api(record).health(patience)
        if isinstance(route, TlsRoute):
            if health is Health.OK:
                self._answered = route, asyncio.get_running_loop().time()
            elif patience >= _PATIENT_S and await self._detour(record, route, health):
                health = await self.api(record).health(patience)
        return UnprovedHealth(health) if isinstance(route, PlainRoute) else health

    async def _detour(self, record: ServerRecord, route: TlsRoute, health: Health) -> bool:
        """Make a bridge to a server whose port cannot be reached from here. Returns whether there is one now.

        A port that has answered a moment ago is only out of reach for a while."""
        ways = ways_of(record, self._link)
        answered, at = self._answered
        is_outage = answered == route and asyncio.get_running_loop().time() - at < _OUTAGE_S
        if not ways or is_outage or self._bridges.has_just_failed(record.target):
            return False
        why = await self.api(record).unreached()
        if health is Health.UNTRUSTED:
            why = why or "another server answers at its address"
        return bool(why) and await self._bridge(BridgeRoute(record.target, ways), why)

    async def _bridge(self, route: BridgeRoute, instead: str = "") -> bool:
        try:
            async with asyncio.timeout(_BRIDGE_S):
                await self._bridges.start(route.target, route.ways, instead)
        except (BridgeDown, TimeoutError) as error:
            log.debug("no bridge yet: %s", error)
            return False
        return True

    async def warm_up(self) -> None:
        """Import the HTTP client in advance, so that the first request is not late."""
        await asyncio.to_thread(_http_client)

    async def close(self) -> None:
        for api in (*self._old, self._api):
            if api is not None:
                await api.close()
        self._api, self._key = None, None
        self._old.clear()

    def _shares_machine(self, record: ServerRecord) -> bool:
        if record.mode is Mode.SLURM:
            return _short(record.hostname) == _short(self._here.name) != ""
        return self._here.shares_loopback(record.launcher, record.machine)


def _http_client() -> tuple[type[Dialer], type[JupyterApi]]:
    from .dial import Dialer
    from .rest import JupyterApi

    return Dialer, JupyterApi


def _is_our_socket(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


def _short(host: str) -> str:
    return host.partition(".")[0]
