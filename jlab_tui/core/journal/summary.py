"""How a session stands, as the first and the last telling lines of its journals say: for lists of many sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .events import Entry, Event, RunStarted, SessionClosed, SessionOpened

TELLING: Final = (b"opened", b"run", b"finished", b"closed")
"""kinds of the lines that tell how a session stands"""
KIND: Final = re.compile(rb'\{"v":\d+,"t":[-+.0-9e]+,"k":"(\w+)"')
"""the beginning of every line"""


@dataclass(frozen=True, slots=True)
class SessionHead:
    """One session."""

    session: str
    opened: SessionOpened
    """by its last owner"""
    running: str = ""
    """run that has not ended; empty when there is none"""
    is_closed: bool = False
    last_at: float = 0.0
    """epoch seconds of the last telling line"""


Ends = tuple[Entry | None, Entry | None]
"""the first line of a journal, and its last telling one"""


def head_of(session: str, journals: Iterable[Ends]) -> SessionHead | None:
    """`journals`: the newest first. None when they do not say who opened the session."""
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
                break  # an owner that did nothing leaves things as they were before
    if opened is None:
        return None
    running = last_act.run if isinstance(last_act, RunStarted) else ""
    return SessionHead(session, opened, running, isinstance(last_act, SessionClosed), last_at)
