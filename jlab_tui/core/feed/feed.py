"""All sessions as a person sees them, and the limit on the memory that their images take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..journal.events import DataShown, DataUpdated, Entry, HumanActed
from .items import Change, FeedCell, ImageOutput, Output
from .session_feed import SessionFeed

IMAGES_KEPT_BYTES = 64 << 20
"""base64 of images kept in memory over all sessions; older ones stay in the notebook"""


class Feed:
    """All sessions, and the limit on the memory that their images take."""

    def __init__(self, images_kept_bytes: int = IMAGES_KEPT_BYTES) -> None:
        self._images_kept_bytes = images_kept_bytes
        self.sessions: dict[str, SessionFeed] = {}
        self._images: deque[ImageOutput] = deque()
        self._image_bytes = 0

    def apply(self, session: str, entry: Entry) -> Change:
        view = self.sessions.get(session)
        if view is None:
            view = self.sessions[session] = SessionFeed(session)
        change = view.apply(entry)
        if isinstance(entry.event, DataShown | DataUpdated) and isinstance(change.item, FeedCell):
            is_last = isinstance(entry.event, DataShown)
            self._account(change.item.outputs[-1:] if is_last else change.item.outputs)
        return change

    def apply_action(self, entry: Entry) -> Change | None:
        """Apply a line of a dashboard's actions file; lines about unknown sessions change nothing."""
        event = entry.event
        if not isinstance(event, HumanActed) or event.session not in self.sessions:
            return None
        return self.sessions[event.session].apply(entry)

    def _account(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, ImageOutput) and not output.is_counted:
                output.is_counted = True
                self._images.append(output)
                self._image_bytes += len(output.data)
        while self._image_bytes > self._images_kept_bytes and len(self._images) > 1:
            oldest = self._images.popleft()
            self._image_bytes -= len(oldest.data)
            oldest.data = ""
