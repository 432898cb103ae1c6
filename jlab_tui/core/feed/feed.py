"""All sessions as a person sees them, and the limits on the memory that their images and their text take."""

from __future__ import annotations

from collections.abc import Sequence

from ..journal.events import DataShown, DataUpdated, Entry, HumanActed, RunFinished
from .held import Held
from .items import Change, FeedCell, ImageOutput, Output
from .session_feed import SessionFeed

IMAGES_KEPT_BYTES = 64 << 20
"""base64 of images kept in memory over all sessions; older ones stay in the notebook"""
TEXT_KEPT_BYTES = 48 << 20
"""text of ended runs kept in memory over all sessions; of those read longest ago only `TEXT_ENDS_BYTES` stay, the record has all"""
TEXT_ENDS_BYTES = 4 << 10


class Feed:
    """All sessions, and the limits on the memory that their images and text take."""

    def __init__(
        self, images_kept_bytes: int = IMAGES_KEPT_BYTES, text_kept_bytes: int = TEXT_KEPT_BYTES
    ) -> None:
        self.sessions: dict[str, SessionFeed] = {}
        self._images: Held[ImageOutput] = Held(images_kept_bytes)
        self._texts: Held[FeedCell] = Held(text_kept_bytes)
        """ended cells with much text, in the order in which they were read"""

    def apply(self, session: str, entry: Entry) -> Change:
        view = self.sessions.get(session)
        if view is None:
            view = self.sessions[session] = SessionFeed(session)
        change = view.apply(entry)
        if isinstance(change.item, FeedCell):
            if isinstance(entry.event, DataShown | DataUpdated):
                is_last = isinstance(entry.event, DataShown)
                self._account(change.item.outputs[-1:] if is_last else change.item.outputs)
            elif isinstance(entry.event, RunFinished):
                self._account_text(change.item)
        return change

    def take(self, part: SessionFeed) -> None:
        """Take in the newest part of a session's record, or the part before those that it has."""
        for item in part.items:
            if isinstance(item, FeedCell):
                self._account(item.outputs)
                if not item.is_running:
                    self._account_text(item)
        view = self.sessions.setdefault(part.session, part)
        if view is not part:
            view.put_before(part)

    def apply_action(self, entry: Entry) -> Change | None:
        """Apply a line of a dashboard's actions file; lines about unknown sessions change nothing."""
        event = entry.event
        if not isinstance(event, HumanActed) or event.session not in self.sessions:
            return None
        return self.sessions[event.session].apply(entry)

    def take_whole(self, cell: FeedCell, rebuilt: SessionFeed) -> bool:
        """Give a cell all its outputs again. Returns False when the record lacks them."""
        view = self.sessions.get(cell.session)
        if view is None or not view.take_whole(cell, rebuilt):
            return False
        self._account(cell.outputs)
        return True

    def forget_closed(self, keep: int, shown: str | None) -> list[SessionFeed]:
        """Let go of closed sessions, but for the `keep` that changed last and the one that is shown. Their records have all
        of them. Returns those that went."""
        closed = [view for view in self.sessions.values() if view.closed and view.session != shown]
        closed.sort(key=lambda view: view.changed_at)
        gone = closed[: max(0, len(closed) - keep)]
        for view in gone:
            del self.sessions[view.session]
        return gone

    @property
    def held(self) -> tuple[int, int]:
        """How many images and how many cells with much text memory holds."""
        return len(self._images), len(self._texts)

    def _account(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, ImageOutput) and not output.is_counted:
                output.is_counted = True
                self._images.add(output, len(output.data))
        for oldest in self._images.excess():
            oldest.data = ""

    def _account_text(self, cell: FeedCell) -> None:
        if (size := cell.text_bytes) > 2 * TEXT_ENDS_BYTES:
            self._texts.add(cell, size)
        for oldest in self._texts.excess():
            oldest.drop_middle(TEXT_ENDS_BYTES)
            oldest.version += 1
