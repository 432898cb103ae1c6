"""Lists a project's sessions from their records, and measures the records. Every method blocks."""

from __future__ import annotations

import socket
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

    def heads(self) -> Heads:
        """Those that are not closed."""
        cache = self.sessions_dir.with_name(cache_name(socket.gethostname()))
        return JournalHeads(cache).read(open_entries(self.sessions_dir))

    def size(self) -> int:
        """Bytes on disk."""
        return bytes_below(self.sessions_dir, self.spool_dir)
