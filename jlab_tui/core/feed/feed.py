"""All sessions as a person sees them, and the bound on what their pictures may take in memory."""

from __future__ import annotations

from collections import deque

from ..journal.events import DataShown, DataUpdated, Entry, HumanActed
from .items import Cell, Change, PictureOutput
from .session_feed import SessionFeed

PICTURES_KEPT_BYTES = 64 << 20
"""base64 of pictures kept in memory over all sessions; older ones stay in the notebook"""


class Feed:
    """All sessions, and the bound on what their pictures may take in memory."""

    def __init__(self, pictures_kept_bytes: int = PICTURES_KEPT_BYTES) -> None:
        self._pictures_kept_bytes = pictures_kept_bytes
        self.sessions: dict[str, SessionFeed] = {}
        self._pictures: deque[PictureOutput] = deque()
        self._picture_bytes = 0

    def apply(self, session: str, entry: Entry) -> Change:
        view = self.sessions.get(session)
        if view is None:
            view = self.sessions[session] = SessionFeed(session)
        change = view.apply(entry)
        if isinstance(entry.event, DataShown | DataUpdated) and isinstance(change.item, Cell):
            self._account(change.item)
        return change

    def apply_action(self, entry: Entry) -> Change | None:
        """Fold in a line of a dashboard's actions file; lines about no known session change nothing."""
        event = entry.event
        if not isinstance(event, HumanActed) or event.session not in self.sessions:
            return None
        return self.sessions[event.session].apply(entry)

    def _account(self, cell: Cell) -> None:
        for output in reversed(cell.outputs):
            if isinstance(output, PictureOutput) and output.data:
                self._pictures.append(output)
                self._picture_bytes += len(output.data)
                break
        while self._picture_bytes > self._pictures_kept_bytes and len(self._pictures) > 1:
            oldest = self._pictures.popleft()
            self._picture_bytes -= len(oldest.data)
            oldest.data = ""
