"""The launcher's ports: the status file, the intent file, the backends that run JupyterLab, the health check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.link.bridge import LinkFacts
from ...core.server.record import ServerRecord
from ...core.server.route import NoRoute
from ...core.server.status import Health, Limits, Observation, UnprovedHealth
from ...core.settings import Mode


class Store(Protocol):
    def read(self) -> ServerRecord | None: ...
    def write(self, record: ServerRecord) -> None: ...
    def remove(self) -> None: ...


class IntentLock(Protocol):
    """Lets one process at a time start or stop the server."""

    def take(self, verb: str, now: float) -> object | None:
        """None when it is ours now, else who has it, as `str` shows it to a user."""

    def is_taken(self) -> bool:
        """Whether somebody has it, dead or alive; leaves no trace."""

    def release(self) -> None: ...


class Backend(Protocol):
    """Where JupyterLab runs: this machine, or a SLURM cluster."""

    async def launch(
        self, say: Callable[[str], None], announce: Callable[[ServerRecord], None]
    ) -> ServerRecord:
        """Start it and return at once. Raises JlabError with what to change if nothing was started.

        `announce` saves a record that finds a job again; it is called before the job is submitted.
        """

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        """Look at process or job, connection file and log, not at the server itself.

        `urgent`: the server does not answer, so what was found out half a minute ago will not do.
        """

    async def end(self, record: ServerRecord) -> str:
        """End it, verified to be ours; returns what was done. Raises JlabError, then the record is kept."""

    def is_elsewhere(self, record: ServerRecord) -> bool:
        """Whether it can only be ended from another machine."""

    def clear_up(self, record: ServerRecord) -> None:
        """Remove the files of a launch that is over: its token is no longer any good."""

    def may_retry(self, record: ServerRecord) -> bool:
        """Whether a failed start may work the next time (its port was taken)."""


class HealthCheck(Protocol):
    """Looks at `GET /api/status` of a server."""

    async def ask_health(self, record: ServerRecord, patience: float) -> Health | UnprovedHealth | NoRoute:
        """Why the server was not asked, or how it is. `patience` in seconds, for a server that takes the connection and says nothing."""

    def link(self, record: ServerRecord) -> LinkFacts | None:
        """How this host reaches the server of a job; None for another."""

    async def warm_up(self) -> None:
        """Load what the first look needs, so that it is not late."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LauncherPorts:
    """What the server of one project needs from outside."""

    root: str
    """the project's directory"""
    store: Store
    intent: IntentLock
    backends: Mapping[Mode, Backend]
    check_health: HealthCheck
    limits: Limits
    now: Callable[[], float]
    """epoch seconds"""
    elsewhere: Callable[[], Sequence[str]] = tuple
    """the roots of other projects that have a server"""
