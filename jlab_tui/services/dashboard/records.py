"""What a dashboard needs of a project's records, as protocols. `wiring` fills them with adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.feed.items import Change
from ...core.journal.events import Entry, SessionOpened
from ...core.journal.window import ClosedSession, Looked, RecordPlace, Window


class Follower(Protocol):
    """Reads one journal from where it stopped."""

    path: Path
    offset: int

    def read(self, limit: int = ...) -> list[Entry]: ...
    def lines(self, limit: int = ...) -> list[bytes]:
        """The same, not decoded."""
        ...


class Records(Protocol):
    """The journals and actions files of this project. Every method blocks."""

    def look(self, read: Mapping[Path, int]) -> Looked:
        """Find what is new. `read`: how far each journal was read that may grow."""
        ...

    def files(self, session: str) -> list[Path]:
        """Return the journals of a session in the order of their epochs."""
        ...

    def standing(self, journals: Sequence[Path]) -> list[tuple[float, bool]]:
        """Return of each session's last journal when it changed (epoch seconds), and whether the session is closed."""
        ...

    def window(self, files: Sequence[Path], end: RecordPlace | None, least: int) -> Window:
        """Return a part of a record of at least so many bytes that ends at `end`; None is the record's end."""
        ...

    def follow(self, path: Path, offset: int = 0) -> Follower: ...

    def closed(self) -> list[ClosedSession]:
        """Return all closed sessions, the one that changed last first."""
        ...

    def owners(self, sessions: Sequence[ClosedSession]) -> list[SessionOpened | None]:
        """Return how each of these sessions was opened last; None where that cannot be read."""
        ...


class NewsBell(Protocol):
    """This dashboard's FIFO."""

    def open(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


OnNews = Callable[[list[dict[str, Any]]], None]
MakeBell = Callable[[OnNews], NewsBell]


class FeedListener(Protocol):
    """Gets the news of all journals."""

    def items_changed(self, changes: Sequence[Change]) -> None: ...

    def record_read(self, session: str) -> None:
        """A part of a session's record was read that its feed lacked; of several sessions when `session` is empty."""
        ...


class Tell(Protocol):
    """Reports trouble about one thing; an empty sentence ends it. `fault` is an unexpected error."""

    def __call__(self, about: str, sentence: str, fault: Exception | None = None) -> None: ...
