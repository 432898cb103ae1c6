"""Lists a project's sessions from their records, and measures the records. Every method blocks."""

from __future__ import annotations

import socket
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from ...core.journal.summary import Heads
from ..files import bytes_below
from .places import open_entries
from .summaries import JournalHeads, cache_name


@dataclass(frozen=True, slots=True)
class SessionRecords:
    """The records of one project."""

    sessions_dir: Path
    spool_dir: Path

    def heads(self, within_s: float) -> Heads:
        """Those that are not closed, as far as they are known after so many seconds."""
        cache = self.sessions_dir.with_name(cache_name(socket.gethostname()))
        return JournalHeads(cache).read(open_entries(self.sessions_dir), within_s)

    def heads_of(self, sessions: Container[str]) -> Heads:
        """The same of some sessions, which costs no more where there are many others."""
        return JournalHeads().read(open_entries(self.sessions_dir, sessions))

    def size(self, within_s: float) -> tuple[int, bool]:
        """Bytes on disk that could be counted in that time, and whether they are all."""
        return bytes_below(self.sessions_dir, self.spool_dir, within_s=within_s)
