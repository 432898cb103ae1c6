"""Reads the record of a session from its end, a part at a time, so that a long one costs no more than what is shown of it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from ...core.journal.events import Entry, decode
from ...core.journal.window import RecordPlace, Window
from .journal_reader import DAMAGED, LINE_MAX
from .places import epoch_of, is_packed, open_journal

WINDOW_BYTES: Final = 1 << 20
WINDOW_MAX: Final = 8 << 20
"""bytes after which a part may begin in the middle of a run"""
_FIRST_LINE_MAX: Final = 1 << 20
_ITEM: Final = re.compile(rb'^\{"v":\d+,"t":[-+.0-9e]+,"k":"(?:run|edit|opened)"', re.MULTILINE)
"""a line with which something begins that a person sees"""


def window_before(files: Sequence[Path], end: RecordPlace | None, least: int = WINDOW_BYTES) -> Window:
    """Return at least `least` bytes of a record before `end` (None: up to its end), from where a run begins, if that is near.

    `files` are its journals in the order of their epochs.
    """
    number = next((n for n, path in enumerate(files) if end and epoch_of(path) == end.epoch), len(files) - 1)
    ends = [size_of(path) for path in files]
    if end is not None:
        ends[number] = end.offset
    parts: list[bytes] = []
    while True:
        start, ends[number], data = _before(files[number], ends[number], least - sum(map(len, parts)))
        parts.insert(0, data)
        if start or not number or sum(map(len, parts)) >= least:
            break
        number -= 1
    if start:
        begin: RecordPlace | None = RecordPlace(epoch_of(files[number]), start)
    else:  # all of this journal, so the next part is the end of the one before
        number -= 1
        begin = RecordPlace(epoch_of(files[number]), ends[number]) if number >= 0 else None
    return Window(
        tuple(decode(line) for line in b"".join(parts).split(b"\n") if line),
        begin,
        tuple(ends),
        sum(ends[:number]) + begin.offset if begin is not None else 0,
        first_entry(files[number]) if begin is not None else None,
        first_entry(files[0]),
    )


def size_of(path: Path) -> int:
    """Return the bytes of a journal, uncompressed; 0 if it is missing."""
    try:
        with open_journal(path) as file:
            return _size(file)
    except DAMAGED:
        return 0


def _size(file: BinaryIO) -> int:
    size = os.fstat(file.fileno()).st_size
    # gzip keeps the size in the last four bytes; journals are smaller than 4 GB
    return int.from_bytes(os.pread(file.fileno(), 4, size - 4), "little") if is_packed(file) else size


def is_closed(path: Path) -> bool:
    """Whether a journal ends with the close of its session."""
    try:
        with open_journal(path) as file:
            if is_packed(file):
                return True  # no other is compressed
            file.seek(max(0, _size(file) - 4096))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except DAMAGED:
        return False
    return b'"k":"closed"' in last[:80]


def first_entry(path: Path) -> Entry | None:
    """Return the first entry of a journal, which says who opened the session."""
    try:
        with open_journal(path) as file:
            line = file.readline(_FIRST_LINE_MAX)
    except DAMAGED:
        return None
    return decode(line) if line.endswith(b"\n") else None


def _before(path: Path, stop: int, least: int) -> tuple[int, int, bytes]:
    """Return where a part of one journal begins and ends, and its lines. Nothing of one that is damaged."""
    try:
        with open_journal(path) as file:
            # Going back in a compressed one reads all of it again.
            length = WINDOW_MAX if is_packed(file) else max(least, 1 << 12)
            while True:
                start = max(0, stop - length)
                file.seek(start)
                data = file.read(stop - start)
                end = data.rfind(b"\n") + 1
                begin = _beginning(data, end, start, any_line=length >= WINDOW_MAX)
                if begin >= 0:
                    return start + begin, start + end, data[begin:end]
                if length >= LINE_MAX:
                    return start, stop, b""
                length *= 4
    except DAMAGED:
        return 0, stop, b""


def _beginning(data: bytes, end: int, start: int, *, any_line: bool) -> int:
    """Return where the first line in `data` stands with which a part may begin; -1 if there is none."""
    if start == 0:
        return 0
    whole = data.find(b"\n", 0, end) + 1
    if not whole or whole == end:
        return -1
    found = _ITEM.search(data, whole, end)
    if found is not None:
        return found.start()
    return whole if any_line else -1
