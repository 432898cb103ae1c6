"""Loads `ServerAccess` at first use: importing its HTTP client takes longer than the rest of `status`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...core.server.machine import Machine
from ...core.server.record import ServerRecord
from ...core.server.route import NoRoute
from ...core.server.status import Health, UnprovedHealth

if TYPE_CHECKING:
    from .access import ServerAccess
    from .rest import JupyterApi


class LateAccess:
    """The route to the recorded server, and Jupyter's API on it."""

    def __init__(self, here: Machine, *, allow_unproved: bool, exit_grace_s: float | None = None) -> None:
        self._here = here
        self._allow_unproved = allow_unproved
        self._exit_grace_s = exit_grace_s
        self._access: ServerAccess | None = None

    def api(self, record: ServerRecord) -> JupyterApi:
        """Raises ServerUnreachable if nothing proves that the server is ours."""
        return self._load().api(record)

    async def ask_health(self, record: ServerRecord, patience: float) -> Health | UnprovedHealth | NoRoute:
        """Ask `GET /api/status` for at most `patience` seconds."""
        return await self._load().health(record, patience)

    async def warm_up(self) -> None:
        """Import the HTTP client in advance, so that the first request is not late."""
        await asyncio.to_thread(self._load)

    async def close(self) -> None:
        if self._access is not None:
            await self._access.close()

    def _load(self) -> ServerAccess:
        from .access import ServerAccess  # imports the HTTP client

        if self._access is None:
            self._access = ServerAccess(
                self._here, allow_unproved=self._allow_unproved, exit_grace_s=self._exit_grace_s
            )
        return self._access
