"""Reads the journals of a session from where the last read ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ...core.session.replay import ReplayedSession
from ..ports import Journals


class JournalReplay:
    """The journals of one session, which another process may be writing."""

    def __init__(self, session_id: str, journals: Journals) -> None:
        self.session_id = session_id
        self._journals = journals
        self._replayed = ReplayedSession(session_id)
        self._last: tuple[Path, int] | None = None
        """journal and offset of the last entry applied"""

    async def read_on(self) -> ReplayedSession | None:
        """Read what is new and return the replay; None if there are no journals."""
        return await asyncio.to_thread(self._read_on)

    def _read_on(self) -> ReplayedSession | None:
        files = self._journals.files(self.session_id)
        if not files:
            return None
        if self._last is None:
            entries = self._journals.read_briefly(files)
        else:
            entries = self._journals.read(files, self._last)
        for path, offset, entry in entries:
            if (path, offset) != self._last:
                self._replayed.feed(path, offset, entry)
                self._last = path, offset
        return self._replayed
