"""What is printed of a figure's texts: lines of characters, legends whole, the labels of an axis together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from ..journal.figure_texts import CHARS_MAX, OTHER, OUTSIDE, PARTS, TICK, TITLE, FigureText
from .formula_text import readable

NEAR: Final = PARTS // 250
"""parts of the image's width or height that make no difference"""
_STEEP: Final = 20
"""degrees from which on a text goes downwards"""
_DEEP_LEAST, _DEEP_MOST = 8, 24
"""longest label downwards, in a low image and in a high one"""
_CLIP_LEAST: Final = 12
"""columns to which no text is clipped"""
_LINES_MOST, _COLUMNS_MOST = 4, 3
"""lines of a text, and of one that goes downwards"""
_SIGN: Final = "━ "

WidthOf = Callable[[str], int]
"""columns of a text"""


@dataclass(frozen=True, slots=True)
class FigureLabel:
    """One text that is printed."""

    text: FigureText
    """the first one, if it is a legend"""
    of: tuple[int, ...]
    """which text each line is of"""
    lines: tuple[str, ...]
    width: int
    """columns of its longest line; downwards, characters"""
    is_down: bool
    y: int
    """its middle"""
    pitch: int = 1
    """columns of a line that goes downwards: 2 if it has wide characters"""
    cut: int = 0
    """entries of the legend that lack a part"""

    @property
    def x(self) -> int:
        """where it is tied to, as a part of the image's width"""
        text = self.text
        by = {"l": 0, OUTSIDE: 0, "r": text.width}
        return text.x + by.get(text.align, text.width // 2)


def figure_labels(
    texts: Sequence[FigureText], columns: int, rows: int, width_of: WidthOf, *, ascii_only: bool
) -> list[FigureLabel]:
    """Return what is printed over an image of `columns` x `rows` cells, the most important first. What is too long is split, or cut
    with an ellipsis, so that the image keeps at least half of the room."""
    words = [readable(text.text, ascii_only=ascii_only) for text in texts]
    shaper = _Shaper(texts, words, columns, rows, width_of, "..." if ascii_only else "…")
    found: list[FigureLabel] = []
    for place, text in enumerate(texts):
        lines = shaper.lines(text, [line.rstrip() for line in words[place].split("\n") if line.strip()])
        if not lines:
            continue
        is_down = _is_steep(text)
        width = max(map(shaper.depth if is_down else width_of, lines))
        pitch = max(1, *map(width_of, "".join(lines))) if is_down else 1
        middle = text.y + text.height // 2
        cut = int(
            bool(text.sign) and shaper.ellipsis in "".join(lines) and shaper.ellipsis not in words[place]
        )
        item = FigureLabel(text, (place,) * len(lines), tuple(lines), width, is_down, middle, pitch, cut)
        if found and _is_next_entry(found[-1], item):
            item = _joined(found.pop(), item)
        found.append(item)
    return sorted(found, key=lambda item: TICK + 0.5 if item.text.sign else item.text.rank)


class _Shaper:
    """Makes lines of texts for one size of an image."""

    def __init__(
        self,
        texts: Sequence[FigureText],
        words: Sequence[str],
        columns: int,
        rows: int,
        width_of: WidthOf,
        ellipsis: str,
    ) -> None:
        self._columns = columns
        self._rows = rows
        self._width_of = width_of
        self.ellipsis = ellipsis
        self._steep_titles = [text for text in texts if text.rank == TITLE and _is_steep(text)]
        self._deepest = max(_DEEP_LEAST, min(_DEEP_MOST, rows // 2))
        joined = [" ".join(word.split()) for word in words]
        self._ticks = [word for text, word in zip(texts, joined, strict=True) if text.rank == TICK]
        self._entries = [word for text, word in zip(texts, joined, strict=True) if text.sign]

    def depth(self, text: str) -> int:
        """Return the rows of a line that goes downwards."""
        return len(characters(text, self._width_of))

    def lines(self, text: FigureText, lines: list[str]) -> list[str]:
        if _is_steep(text):
            joined = " ".join(lines)
            if text.rank != TITLE:
                return [self._cut(joined, self._ticks, self._deepest, self.depth)] if joined else []
            beside = sum(abs(middle_of(other) - middle_of(text)) <= NEAR for other in self._steep_titles)
            return self._split(joined, max(3, (self._rows + 1) // beside - 1), _COLUMNS_MOST, self.depth)
        most = self._widest(text)
        if text.sign:
            entry = self._cut(" ".join(lines), self._entries, most - len(_SIGN), self._width_of)
            return [_SIGN + entry] if entry else []
        if text.rank != TITLE:
            return [self._cut(line, self._ticks, most, self._width_of) for line in lines[:_LINES_MOST]]
        parts = [part for line in lines for part in self._split(line, most, _LINES_MOST, self._width_of)]
        if len(parts) > _LINES_MOST:
            parts = [*parts[: _LINES_MOST - 1], self._marked(parts[_LINES_MOST - 1], most, self._width_of)]
        return parts

    def _widest(self, text: FigureText) -> int:
        """Return the columns that a text may have."""
        own, left = text.width / PARTS, text.x / PARTS
        if text.rank == OTHER:
            return 2 * CHARS_MAX
        if text.sign:
            part = part_beside(text) if text.align == OUTSIDE else max(0.5, 1 - left)
        else:
            part = 1.0 if text.rank == TITLE else max(own, 0.5)
        return max(_CLIP_LEAST, int(self._columns * part) - 1)

    def _cut(self, text: str, others: Sequence[str], most: int, size_of: WidthOf) -> str:
        """Cut a text that is too long where that keeps it apart from others of its kind: its end, else its start, its middle or both ends."""
        if size_of(text) <= most:
            return text
        mark = size_of(self.ellipsis)
        kept = most - mark
        head, alike = kept // 2, len(_common_start(others))
        ways = (
            len({other[:kept] for other in others}),
            len({other[-kept:] for other in others}),
            len({(other[:head], other[head - kept :]) for other in others}),
            len({other[alike : alike + kept - mark] for other in others}),
        )
        way = ways.index(max(ways))
        if way == 0:
            return self._marked(text, most, size_of)
        if way == 3:
            return self.ellipsis + self._marked(text[alike:], kept, size_of)
        start = self._marked(text, head + mark, size_of) if way == 2 else self.ellipsis
        tail = _fitting(characters(text, self._width_of)[::-1], most - size_of(start), size_of)
        return start + "".join(tail[::-1]).lstrip()

    def _marked(self, text: str, most: int, size_of: WidthOf) -> str:
        """Return a text with an ellipsis at its end, cut as far as that needs."""
        return self._start(text, most - size_of(self.ellipsis), size_of).rstrip() + self.ellipsis

    def _split(self, text: str, most: int, lines_most: int, size_of: WidthOf) -> list[str]:
        """Split a text into lines at blanks where it can; what has no line is marked."""
        lines: list[str] = []
        for word in text.split():
            if lines and size_of(lines[-1]) + 1 + size_of(word) <= most:
                lines[-1] += f" {word}"
                continue
            while word:
                part = self._start(word, most, size_of) or word
                lines.append(part)
                word = word[len(part) :]
        if len(lines) > lines_most:
            lines = [*lines[: lines_most - 1], self._marked(lines[lines_most - 1], most, size_of)]
        return lines

    def _start(self, text: str, most: int, size_of: WidthOf) -> str:
        """Return as much of a text's start as has at most so many columns or rows."""
        return "".join(_fitting(characters(text, self._width_of), most, size_of))


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts, default=""), max(texts, default="")
    return next((first[:n] for n, char in enumerate(first) if char != last[n : n + 1]), first)


def _fitting(parts: Sequence[str], most: int, size_of: WidthOf) -> list[str]:
    """Return as many parts from the first on as have at most so many columns or rows together."""
    sizes = accumulate(map(size_of, parts))
    return [part for part, size in zip(parts, sizes, strict=True) if size <= most]


def characters(text: str, width_of: WidthOf) -> list[str]:
    """Split a text into what takes columns, each with what combines with it."""
    found: list[str] = []
    for char in text:
        if found and not width_of(char):
            found[-1] += char
        else:
            found.append(char)
    return found


def part_beside(text: FigureText) -> float:
    """Return the part of an image's columns that an entry of a legend beside the axes may have."""
    own = text.width / PARTS
    return max(own, 1 - own)


def _is_next_entry(legend: FigureLabel, entry: FigureLabel) -> bool:
    is_legend = bool(legend.text.sign and entry.text.sign) and legend.text.x == entry.text.x
    below = entry.y - legend.y
    return is_legend and 0 < below < PARTS // 4


def _joined(legend: FigureLabel, entry: FigureLabel) -> FigureLabel:
    count = len(legend.lines)
    return replace(
        legend,
        text=replace(legend.text, width=max(legend.text.width, entry.text.width)),
        of=(*legend.of, *entry.of),
        lines=(*legend.lines, *entry.lines),
        width=max(legend.width, entry.width),
        cut=legend.cut + entry.cut,
        y=(legend.y * count + entry.y) // (count + 1),
    )


def _is_steep(text: FigureText) -> bool:
    return min(text.angle % 180, -text.angle % 180) >= _STEEP


def middle_of(text: FigureText) -> int:
    return text.x + text.width // 2


def axes_of(items: Sequence[FigureLabel]) -> Iterator[list[FigureLabel]]:
    """Yield the labels of ticks along an axis together, titles and labels of axes alone."""
    group: list[FigureLabel] = []
    for item in items:
        if item.text.rank == OTHER or item.text.sign:
            continue
        if group and not _goes_on(group, item):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _goes_on(group: Sequence[FigureLabel], item: FigureLabel) -> bool:
    last = group[-1]
    if TITLE in (last.text.rank, item.text.rank) or last.is_down != item.is_down:
        return False
    tops = (last.text.y - item.text.y) if item.is_down else (last.y - item.y)
    in_row, in_column = abs(tops) <= NEAR, abs(last.x - item.x) <= NEAR
    if len(group) == 1:
        return in_row or in_column
    return in_row if is_row(group) else in_column


def is_row(group: Sequence[FigureLabel]) -> bool:
    return len(group) > 1 and abs(group[0].x - group[1].x) > NEAR
