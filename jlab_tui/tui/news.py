"""Changes of the source as Textual messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.message import Message

from ..core.feed.items import Change


class ItemsChanged(Message):
    """Cells or notes are new or different."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__()
        self.changes = changes


class RecordRead(Message):
    """The source has read a part of a session's record; of several sessions when `session` is empty."""

    def __init__(self, session: str) -> None:
        super().__init__()
        self.session = session


class ServerChanged(Message):
    """The server has another status."""


class ResourcesChanged(Message):
    """There are new samples."""


class FeedReplaced(Message):
    """The source has another feed."""


class Trouble(Message):
    """Reading or measuring failed."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence


class PostedNews:
    """The listener of a source: posts each change as a message."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post

    def items_changed(self, changes: Sequence[Change]) -> None:
        self._post(ItemsChanged(changes))

    def record_read(self, session: str) -> None:
        self._post(RecordRead(session))

    def server_changed(self) -> None:
        self._post(ServerChanged())

    def resources_changed(self) -> None:
        self._post(ResourcesChanged())

    def feed_replaced(self) -> None:
        self._post(FeedReplaced())

    def trouble(self, sentence: str) -> None:
        self._post(Trouble(sentence))
