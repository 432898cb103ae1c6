"""Reads both ends of journals, each file only after it changed, and within a time that the caller gives.

What is known is kept for the next process, in one file a host that may be removed, torn or of another version at any time.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import threading
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from ...core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    decode,
)
from ...core.journal.summary import KIND, TELLING, Heads, SessionHead, head_of
from ..files import write_atomic
from .journal_reader import DAMAGED

Listed = Path | os.DirEntry[str]
_BLOCK: Final = 1 << 16
_FIRST_LINE_MAX: Final = 1 << 20
_VERSION: Final = 1
_SAVE_AFTER: Final = 20
"""files that came or went, after which the cache is written"""


def cache_name(host: str) -> str:
    return f"heads-{host}.json"


@dataclass(slots=True)
class _Known:
    identity: tuple[int, int]
    """size and modification time when it was read"""
    first: Entry | None
    last: Entry | None
    end: int
    """how far the search for `last` got"""

    @property
    def at(self) -> float:
        return self.last.at if self.last is not None else 0.0


class JournalHeads:
    """Remembers both ends of every journal."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, _Known] | None = None
        """by the name of the file"""
        self._unsaved = 0
        """files that the cache lacks, or has in vain"""
        self._made: dict[str, tuple[list[_Known | None], SessionHead | None]] = {}
        """what was made of the same files the last time, by session"""
        self._lock = threading.Lock()

    def read(
        self,
        files: Mapping[str, Sequence[Listed]],
        within_s: float = math.inf,
        whenever: Container[str] = (),
    ) -> Heads:
        """Summarise the sessions of these journals, the newest first; skips those without information. Blocks.

        After `within_s` seconds of looking it goes by what is known: sessions that were never read are counted then, but for
        those of `whenever`, which are read however long it takes."""
        until = time.monotonic() + within_s
        known = self._known_of({one.name for listed in files.values() for one in listed})
        made: dict[str, tuple[list[_Known | None], SessionHead | None]] = {}
        found: list[SessionHead] = []
        unread = 0
        # First what is new, then what changed last.
        for session in sorted(files, key=lambda session: -_newest(known, files[session])):
            listed = files[session]
            if time.monotonic() < until or session in whenever:
                read = [self._looked_at(one, known.get(one.name)) for one in listed]
            elif all(one.name in known for one in listed):
                read = [known[one.name] for one in listed]
            else:
                unread += 1
                continue
            before = self._made.get(session)
            if before is None or not _are_same(before[0], read):
                ends = [(one.first, one.last) if one is not None else (None, None) for one in reversed(read)]
                before = read, head_of(session, ends, tuple(map(Path, listed)))
            made[session] = before
            if before[1] is not None:
                found.append(before[1])
        self._made = made
        self._save_much()
        return Heads(tuple(sorted(found, key=lambda head: (-head.last_at, head.session))), unread)

    def _known_of(self, names: set[str]) -> dict[str, _Known]:
        """What is known of these files; others are forgotten."""
        with self._lock:
            known = _loaded(self._cache) if self._known is None else self._known
            self._known = {name: known[name] for name in names & known.keys()}
            self._unsaved += len(known) - len(self._known)
            return dict(self._known)

    def _looked_at(self, listed: Listed, known: _Known | None) -> _Known | None:
        """What is in a file now; None if it cannot be read."""
        try:
            info = listed.stat()
            identity = info.st_size, info.st_mtime_ns
            if known is None or known.identity != identity:
                is_fresh = known is None
                before = known if known is not None and known.end <= info.st_size else None
                path = Path(listed)
                known = _packed(path) if path.suffix == ".gz" else _plain(path, before, info.st_size)
                known.identity = identity
                self._learn(path.name, known, is_fresh=is_fresh)
        except DAMAGED:
            return None
        return known

    def _learn(self, name: str, known: _Known, *, is_fresh: bool) -> None:
        with self._lock:
            self._known = self._known if self._known is not None else {}
            self._known[name] = known
            self._unsaved += is_fresh

    def _save_much(self) -> None:
        """Write the cache if it lacks much."""
        with self._lock:
            if self._cache is None or self._unsaved < _SAVE_AFTER:
                return
            self._unsaved = 0
            rows = [_row(name, known) for name, known in (self._known or {}).items()]
        with contextlib.suppress(OSError):  # it only saves time
            write_atomic(self._cache, json.dumps({"version": _VERSION, "rows": rows}))


def _newest(known: Mapping[str, _Known], listed: Sequence[Listed]) -> float:
    return max(known[one.name].at if one.name in known else math.inf for one in listed)


def _are_same(before: Sequence[_Known | None], now: Sequence[_Known | None]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


def _loaded(cache: Path | None) -> dict[str, _Known]:
    try:
        raw = json.loads(cache.read_bytes()) if cache is not None else {}
        return dict(map(_from_row, raw["rows"])) if raw.get("version") == _VERSION else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _row(name: str, known: _Known) -> list[Any]:
    first = known.first.event if known.first is not None else None
    opened = asdict(first) if isinstance(first, SessionOpened) else None
    last = known.last.event if known.last is not None else None
    return [name, *known.identity, known.end, opened, type(last).__name__, getattr(last, "run", ""), known.at]


def _from_row(row: list[Any]) -> tuple[str, _Known]:
    name, size, changed, end, opened, kind, run, at = row
    first = SessionOpened(**opened) if opened is not None else None
    last: dict[str, Event | None] = {
        "SessionOpened": first,
        "RunStarted": RunStarted(run, "", "", ""),
        "RunFinished": RunFinished(run, RunStatus.OK, 0.0),
        "SessionClosed": SessionClosed(""),
        "NoneType": None,
    }
    return name, _Known((size, changed), _entry(0.0, first), _entry(at, last[kind]), end)


def _entry(at: float, event: Event | None) -> Entry | None:
    return Entry(at, event) if event is not None else None


def _packed(path: Path) -> _Known:
    """Only journals of closed sessions are compressed."""
    with gzip.open(path, "rb") as file:
        first = _first(cast(BinaryIO, file))
    return _Known((0, 0), first, Entry(0.0, SessionClosed("compressed")), 0)


def _plain(path: Path, before: _Known | None, size: int) -> _Known:
    with path.open("rb") as file:
        first = (before.first if before is not None else None) or _first(file)
        last, end = _last_telling(file, before.end if before is not None else 0, size)
    return _Known((0, 0), first, _bare(last) or (before.last if before is not None else None), end)


def _bare(last: Entry | None) -> Entry | None:
    """What a list needs of it: not the code."""
    if last is not None and isinstance(last.event, RunStarted):
        return Entry(last.at, RunStarted(last.event.run, "", "", ""))
    return last


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
