"""Reads both ends of journals, each file only after it changed."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from ...core.journal.events import Entry, SessionClosed, decode
from ...core.journal.summary import KIND, TELLING, Ends, SessionHead, head_of
from .journal_file import DAMAGED

_BLOCK: Final = 1 << 16
_FIRST_LINE_MAX: Final = 1 << 20


@dataclass(slots=True)
class _Known:
    identity: tuple[int, int]
    """size and modification time when it was read"""
    first: Entry | None
    last: Entry | None
    end: int
    """how far the search for `last` got"""


class JournalHeads:
    """Remembers both ends of every journal."""

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._lock = threading.Lock()

    def read(self, files: Mapping[str, Sequence[Path]]) -> list[SessionHead]:
        """Summarise the sessions of these journals, by id; skips those without information. Blocks."""
        with self._lock:
            heads = [
                head_of(session, (self._ends(path) for path in reversed(paths)))
                for session, paths in files.items()
            ]
            present = {path for paths in files.values() for path in paths}
            for path in self._known.keys() - present:
                del self._known[path]
        return [head for head in heads if head is not None]

    def _ends(self, path: Path) -> Ends:
        known = self._known.get(path)
        try:
            info = path.stat()
            identity = info.st_size, info.st_mtime_ns
            if known is None or known.identity != identity:
                before = known if known is not None and known.end <= info.st_size else None
                known = _packed(path) if path.suffix == ".gz" else _plain(path, before, info.st_size)
                known.identity = identity
                self._known[path] = known
        except DAMAGED:
            return None, None
        return known.first, known.last


def _packed(path: Path) -> _Known:
    """Only journals of closed sessions are compressed."""
    with gzip.open(path, "rb") as file:
        first = _first(cast(BinaryIO, file))
    return _Known((0, 0), first, Entry(0.0, SessionClosed("compressed")), 0)


def _plain(path: Path, before: _Known | None, size: int) -> _Known:
    with path.open("rb") as file:
        first = (before.first if before is not None else None) or _first(file)
        last, end = _last_telling(file, before.end if before is not None else 0, size)
    return _Known((0, 0), first, last or (before.last if before is not None else None), end)


def _first(file: BinaryIO) -> Entry | None:
    line = file.readline(_FIRST_LINE_MAX)
    return decode(line) if line.endswith(b"\n") else None


def _last_telling(file: BinaryIO, floor: int, size: int) -> tuple[Entry | None, int]:
    """Find the last informative line between two offsets, from the end, and where the complete lines end."""
    rest, position, block = b"", size, _BLOCK
    end = -1
    while position > floor:
        start = max(floor, position - block)
        file.seek(start)
        data = file.read(position - start) + rest
        if end < 0:  # leave a torn last line for the next time
            whole = data.rfind(b"\n") + 1
            if whole:
                end, data = start + whole, data[: whole - 1]
        if end >= 0:
            partial, *lines = data.split(b"\n")
            for line in reversed(lines if start > floor else [partial, *lines]):
                if (kind := KIND.match(line)) and kind[1] in TELLING:
                    return decode(line), end
            data = partial
        rest, position = data, start
        block = _BLOCK if len(rest) < _BLOCK else 2 * len(rest)  # joining a long line stays linear
    return None, max(end, floor)
