"""Finds text in all cells of the feed, in the bytes of their outputs without decoding them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..core.feed.items import ErrorOutput, FeedItem, Note, Output, TextOutput
from .ansi import plain

MOST = 100_000
"""most matches to keep"""


OLDER = "older"
"""level of the note that stands for the cells that have not been read"""


class Match(NamedTuple):
    """One line with the text; a tuple, because there may be a hundred thousand."""

    place: int
    """place of the item"""
    output: Output | None
    """None: in the source, or in a note"""
    line: int
    """number of the line in the output or in the source"""


def find(items: Sequence[FeedItem], needle: str) -> list[Match]:
    """Return the lines with `needle`, in the order of the feed; case-sensitive if `needle` has capitals."""
    if not needle:
        return []
    found: list[Match] = []
    is_exact = needle != needle.lower()
    raw = needle.encode("utf-8", "replace")
    for place, item in enumerate(items):
        found.extend(_in_item(place, item, needle, raw, is_exact))
        if len(found) >= MOST:
            return found[:MOST]
    return found


def _in_item(place: int, item: FeedItem, needle: str, raw: bytes, is_exact: bool) -> Iterator[Match]:
    if isinstance(item, Note):
        if item.level != OLDER and _holds(item.text, needle, is_exact):
            yield Match(place, None, 0)
        return
    if _holds(item.source, needle, is_exact):
        for number, line in enumerate(item.source.split("\n")):
            if _holds(line, needle, is_exact):
                yield Match(place, None, number)
    for output in item.outputs:
        match output:
            case TextOutput():
                yield from _in_text(place, output, raw, is_exact)
            case ErrorOutput():
                for number, line in enumerate(output.lines):
                    if _holds(plain(line), needle, is_exact):
                        yield Match(place, output, number)
            case _:
                pass


def _in_text(place: int, output: TextOutput, raw: bytes, is_exact: bool) -> Iterator[Match]:
    text = output.scrollback
    buffer = text.buffer if is_exact else text.buffer.lower()
    starts, count = text.starts, len(text.starts)
    line = 0
    position = buffer.find(raw)
    while position >= 0:
        line = bisect_right(starts, position, line) - 1
        yield Match(place, output, line)
        line += 1
        position = buffer.find(raw, starts[line]) if line < count else -1


def _holds(text: str, needle: str, is_exact: bool) -> bool:
    return needle in (text if is_exact else text.lower())
