"""Summarises a session from the first and the last informative lines of its journals, for lists of many sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .events import Entry, Event, RunHeld, RunStarted, SessionClosed, SessionOpened

TELLING: Final = (b"opened", b"held", b"run", b"finished", b"closed")
"""kinds of the lines that give a session's state"""
KIND: Final = re.compile(rb'\{"v":\d+,"t":[-+.0-9e]+,"k":"(\w+)"')
"""the beginning of every line"""


@dataclass(frozen=True, slots=True)
class SessionHead:
    """One session."""

    session: str
    opened: SessionOpened
    """by its last owner"""
    running: str = ""
    """the run in progress; empty if there is none"""
    is_closed: bool = False
    last_at: float = 0.0
    """epoch seconds of the last informative line"""
    files: tuple[Path, ...] = field(default=(), compare=False)
    """its journals, but for those of a time in which it was closed"""


@dataclass(frozen=True, slots=True)
class Heads:
    """The sessions that are not closed, as far as they could be read."""

    known: tuple[SessionHead, ...] = ()
    """those that changed last come first; some may be closed since"""
    unread: int = 0
    """so many more were not read yet"""


Ends = tuple[Entry | None, Entry | None]
"""the first line of a journal, and its last informative one"""


def head_of(session: str, journals: Iterable[Ends], files: tuple[Path, ...] = ()) -> SessionHead | None:
    """Summarise `journals`, newest first, which are `files`. Returns None when they do not say who opened the session."""
    opened: SessionOpened | None = None
    last_act: Event | None = None
    last_at = 0.0
    for first, last in journals:
        if opened is None and first is not None and isinstance(first.event, SessionOpened):
            opened = first.event
        if last is not None:
            last_at = max(last_at, last.at)
            if not isinstance(last.event, SessionOpened):
                last_act = last.event
                break  # an owner that did nothing leaves the state of its predecessor
    if opened is None:
        return None
    running = last_act.run if isinstance(last_act, RunStarted | RunHeld) else ""
    return SessionHead(session, opened, running, isinstance(last_act, SessionClosed), last_at, files)
