"""Reads long journals without most of their output, by the places that they name themselves (`landmarks`).

A place is believed only if a whole line begins there. A journal that names none, or a wrong one, is read line by line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ...core.journal.events import UNREADABLE, Entry, Landmarks, RunFinished, RunStarted, Unknown, decode
from .journal_reader import DAMAGED, LINE_MAX, read_entries
from .places import is_packed, open_journal

_NAMING: Final = b'"k":"marks"'
_BEGINNING: Final = 200
"""bytes of a line that hold its kind"""
_BLOCK: Final = 1 << 20
_SEARCHED: Final = 32 << 20
"""bytes at the end of a journal in which a line that names places is looked for"""

Placed = tuple[int, Entry]
"""an entry with the offset of its line"""


@dataclass(frozen=True, slots=True)
class _Places:
    """What a journal says of its lines."""

    lines: tuple[int, ...]
    late: tuple[int, ...]
    end: int
    """where the part begins of which nothing is said"""


def brief_entries(path: Path) -> Iterator[Placed]:
    """Yield the entries of a journal with their offsets, without most output of runs that ended in it."""
    try:
        with open_journal(path) as file:
            places = _places(file)
            known = _at(file, places.lines) if places is not None else None
    except DAMAGED:
        return
    if places is None or known is None:
        yield from read_entries(path)
        return
    known += read_entries(path, places.end)
    going: dict[str, int] = {}
    for offset, entry in known:
        match entry.event:
            case RunStarted(run=run):
                going[run] = offset
            case RunFinished(run=run):
                going.pop(run, None)
            case _:
                pass
    whole_from = min([*going.values(), places.end])
    yield from (placed for placed in known if placed[0] < whole_from or whole_from == places.end)
    if whole_from < places.end:
        yield from read_entries(path, whole_from)


def run_entries(path: Path, offset: int, going: set[str]) -> Iterator[Placed]:
    """Yield the entries of a journal that may tell of some runs, from `offset` on. Takes runs that end off `going`."""
    last = offset - 1
    if going:
        for last, entry in read_entries(path, offset):
            yield last, entry
            if isinstance(entry.event, RunFinished):
                going.discard(entry.event.run)
            if not going:
                break
        else:
            return
    try:
        with open_journal(path) as file:
            places = _places(file)
            late = _at(file, [at for at in places.late if at > last]) if places is not None else None
    except DAMAGED:
        return
    rest_from = max(last, offset)
    if places is not None and late is not None and places.end > last:
        yield from late
        rest_from = places.end
    yield from (placed for placed in read_entries(path, rest_from) if placed[0] != last)


def _places(file: IO[bytes]) -> _Places | None:
    """What a journal says of its lines; None if that is nothing, or cannot be right."""
    if is_packed(file):
        return None
    found = _last_naming(file)
    lines: list[int] = []
    late: list[int] = []
    end, upper = 0, -1
    while found is not None:
        offset, after, marks = found
        end = end or after
        named = [*marks.lines, offset]
        if sorted(set(named)) != named or (upper >= 0 and offset >= upper) or marks.before >= min(named):
            return None
        upper = named[0]
        lines[:0] = named
        late[:0] = marks.late
        if marks.before < 0:
            return _Places(tuple(lines), tuple(late), end)
        found = _naming_at(file, marks.before)
    return None


def _last_naming(file: IO[bytes]) -> tuple[int, int, Landmarks] | None:
    size = os.fstat(file.fileno()).st_size
    end = size
    while end > 0 and size - end < _SEARCHED:
        start = max(0, end - _BLOCK)
        file.seek(start)
        block = file.read(end - start + len(_NAMING) - 1)
        position = len(block)
        while (position := block.rfind(_NAMING, 0, position)) >= 0:
            begin = max(0, start + position - _BEGINNING)
            file.seek(begin)
            line = begin + file.read(start + position - begin).rfind(b"\n") + 1
            if (found := _naming_at(file, line)) is not None:
                return found
        end = start
    return None


def _naming_at(file: IO[bytes], offset: int) -> tuple[int, int, Landmarks] | None:
    """The line that names places at an offset, with its end."""
    for entry in _at(file, [offset]) or ():
        if isinstance(entry[1].event, Landmarks):
            return offset, file.tell(), entry[1].event
    return None


def _at(file: IO[bytes], offsets: Iterable[int]) -> list[Placed] | None:
    """The entries at these places; None unless each is one."""
    found: list[Placed] = []
    for offset in offsets:
        file.seek(max(0, offset - 1))
        if offset < 0 or (offset and file.read(1) != b"\n"):
            return None
        line = file.readline(LINE_MAX)
        entry = decode(line[:-1])
        if not line.endswith(b"\n") or (isinstance(entry.event, Unknown) and entry.event.kind == UNREADABLE):
            return None
        found.append((offset, entry))
    return found
