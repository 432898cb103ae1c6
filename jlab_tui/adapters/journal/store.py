"""All journals of a project: writes them with their bells, reads sessions and users' actions back, clears old ones away."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...core.journal.events import Entry, HumanActed
from ...core.journal.summary import Heads
from ..files import file_server_time, seal
from . import retention
from .actions_files import ActionsFiles, has_ended
from .bell import Bell
from .brief import brief_entries, run_entries
from .journal_file import JournalWriter
from .journal_reader import JournalReader, read_entries
from .places import epoch_of, has_moved, journal_path, journals_of, move_closed, open_entries
from .summaries import JournalHeads, cache_name


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
        self._actions = ActionsFiles(actions_dir)
        self._heads = JournalHeads(sessions_dir.with_name(cache_name(host)))

    def writer(self, session: str, epoch: int) -> JournalWriter:
        """Open a new journal for one owner of a session. It rings the dashboards after each write."""
        files = self.files(session)
        epoch = max(epoch, epoch_of(files[-1]) + 1 if files else 1)
        return self._writer(journal_path(self._sessions_dir, session, epoch), files)

    def successor(self, session: str, files: Sequence[Path]) -> JournalWriter | None:
        """Open the journal that follows the sealed `files`; None if another process was faster."""
        known = [epoch_of(path) for path in files]
        epoch = max(known, default=0) + 1
        path = journal_path(self._sessions_dir, session, epoch)
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return None
        if has_moved(path):
            path.unlink()  # the other one has closed the session already, and so its files have moved
            return None
        for sealed in files:
            with contextlib.suppress(OSError):
                seal(sealed)
        return self._writer(path, files)

    def silence(self, path: Path) -> float:
        """Return the seconds since a journal was written or touched, by the file server's clock. Blocks."""
        try:
            with path.open("rb") as file:  # opening a file makes NFS ask its server
                touched = os.fstat(file.fileno()).st_mtime
        except OSError:
            return math.inf
        now = file_server_time(self._sessions_dir)
        return (time.time() if now is None else now) - touched

    def _writer(self, path: Path, earlier: Sequence[Path]) -> JournalWriter:
        session, on_closed = path.name.partition(".")[0], partial(self._move_closed, [*earlier, path])
        try:
            bell = Bell(self._fifo_dir(), self._host)
        except OSError:
            return JournalWriter(path, on_closed=on_closed)  # no bells here: dashboards poll once a second
        return JournalWriter(
            path,
            lambda end: bell.ring({"session": session, "journal": path.name, "end": end}),
            on_closed=on_closed,
            on_end=bell.close,
        )

    def _move_closed(self, files: Sequence[Path]) -> None:
        with contextlib.suppress(OSError):  # `clear_old` tries again
            move_closed(files)

    def files(self, session: str) -> list[Path]:
        """The journals of a session, in the order of their epochs. Blocks."""
        return journals_of(self._sessions_dir, session)

    def heads(self, within_s: float = math.inf, whenever: Container[str] = ()) -> Heads:
        """Summarise every session that is not closed, as far as they are known or can be read in that time; those of `whenever`
        in any case. Blocks."""
        return self._heads.read(open_entries(self._sessions_dir), within_s, whenever)

    def read(
        self, files: Sequence[Path], since: tuple[Path, int] | None = None
    ) -> Iterator[tuple[Path, int, Entry]]:
        """Yield the entries of a session's journals with their places, from the place `since` on.

        A place names a journal by its path in an open session, wherever the file lies now."""
        first, start = (epoch_of(since[0]), since[1]) if since is not None else (0, 0)
        for file in files:
            if (epoch := epoch_of(file)) >= first:
                for offset, entry in read_entries(file, start if epoch == first else 0):
                    yield self._home(file), offset, entry

    def _home(self, file: Path) -> Path:
        return journal_path(self._sessions_dir, file.name.partition(".")[0], epoch_of(file))

    def read_briefly(self, files: Sequence[Path]) -> Iterator[tuple[Path, int, Entry]]:
        """Yield the same, without most output of runs that have ended. Of journals of 1 MB and more it is not even read."""
        for file in files:
            for offset, entry in brief_entries(file):
                yield self._home(file), offset, entry

    def read_runs(self, path: Path, offset: int, runs: Iterable[str]) -> Iterable[Entry]:
        """Yield the entries that may tell of some runs, from a place on, through later journals of the same session."""
        going, first = set(runs), epoch_of(path)
        for file in self.files(path.name.partition(".")[0]):
            if (epoch := epoch_of(file)) >= first:
                found = run_entries(file, offset if epoch == first else 0, going)
                yield from (entry for _, entry in found)

    def human_actions(self, since: float) -> list[Entry]:
        """Return what users did in dashboards since then, oldest first."""
        found: list[Entry] = []
        for path in self._actions_dir.glob("*.jsonl"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime >= since - 5:
                    entries = JournalReader(path).read()
                    found += [e for e in entries if e.at >= since and isinstance(e.event, HumanActed)]
        return sorted(found, key=lambda entry: entry.at)

    def new_actions(self) -> list[Entry]:
        """Return what users did in dashboards since the last call. Blocks."""
        return self._actions.news()

    def has_ended(self, dashboard: str) -> bool | None:
        """Whether a dashboard has exited; None for one of another host."""
        return has_ended(dashboard)

    def clear_old(
        self,
        keep_days: int,
        now: float | None = None,
        keep_newest: int = retention.KEEP_NEWEST,
        most_bytes: int = 0,
    ) -> Generator[None, Any, None]:
        """Move, compress, set aside and remove old records in small steps (`retention`). Does nothing if the file server's
        time is unknown."""
        now = file_server_time(self._sessions_dir) if now is None else now
        if now is not None:
            places = retention.Places(self._sessions_dir, self._actions_dir)
            yield from retention.steps(places, keep_days, now, self.heads, keep_newest, most_bytes)
