"""The text of a notebook file: written in parts, and held open, so that memory need not hold it."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Iterable
from typing import BinaryIO

from ..core.notebook.file_text import OnCell, span_parts
from ..core.notebook.notebook import NotebookCell
from ..core.notebook.stored import HEAVY, Span


class OverwrittenError(OSError):
    """Somebody else has written over a file that is held."""


class HeldFile:
    """A file that stays open, also after it was replaced or removed, while somebody may read a part of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._is: tuple[int, int] | None = None
        """time and size once it is written"""
        weakref.finalize(self, os.close, fd).atexit = False

    def is_whole(self) -> None:
        """It has its last content: another program that writes over it destroys what is read here."""
        info = os.fstat(self._fd)
        self._is = info.st_mtime_ns, info.st_size

    def read(self, offset: int, size: int | None = None) -> bytes:
        """Return so many bytes, or all that follow. Raises OverwrittenError."""
        info = os.fstat(self._fd)
        size = info.st_size - offset if size is None else size
        data = os.pread(self._fd, size, offset)
        while 0 < len(data) < size and (more := os.pread(self._fd, size - len(data), offset + len(data))):
            data += more
        if len(data) < size or self._is not in (None, (info.st_mtime_ns, info.st_size)):
            raise OverwrittenError(errno.ESTALE, "somebody else has written over it")
        return data


def write_parts(file: BinaryIO, parts: Iterable[bytes | Span]) -> None:
    """Write a notebook's text."""
    for part in parts:
        for piece in (part,) if isinstance(part, bytes) else span_parts(part):
            file.write(piece)


def letting_go(held: HeldFile, text: str) -> OnCell:
    """What to do with a cell of a file in UTF-8: the outputs of a large one stay there."""
    counted = [0, 0]  # characters, and their bytes

    def let_go(cell: NotebookCell, begin: int, end: int) -> None:
        if end - begin > HEAVY:
            chars, count = counted
            start = count + _bytes_of(text, chars, begin)
            size = _bytes_of(text, begin, end)
            counted[:] = end, start + size
            cell.is_held(Span(held.read, start, size))

    return let_go


def keeping(cell: NotebookCell, begin: int, end: int) -> None:
    """The same for any other file, which has its cells in another form than ours."""


def _bytes_of(text: str, begin: int, end: int) -> int:
    """Bytes of a part of a text in UTF-8."""
    return end - begin if text.isascii() else len(text[begin:end].encode("utf-8"))
