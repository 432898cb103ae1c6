"""The journals and actions files of one project, found on disk."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from ...core.journal.events import Entry, RecordEnds, SessionClosed
from .journal_reader import JournalReader, read_ends
from .places import CLOSED, all_journals


class DirectoryRecords:
    """Session journals in one directory, dashboards' actions files in another."""

    def __init__(self, sessions_dir: Path, actions_dir: Path) -> None:
        self._sessions_dir = sessions_dir
        self._actions_dir = actions_dir

    def journals(self) -> dict[str, list[Path]]:
        return all_journals(self._sessions_dir)

    def actions(self) -> list[Path]:
        try:
            return sorted(path for path in self._actions_dir.iterdir() if path.suffix == ".jsonl")
        except OSError:
            return []

    def is_finished(self, actions: Path) -> bool:
        """Whether the dashboard that wrote this file has exited; always False for another machine's."""
        host, _, pid = actions.stem.rpartition("-")
        if host != socket.gethostname() or not pid.isdecimal():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass  # somebody else's process, or no process id
        return False

    def follow(self, path: Path) -> JournalReader:
        return JournalReader(path)

    def ends(self, paths: Sequence[Path]) -> RecordEnds:
        """Return the first and the last entries of a session's journals. Those of a closed session end with its close."""
        first, last = paths[0], paths[-1]
        head, tail = read_ends(first)
        if last != first:
            tail = read_ends(last)[1]
        try:
            changed_at = last.stat().st_mtime
        except OSError:
            changed_at = 0.0
        if last.parent.name == CLOSED and not any(isinstance(entry.event, SessionClosed) for entry in tail):
            tail.append(Entry(changed_at, SessionClosed("compressed")))
        return RecordEnds(tuple(head), tuple(tail), self.size(last), changed_at, last.suffix == ".gz")

    def size(self, path: Path) -> int:
        """Return the size of a file in bytes; 0 if it is missing."""
        try:
            return path.stat().st_size
        except OSError:
            return 0
