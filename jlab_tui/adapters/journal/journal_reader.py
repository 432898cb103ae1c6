"""Reads journals: follows one that grows, its two ends, or its entries with their places."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...core.journal.events import Entry, decode
from .places import is_packed, open_journal

DAMAGED = (OSError, EOFError, zlib.error)
"""what reading a damaged journal, plain or compressed, may raise; readers keep what came before"""
LINE_MAX = 256 << 20
"""readers skip longer lines"""
_SKIPPED_AT_ONCE = 1 << 20


class JournalReader:
    """Follows one journal file from its own offset, and leaves a torn last line for the next read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.skipped = 0
        """bytes of lines longer than LINE_MAX"""

    def read(self, limit: int = 64 << 20) -> list[Entry]:
        """Return the entries since the last call, at most about `limit` bytes. A missing file reads as empty."""
        return [decode(line) for line in self.lines(limit) if line]

    def lines(self, limit: int = 64 << 20) -> list[bytes]:
        try:
            with open_journal(self.path) as file:
                file.seek(self.offset)
                data = file.read(limit)
        except DAMAGED:
            return []
        if not data:
            return []
        end = data.rfind(b"\n") + 1
        if end == 0:
            if len(data) >= limit and limit < LINE_MAX:
                return self.lines(min(limit * 4, LINE_MAX))
            if len(data) >= LINE_MAX:
                self.offset += len(data)
                self.skipped += len(data)
            return []
        self.offset += end
        return data[: end - 1].split(b"\n")


def read_ends(path: Path, most: int = 1 << 16) -> tuple[list[Entry], list[Entry]]:
    """Return the entries in the first and the last `most` bytes; only the first of a compressed file."""
    try:
        with open_journal(path) as file:
            head = file.read(most)
            if is_packed(file):
                return _whole_lines(head, is_start=True), []
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            is_start = file.tell() == 0
            return _whole_lines(head, is_start=True), _whole_lines(file.read(), is_start=is_start)
    except DAMAGED:
        return [], []


def _whole_lines(data: bytes, *, is_start: bool) -> list[Entry]:
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")
    return [decode(line) for line in (lines if is_start else lines[1:]) if line]


def read_entries(path: Path, offset: int = 0) -> Iterator[tuple[int, Entry]]:
    """Yield the entries of a journal from `offset` on, each with its offset."""
    try:
        with open_journal(path) as file:
            file.seek(offset)
            while line := file.readline(LINE_MAX):
                if line.endswith(b"\n"):
                    if len(line) > 1:
                        yield offset, decode(line[:-1])
                elif len(line) < LINE_MAX:
                    return  # torn
                else:
                    offset += _skip_line(file)
                offset += len(line)
    except DAMAGED:
        return


def _skip_line(file: BinaryIO) -> int:
    """Skip to the end of a line that is too long. Returns the bytes skipped."""
    skipped = 0
    while part := file.readline(_SKIPPED_AT_ONCE):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
