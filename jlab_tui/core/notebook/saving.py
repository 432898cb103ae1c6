"""What a save writes: the text of a notebook's file, in parts, most of which the file before has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from .file_text import cell_text, notebook_end
from .notebook import PageCopy, SavedPage
from .stored import Span

NOTEBOOK_BEGIN: Final = b'{\n "cells": ['
"""what stands in front of the first cell"""
FIRST: Final = b"\n  "
NEXT: Final = b",\n  "
"""what stands between two cells"""


class NotebookText:
    """The text of one save, made while it is written."""

    def __init__(self, pages: Sequence[PageCopy], metadata: Mapping[str, Any]) -> None:
        self._pages = pages
        self._metadata = metadata
        self._at = 0
        self.saved: list[SavedPage] = []
        """where the text has which page"""

    def parts(self) -> Iterator[bytes | Span]:
        """Yield what to write, and what to copy from the file before. Blocks while it reads the run's record."""
        return joined(self._pieces())

    def _pieces(self) -> Iterator[bytes | Span]:
        yield self._counted(NOTEBOOK_BEGIN)
        mark = FIRST
        for page in self._pages:
            begin, places = self._at + len(mark), []
            for text in (page.text,) if page.text is not None else (copy.text for copy in page.cells):
                yield self._counted(mark)
                mark, at = NEXT, self._at
                for piece in (text,) if isinstance(text, Span) else cell_text(text):
                    yield self._counted(piece)
                places.append((at - begin, self._at - at))
            self.saved.append(SavedPage(page, begin, self._at - begin, tuple(places if page.cells else ())))
        yield notebook_end(self._metadata, is_empty=not self._pages)

    def _counted(self, piece: bytes | Span) -> bytes | Span:
        self._at += len(piece) if isinstance(piece, bytes) else piece.size
        return piece


def joined(pieces: Iterable[bytes | Span]) -> Iterator[bytes | Span]:
    """Join texts that follow each other in a file of ours, as cells do, with what stands between them."""
    waiting: list[bytes | Span] = []
    for piece in pieces:
        match waiting, piece:
            case [Span() as last, bytes()], Span() if _follows(last, piece):
                waiting = [replace(last, size=last.size + len(NEXT) + piece.size)]
            case [Span()], bytes() if piece == NEXT:
                waiting.append(piece)
            case _:
                yield from waiting
                waiting = [piece]
    yield from waiting


def _follows(last: Span, piece: Span) -> bool:
    return last.is_ours and last.read == piece.read and last.offset + last.size + len(NEXT) == piece.offset
