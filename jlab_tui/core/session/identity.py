"""Identifies a session to the model, the dashboard and the process that takes it over."""

from __future__ import annotations

from dataclasses import dataclass

from ..journal.events import SessionOpened
from ..server.record import Owner


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """One session: its notebook, its kernel and where that runs."""

    id: str
    name: str
    notebook: str
    """absolute path; empty for a scratch session"""
    kernel_id: str
    hostname: str
    python: str = ""
    cwd: str = ""
    users_kernel: bool = False
    """the user had started the kernel; it is never shut down from here"""

    @classmethod
    def of(cls, opened: SessionOpened, hostname: str = "") -> SessionIdentity:
        """Read the identity from the first line of a journal; `hostname` if the kernel is on another host now."""
        return cls(
            id=opened.session,
            name=opened.name,
            notebook=opened.notebook,
            kernel_id=opened.kernel_id,
            hostname=hostname or opened.hostname,
            python=opened.python,
            cwd=opened.cwd,
            users_kernel=opened.users_kernel,
        )

    def opened(self, owner: Owner, epoch: int, server_started: float) -> SessionOpened:
        """Return the first line of the journal that `owner` writes."""
        return SessionOpened(
            session=self.id,
            name=self.name,
            notebook=self.notebook,
            kernel_id=self.kernel_id,
            hostname=self.hostname,
            server_started=server_started,
            python=self.python,
            cwd=self.cwd,
            users_kernel=self.users_kernel,
            client=owner.client,
            client_host=owner.host,
            client_pid=owner.pid,
            client_started=owner.started,
            conversation=owner.conversation,
            epoch=epoch,
        )
