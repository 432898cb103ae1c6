"""Reads what users did in the project's dashboards, from their actions files, for the page. Never through a link."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from .live_files import LINE_MAX, opened

KEPT = 200
"""acts of one session that are kept; the oldest go"""
TEXT_MAX = 4000
"""characters of what a user wrote, and of what came of it"""
_QUIET = frozenset(("here", "run", "decline", "cell"))
"""what the page shows in another way: as cells, and how they ended"""
_ACTS = {
    "interrupt": "interrupted the kernel",
    "restart": "restarted the kernel",
    "kill": "killed the session",
    "stop": "stopped the server",
    "cancel": "cancelled the job",
    "hold": "holds the next code",
    "free": "holds it no more",
}


@dataclass(frozen=True)
class Act:
    """Something that a user did, or what came of it."""

    key: str
    """names it on the page, and in each process that reads the files"""
    at: float
    action: str
    id: str
    """of what a session's owner was handed; its journal says when the agent has read it"""
    thing: Tuple[str, str]
    """what it is about: a later act about the same says what came of it"""
    text: str
    is_outcome: bool

    @property
    def is_comment(self) -> bool:
        return self.action == "comment"


class LiveActs:
    """The acts of all dashboards, by session."""

    def __init__(self, directory: str) -> None:
        """`directory`: of the actions files."""
        self._directory = directory
        self._read: Dict[str, int] = {}
        """bytes of each file that were read"""
        self._acts: Dict[str, List[Act]] = {}
        self._gone: Dict[str, int] = {}

    def look(self) -> None:
        """Take in what was written since the last call."""
        found: List[Tuple[str, Act]] = []
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".jsonl") and entry.is_file(follow_symlinks=False):
                    found += self._news(entry)
        for session, act in sorted(found, key=lambda pair: pair[1].at):
            acts = self._acts.setdefault(session, [])
            acts.append(act)
            if len(acts) > KEPT:
                del acts[0]
                self._gone[session] = self._gone.get(session, 0) + 1

    def since(self, session: str, count: int) -> Tuple[List[Act], int]:
        """Return the acts of a session after the first so many, and how many there are by now."""
        acts, gone = self._acts.get(session, []), self._gone.get(session, 0)
        return acts[max(0, count - gone) :], gone + len(acts)

    def _news(self, entry: os.DirEntry[str]) -> List[Tuple[str, Act]]:
        found: List[Tuple[str, Act]] = []
        offset = self._read.get(entry.name, 0)
        with contextlib.suppress(OSError):
            if entry.stat().st_size <= offset:
                return found
            with opened(entry.path) as file:
                file.seek(offset)
                for line in iter(lambda: file.readline(LINE_MAX), b""):
                    if not line.endswith(b"\n") and len(line) < LINE_MAX:
                        break  # torn
                    act = act_of(line, entry.name, offset)
                    found += [act] if act is not None else []
                    offset += len(line)
        self._read[entry.name] = offset
        return found


def act_of(line: bytes, file: str, offset: int) -> Optional[Tuple[str, Act]]:
    """Return the session and the act that a line of an actions file tells of; None if the page shows none."""
    try:
        event = json.loads(line) if b'"k":"human"' in line else {}
        action, ident, session = str(event["action"]), str(event.get("id", "")), str(event["session"])
        if action in _QUIET and ident:
            return None
        who = str(event.get("by") or "someone at a dashboard")
        reason, outcome = str(event.get("reason", ""))[:TEXT_MAX], str(event.get("outcome", ""))[:TEXT_MAX]
        at = float(event["t"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if action == "comment" and ident:
        text = "%s to the agent: %s" % (who, reason)
    else:
        why = " (%s)" % reason if reason and action != "free" else ""
        text = "%s %s%s%s" % (who, _ACTS.get(action, "did: %s" % action), why, ": " + outcome if outcome else "")
    key = "h%s-%d" % (hashlib.sha256(file.encode("utf-8", "replace")).hexdigest()[:8], offset)
    thing = (action, str(event.get("run", "")))
    return session, Act(key, at, action, ident, thing, text[: 2 * TEXT_MAX], bool(outcome))
