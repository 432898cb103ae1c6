"""What each open session does, from the end of its journal."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

from .live_cells import ENDED_BADLY
from .live_journal import LINE_MAX, open_sessions, opened, places_of
from .live_surroundings import SessionLine

_TAIL = 64 << 10
_STATES = re.compile(rb'"k":"(?:run|held|finished|closed)"')


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
        self._seen: Dict[str, _Seen] = {}

    def look(self, chosen: str = "") -> List[SessionLine]:
        """Return the open sessions, and the chosen one, by their names."""
        files = open_sessions(self._directory)
        if chosen and chosen not in files:
            closed = places_of(self._directory, chosen)
            files.update({chosen: closed[-1][1]} if closed else {})
        self._seen = {
            session: seen
            for session, path in files.items()
            if (seen := self._read(session, path, self._seen.get(session))) is not None
        }
        return sorted((seen.line for seen in self._seen.values()), key=lambda line: (line.name, line.session))

    def newest(self) -> str:
        """Return the session whose record changed last, of those that `look` saw; empty without one."""
        return max(self._seen, key=lambda session: self._seen[session].changed, default="")

    def _read(self, session: str, path: str, before: Optional[_Seen]) -> Optional[_Seen]:
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
        name, notebook = (
            _names(first) if first else (before.line.name, before.line.notebook) if before else ("", "")
        )
        state = _state(tail) or ("running" if before is None else before.line.state)
        line = SessionLine(session, name or session, notebook, state)
        return _Seen(path, status.st_size, status.st_mtime, line)


def _names(first: bytes) -> Tuple[str, str]:
    event = _parsed(first)
    return str(event.get("name", ""))[:200], os.path.basename(str(event.get("notebook", "")))


def _state(tail: bytes) -> str:
    """Return what the last line about a run or the session says; empty without one."""
    if b"\n" not in tail:
        return ""
    at = max((found.start() for found in _STATES.finditer(tail)), default=-1)
    if at < 0:
        return "idle" if tail.startswith(b'{"v"') and b'"k":"opened"' in tail else ""
    begin, end = tail.rfind(b"\n", 0, at) + 1, tail.find(b"\n", at)
    event = _parsed(tail[begin:end])
    kind, status = event.get("k"), event.get("status")
    if kind == "finished":
        return "bad" if status in ENDED_BADLY else "idle"
    return {"run": "running", "held": "held", "closed": "closed"}.get(str(kind), "")


def _parsed(line: bytes) -> Mapping[str, object]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
