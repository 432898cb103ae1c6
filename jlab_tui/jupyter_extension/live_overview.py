"""What each open session does, and how the last closed ones ended, from the ends of their journals."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from .live_cells import ENDED_BADLY
from .live_files import LINE_MAX, ClosedSessions, open_sessions, opened, places_of
from .live_surroundings import SessionLine

CLOSED_MAX = 20
"""closed sessions that are listed, the last ones"""
_TAIL = 64 << 10
_STATES = re.compile(rb'^\{"v":\d+,"t":[-+.0-9e]+,"k":"(?:run|held|finished|closed)"', re.MULTILINE)


@dataclass
class _Seen:
    path: str
    size: int
    changed: float
    line: SessionLine


class LiveOverview:
    """The sessions of one directory; reads a journal's end again when it has grown."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._closed = ClosedSessions(directory)
        self._seen: Dict[str, _Seen] = {}
        self._open: FrozenSet[str] = frozenset()

    def look(self, chosen: str = "") -> List[SessionLine]:
        """Return the open sessions by their names, then the last closed ones, and the chosen one."""
        files = open_sessions(self._directory)
        self._open = frozenset(files)
        past = {session: path for session, path in self._closed.last().items() if session not in files}
        wanted = [*files.items(), *[one for n, one in enumerate(past.items()) if n < CLOSED_MAX or one[0] == chosen]]
        self._seen = {
            session: seen
            for session, path in wanted
            if (seen := self._read(session, path, self._seen.get(session))) is not None
        }
        return [seen.line for seen in self._seen.values()]

    def newest(self) -> str:
        """Return the open session whose record changed last, of those that `look` saw; empty without one."""
        seen = [session for session in self._seen if session in self._open]
        return max(seen, key=lambda session: self._seen[session].changed, default="")

    def _read(self, session: str, path: str, before: Optional[_Seen]) -> Optional[_Seen]:
        is_past = session not in self._open
        if is_past and before is not None and before.path == path:
            return before
        try:
            with opened(path) as file:
                status = os.fstat(file.fileno())
                if before is not None and (before.path, before.size) == (path, status.st_size):
                    return before
                first = file.readline(LINE_MAX) if before is None or before.path != path else b""
                file.seek(max(0, status.st_size - _TAIL))
                tail = file.read(_TAIL)
        except OSError:
            return None
        line = before.line if before is not None else SessionLine(session, session, "", "running")
        line = _named(line, _parsed(first)) if first else line
        state, cause = self._state_of(session, path, tail)
        line = replace(line, state=state or line.state, cause=cause)
        return _Seen(path, status.st_size, status.st_mtime, replace(line, state="closed") if is_past else line)

    def _state_of(self, session: str, path: str, tail: bytes) -> Tuple[str, str]:
        """Return what the record says last; an owner that has run nothing leaves the state of its predecessor."""
        found = _state(tail)
        if found[0] or not (tail.startswith(b'{"v"') and b'"k":"opened"' in tail):
            return found
        earlier = [one for _, one in places_of(self._directory, session)]
        for one in reversed(earlier[: earlier.index(path)] if path in earlier else []):
            state, _ = _state(_end_of(one))
            if state:
                return ("idle" if state == "closed" else state), ""
        return "idle", ""


def _end_of(path: str) -> bytes:
    try:
        with opened(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL)
    except OSError:
        return b""


def _named(line: SessionLine, event: Mapping[str, object]) -> SessionLine:
    at = event.get("t")
    return replace(
        line,
        name=str(event.get("name") or line.session)[:200],
        notebook=os.path.basename(str(event.get("notebook", ""))),
        opened_at=float(at) if isinstance(at, (int, float)) else 0.0,
    )


def _state(tail: bytes) -> Tuple[str, str]:
    """Return what the last line about a run or the session says, and why it was closed; empty without one."""
    if b"\n" not in tail:
        return "", ""
    at = max((found.start() for found in _STATES.finditer(tail)), default=-1)
    if at < 0:
        return "", ""
    event = _parsed(tail[at : tail.find(b"\n", at)])
    kind, status = event.get("k"), event.get("status")
    if kind == "finished":
        return ("bad" if status in ENDED_BADLY else "idle"), ""
    state = {"run": "running", "held": "held", "closed": "closed"}.get(str(kind), "")
    return state, str(event.get("reason", ""))[:500] if state == "closed" else ""


def _parsed(line: bytes) -> Mapping[str, object]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
