"""A part of a session's record, as it is read from the end: places in the journals, and the entries between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .events import Entry


@dataclass(frozen=True, slots=True, order=True)
class RecordPlace:
    """A line's beginning in a record of several journals."""

    epoch: int
    """of the journal"""
    offset: int
    """bytes before it in that journal, uncompressed"""


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive entries of a record."""

    entries: tuple[Entry, ...]
    start: RecordPlace | None
    """where it begins; None at the beginning of the record"""
    ends: tuple[int, ...] = ()
    """how far each of the record's journals is read with it, to the end of a complete line"""
    unread: int = 0
    """bytes of the record before it"""
    owner: Entry | None = None
    """how the journal in which it begins was opened; None at the beginning of the record"""
    first: Entry | None = None
    """the record's first line"""


@dataclass(frozen=True, slots=True)
class ClosedSession:
    """A session whose record is complete."""

    session: str
    journal: Path
    """its last one"""
    changed_at: float
    """epoch seconds"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a project's records found."""

    open: Mapping[str, Sequence[Path]] | None
    """paths of the journals of each session that is not closed, in the order of their epochs; None if they are the same as before"""
    closed: int | None
    """number of closed sessions; None if it is the same as before"""
    grown: frozenset[Path]
    """which of the journals asked about are longer than what was read of them, or lie elsewhere now"""
    acts: tuple[Entry, ...]
    """what users did in dashboards since the last look"""
