"""Finds the ready server, on which sessions open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...core.server.record import ServerRecord
from ..ports import Jupyter
from .launcher import Launcher


@dataclass(frozen=True, slots=True)
class Server:
    """A server with its API."""

    record: ServerRecord
    api: Jupyter


class ServerAccess(Protocol):
    """The route to a server (see `adapters.jupyter.access`)."""

    def api(self, record: ServerRecord) -> Jupyter: ...


class ReadyServer:
    """Finds a project's server."""

    def __init__(self, launcher: Launcher, access: ServerAccess) -> None:
        self._launcher = launcher
        self._access = access

    async def get(self) -> Server:
        """Return the server. Raises a ServerError while none is ready."""
        record = await self._launcher.ready_record()
        return Server(record, self._access.api(record))
