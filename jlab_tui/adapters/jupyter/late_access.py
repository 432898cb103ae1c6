"""`ServerAccess`, loaded when it is first needed: its HTTP client takes longer to import than all the rest of `status`."""

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
    """The way to the server on record, and Jupyter's API on that way."""

    def __init__(self, here: Machine, *, allow_unproved: bool, exit_grace_s: float | None = None) -> None:
        self._here = here
        self._allow_unproved = allow_unproved
        self._exit_grace_s = exit_grace_s
        self._access: ServerAccess | None = None

    def api(self, record: ServerRecord) -> JupyterApi:
        """Raises ServerUnreachable where nothing proves that the server is ours."""
        return self._load().api(record)

    async def ask_health(self, record: ServerRecord, patience: float) -> Health | UnprovedHealth | NoRoute:
        """One look at `GET /api/status`, of at most `patience` seconds."""
        return await self._load().health(record, patience)

    async def warm_up(self) -> None:
        """Load what the first look needs, so that it is not late."""
        await asyncio.to_thread(self._load)

    async def close(self) -> None:
        if self._access is not None:
            await self._access.close()

    def _load(self) -> ServerAccess:
        from .access import ServerAccess  # the HTTP client

        if self._access is None:
            self._access = ServerAccess(
                self._here, allow_unproved=self._allow_unproved, exit_grace_s=self._exit_grace_s
            )
        return self._access
