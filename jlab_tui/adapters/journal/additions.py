"""Reads what is appended to a project's journals from now on, and of that only some kinds of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ...core.journal.events import Entry, HumanActed, decode
from ...core.journal.summary import KIND
from .actions_files import ActionsFiles
from .journal_reader import JournalReader, read_ends
from .places import CLOSED, JOURNALS, open_journals

_TEXT: Final = b"text"
_CHUNK: Final = 1 << 20


class Additions:
    """The new lines of the journals of open sessions. Of text, only the last line before another kind, and of each piece that is read."""

    def __init__(self, directory: Path, actions: Path, kinds: Iterable[bytes]) -> None:
        """`actions`: the directory of the dashboards' actions files."""
        self._directory = directory
        self._actions = ActionsFiles(actions)
        self._kinds = frozenset(kinds)
        self._offsets: dict[str, int] = {}
        self._readers: dict[str, JournalReader] = {}
        """of the journals that have grown, by file name"""

    def begin(self) -> None:
        """Pass over what is there now. Blocks."""
        self._offsets = dict(self._sizes())
        self._actions.news()

    def acts(self) -> Iterator[tuple[str, Entry]]:
        """Yield what users have done in dashboards since the last call, with its session, of which the first line comes before.
        Blocks."""
        for entry in self._actions.news():
            if isinstance(entry.event, HumanActed) and (session := entry.event.session):
                journals = open_journals(self._directory).get(session, [])
                yield from ((session, first) for path in journals[-1:] for first in read_ends(path)[0][:1])
                yield session, entry

    def read(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Entry]]:
        """Yield new entries with their session, of the journals with these file names; None: of all. The first line of
        a journal comes before all others. Blocks."""
        if names is not None:
            for name in names:
                if JOURNALS.fullmatch(name):
                    yield from self._read(name)
            return
        sizes = dict(self._sizes())
        for name in self._readers.keys() - sizes.keys():  # closed, and moved away
            yield from self._read(name)
            del self._readers[name]
        for name, size in sizes.items():
            reader = self._readers.get(name)
            if size != (reader.offset if reader is not None else self._offsets.get(name, 0)):
                yield from self._read(name)

    def _read(self, name: str) -> Iterator[tuple[str, Entry]]:
        session = name.partition(".")[0]
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = JournalReader(self._directory / name)
            reader.offset = self._offsets.get(name, 0)
            if reader.offset:
                yield from ((session, first) for first in read_ends(reader.path)[0][:1])
        if not reader.path.exists():
            reader.path = self._directory / CLOSED / name
        yield from ((session, entry) for entry in self._new(reader))

    def _new(self, reader: JournalReader) -> Iterator[Entry]:
        while lines := reader.lines(_CHUNK):
            text = b""
            for line in lines:
                found = KIND.match(line)
                if found is None or found[1] not in self._kinds:
                    continue
                if found[1] == _TEXT:
                    text = line
                    continue
                if text:
                    yield decode(text)
                    text = b""
                yield decode(line)
            if text:
                yield decode(text)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for paths in open_journals(self._directory).values():
            for path in paths:
                try:
                    yield path.name, path.stat().st_size
                except OSError:
                    continue  # just moved
