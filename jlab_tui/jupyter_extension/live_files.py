"""Finds and opens the files that the page shows: sessions' journals, and small ones beside them. Never through a symbolic link.

`adapters/journal/places.py` says where journals lie. Each look opens the file: only that makes NFS ask the server what is new.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import BinaryIO, Dict, List, Tuple

NAME = re.compile(r"([A-Za-z0-9_-]{1,200})\.([0-9]{1,9})\.jsonl\Z")
LINE_MAX = 64 << 20
SMALL_MAX = 64 << 10
CLOSED = "closed"


def places_of(directory: str, session: str) -> List[Tuple[int, str]]:
    """Return the epochs and files of a session, wherever they lie, in their order."""
    found: Dict[int, str] = {}
    for folder in (os.path.join(directory, CLOSED), directory):
        for name in _listed(folder):
            named = NAME.match(name)
            if named is not None and named[1] == session:
                found[int(named[2])] = os.path.join(folder, name)
    return sorted(found.items())


def open_sessions(directory: str) -> Dict[str, str]:
    """Return the newest file of each session that is not closed."""
    newest: Dict[str, Tuple[int, str]] = {}
    for name in _listed(directory):
        named = NAME.match(name)
        if named is not None:
            found = (int(named[2]), os.path.join(directory, name))
            newest[named[1]] = max(newest.get(named[1], found), found)
    return {session: path for session, (_, path) in newest.items()}


class ClosedSessions:
    """The last closed sessions whose records are not compressed. Lists them again when that folder has changed."""

    def __init__(self, directory: str) -> None:
        self._folder = os.path.join(directory, CLOSED)
        self._changed = -1
        self._written: Dict[str, float] = {}
        """when each file was written, which does not change any more"""

    def last(self) -> Dict[str, str]:
        """Return the newest file of each, the session that closed last first."""
        with contextlib.suppress(OSError):
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._changed:
                with os.scandir(self._folder) as entries:
                    self._written = {
                        entry.name: self._written.get(entry.name) or entry.stat(follow_symlinks=False).st_mtime
                        for entry in entries
                        if NAME.match(entry.name)
                    }
                self._changed = changed
        newest: Dict[str, Tuple[int, float, str]] = {}
        for name, written in self._written.items():
            session, epoch = name.split(".")[:2]
            one = int(epoch), written, os.path.join(self._folder, name)
            newest[session] = max(one, newest.get(session, one))
        last = sorted(newest.items(), key=lambda one: one[1][1], reverse=True)
        return {session: path for session, (_, _, path) in last}


def _listed(directory: str) -> List[str]:
    try:
        return os.listdir(directory) if os.path.isabs(directory) else []
    except OSError:
        return []


def opened(path: str) -> BinaryIO:
    """Open a journal, but never through a symbolic link. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def text_of(path: str) -> str:
    """Return a small file's text, but not through a link; empty if there is none."""
    with contextlib.suppress(OSError), opened(path) as file:
        return file.read(SMALL_MAX).decode("utf-8", "replace")
    return ""
