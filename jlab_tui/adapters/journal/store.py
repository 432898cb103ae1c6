"""All journals of a project: writes them with their bells, reads sessions and users' actions back, clears old ones away."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...core.journal.events import Entry, HumanActed
from ...core.journal.summary import SessionHead
from ..files import file_server_time, seal
from . import retention
from .bell import Bell
from .journal_file import JournalReader, JournalWriter, journal_path, journals, read_entries
from .summaries import JournalHeads


class JournalStore:
    """The directories `sessions` and `actions` of a project."""

    def __init__(
        self, sessions_dir: Path, actions_dir: Path, fifo_dir: Callable[[], Path], host: str
    ) -> None:
        """`fifo_dir` makes and returns the directory of the bells; called when the first session opens."""
        self._sessions_dir = sessions_dir
        self._actions_dir = actions_dir
        self._fifo_dir = fifo_dir
        self._host = host
        self._heads = JournalHeads()

    def writer(self, session: str, epoch: int) -> JournalWriter:
        """Open a new journal for one owner of a session. It rings the dashboards after each write."""
        while journal_path(self._sessions_dir, session, epoch).exists():
            epoch += 1
        return self._writer(session, journal_path(self._sessions_dir, session, epoch))

    def successor(self, session: str, files: Sequence[Path]) -> JournalWriter | None:
        """Open the journal that follows the sealed `files`; None if another process was faster."""
        epoch = max((int(path.name.split(".")[1]) for path in files), default=0) + 1
        path = journal_path(self._sessions_dir, session, epoch)
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return None
        for sealed in files:
            with contextlib.suppress(OSError):
                seal(sealed)
        return self._writer(session, path)

    def silence(self, path: Path) -> float:
        """Return the seconds since a journal was written or touched, by the file server's clock. Blocks."""
        try:
            with path.open("rb") as file:  # opening a file makes NFS ask its server
                touched = os.fstat(file.fileno()).st_mtime
        except OSError:
            return math.inf
        now = file_server_time(self._sessions_dir)
        return (time.time() if now is None else now) - touched

    def _writer(self, session: str, path: Path) -> JournalWriter:
        try:
            bell = Bell(self._fifo_dir(), self._host)
        except OSError:
            return JournalWriter(path)  # no bells here: dashboards poll once a second
        return JournalWriter(
            path,
            lambda end: bell.ring({"session": session, "journal": path.name, "end": end}),
            on_end=bell.close,
        )

    def files(self) -> dict[str, list[Path]]:
        return journals(self._sessions_dir)

    def heads(self) -> list[SessionHead]:
        """Summarise every session. Blocks."""
        return self._heads.read(self.files())

    def read(
        self, files: Sequence[Path], since: tuple[Path, int] | None = None
    ) -> Iterator[tuple[Path, int, Entry]]:
        """Yield the entries of some journals with their places, from the place `since` on."""
        first, start = since if since is not None else (None, 0)
        for path in files[files.index(first) if first is not None else 0 :]:
            for offset, entry in read_entries(path, start if path == first else 0):
                yield path, offset, entry

    def read_from(self, path: Path, offset: int) -> Iterable[Entry]:
        """Yield entries from a place on, through later journals of the same session."""
        later = False
        for other in self.files().get(path.name.partition(".")[0], [path]):
            if other == path:
                later = True
                yield from (entry for _, entry in read_entries(other, offset))
            elif later:
                yield from (entry for _, entry in read_entries(other))

    def human_actions(self, since: float) -> list[Entry]:
        """Return what users did in dashboards since then, oldest first."""
        found: list[Entry] = []
        for path in self._actions_dir.glob("*.jsonl"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime >= since - 5:
                    entries = JournalReader(path).read()
                    found += [e for e in entries if e.at >= since and isinstance(e.event, HumanActed)]
        return sorted(found, key=lambda entry: entry.at)

    def clear_old(
        self, keep_days: int, now: float | None = None, keep_newest: int = retention.KEEP_NEWEST
    ) -> None:
        """Compress, set aside and remove old records (`retention`). Does nothing if the file server's time is unknown."""
        now = file_server_time(self._sessions_dir) if now is None else now
        if now is not None:
            retention.clear_old(self._sessions_dir, self._actions_dir, keep_days, now, keep_newest)
