"""What users did in all dashboards of a project, read from their actions files as it is written."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ...core.journal.events import Entry
from .journal_reader import JournalReader
from .watched_directory import WatchedDirectory


class ActionsFiles:
    """The actions files of one directory. Those of dashboards that have ended are read once."""

    def __init__(self, directory: Path) -> None:
        self._directory = WatchedDirectory(directory)
        self._known: set[str] = set()
        self._open: list[JournalReader] = []
        """files that may still grow"""

    def news(self) -> list[Entry]:
        """Return the entries since the last call. Blocks."""
        if self._directory.may_differ():
            for name in sorted(set(self._directory.names()) - self._known):
                if name.endswith(".jsonl"):
                    self._known.add(name)
                    self._open.append(self.follow(self._directory.path / name))
        found: list[Entry] = []
        for reader in list(self._open):
            is_finished = has_ended(reader.path.stem)  # before the read, so that it reads all
            if _size(reader.path) > reader.offset:
                found += reader.read()
            if is_finished:
                self._open.remove(reader)
        return found

    def follow(self, path: Path) -> JournalReader:
        return JournalReader(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def has_ended(dashboard: str) -> bool | None:
    """Whether the dashboard of an actions file with this name has exited; None for another machine's."""
    host, _, pid = dashboard.rpartition("-")
    if host != socket.gethostname() or not pid.isdecimal():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OverflowError:
        return None  # no process id
    except OSError:
        pass  # somebody else's process
    return False
