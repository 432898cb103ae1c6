"""The journals and actions files of one project, found on disk for a dashboard. Every method blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.journal.events import Entry, SessionOpened
from ...core.journal.window import ClosedSession, Looked, RecordPlace, Window
from .actions_files import ActionsFiles
from .journal_reader import JournalReader
from .places import CLOSED, JOURNALS, closed_journals, journals_of, open_journals
from .watched_directory import WatchedDirectory
from .windows import first_entry, is_closed, window_before


class DirectoryRecords:
    """Session journals in one directory, dashboards' actions files in another."""

    def __init__(self, sessions_dir: Path, actions_dir: Path) -> None:
        self._sessions_dir = sessions_dir
        self._open = WatchedDirectory(sessions_dir)
        self._closed = WatchedDirectory(sessions_dir / CLOSED)
        self._actions = ActionsFiles(actions_dir)

    def look(self, read: Mapping[Path, int]) -> Looked:
        """Find what is new. `read`: how far each journal was read that may grow."""
        is_same = not self._open.may_differ()
        return Looked(
            None if is_same else open_journals(self._sessions_dir),
            len(self._closed_names()) if self._closed.may_differ() else None,
            frozenset(path for path, offset in read.items() if _has_grown(path, offset)),
            tuple(self._actions.news()),
        )

    def _closed_names(self) -> set[str]:
        return {name.partition(".")[0] for name in self._closed.names() if JOURNALS.fullmatch(name)}

    def files(self, session: str) -> list[Path]:
        """Return the journals of a session in the order of their epochs."""
        return journals_of(self._sessions_dir, session)

    def standing(self, journals: Sequence[Path]) -> list[tuple[float, bool]]:
        """Return of each session's last journal when it changed (epoch seconds), and whether the session is closed."""
        return [(_changed(path), is_closed(path)) for path in journals]

    def window(self, files: Sequence[Path], end: RecordPlace | None, least: int) -> Window:
        """Return a part of a record that ends at `end` (see `windows`)."""
        return window_before(files, end, least)

    def follow(self, path: Path, offset: int = 0) -> JournalReader:
        reader = JournalReader(path)
        reader.offset = offset
        return reader

    def closed(self) -> list[ClosedSession]:
        """Return all closed sessions, the one that changed last first."""
        found = [
            ClosedSession(session, files[-1], _changed(files[-1]))
            for session, files in closed_journals(self._sessions_dir).items()
        ]
        return sorted(found, key=lambda one: one.changed_at, reverse=True)

    def owners(self, sessions: Sequence[ClosedSession]) -> list[SessionOpened | None]:
        """Return how each of these sessions was opened last."""
        entries = [first_entry(one.journal) for one in sessions]
        return [_opened(entry) for entry in entries]


def _opened(entry: Entry | None) -> SessionOpened | None:
    return entry.event if entry is not None and isinstance(entry.event, SessionOpened) else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _has_grown(path: Path, read: int) -> bool:
    try:
        return path.stat().st_size > read
    except OSError:
        return True
