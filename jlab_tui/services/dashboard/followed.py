"""A session whose record is read: from its end back in parts, and on from there as it grows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.feed.session_feed import SessionFeed
from ...core.journal.events import decode
from ...core.journal.window import RecordPlace
from .records import Follower, Records

STEP_BYTES, STEP_MAX = 1 << 18, 1 << 23
_CHUNK = 4 << 20
"""bytes of a journal that are read at a time"""


@dataclass(slots=True)
class Followed:
    """How far a record was read in both directions."""

    session: str
    start: RecordPlace | None
    """where the part begins that was read; None at the record's beginning"""
    readers: list[Follower]
    """of its journals, in the order of their epochs"""
    step: int = STEP_BYTES
    """bytes of the next part before: whoever goes far back goes faster"""

    @classmethod
    def begin(
        cls, session: str, files: Sequence[Path], least: int, records: Records
    ) -> tuple[SessionFeed, Followed]:
        """Read the end of a record. Blocks."""
        window = records.window(files, None, least)
        readers = [records.follow(path, end) for path, end in zip(files, window.ends, strict=True)]
        return SessionFeed.of_window(session, window), cls(session, window.start, readers)

    def part_before(self, records: Records) -> SessionFeed:
        """Read the part before what was read. Blocks."""
        window = records.window([reader.path for reader in self.readers], self.start, self.step)
        self.step = min(2 * self.step, STEP_MAX)
        self.start = window.start if window.start != self.start else None
        return SessionFeed.of_window(self.session, window)

    @property
    def names(self) -> set[str]:
        """Names of its journals, which they keep when they move."""
        return {reader.path.name for reader in self.readers}

    def grow(self, files: Sequence[Path], records: Records) -> None:
        """Follow journals of later owners, too."""
        self.readers += [records.follow(path) for path in files if path.name not in self.names]

    def whole(self, run: str, records: Records) -> SessionFeed:
        """Read all entries of a run, as far as the record was read. Blocks."""
        rebuilt = SessionFeed.keeping_all(self.session)
        mark = json.dumps(run).encode()
        for known in self.readers:
            reader = records.follow(known.path)
            while reader.offset < known.offset:
                lines = reader.lines(min(_CHUNK, known.offset - reader.offset))
                if not lines:
                    break
                for line in lines:
                    if mark in line and getattr((entry := decode(line)).event, "run", "") == run:
                        rebuilt.apply(entry)
        return rebuilt
