"""Where the texts of a figure are printed over its image, which a terminal draws in cells too coarse for letters.

A printed letter is wider than in the image. So the image is made wider where ticks are close, margins get columns or rows between
their cells, and what still collides moves by a cell; the least important text is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ..journal.figure_texts import OTHER, OUTSIDE, PARTS, TICK, TITLE, FigureTexts
from .figure_labels import (
    NEAR,
    FigureLabel,
    WidthOf,
    axes_of,
    characters,
    figure_labels,
    is_row,
    middle_of,
    part_beside,
)

WIDER_MOST: Final = 2.0
"""so many times wider than its shape asks for, an image may become"""
LEAST_COLUMNS, LEAST_ROWS = 16, 5
"""smaller images have no texts"""
_SIDEWAYS: Final = tuple((x, 0) for x in (0, 1, -1, 2, -2, 3, -3))
_MOVES: Final = tuple((x, y) for y in (0, 1, -1) for x in (0, 1, -1, 2, -2, 3, -3))
_LEGEND_MOVES: Final = tuple((x, y) for y in (0, -1, 1, -2, 2, -3, 3) for x in (0, -1, 1, -2, 2, -3, 3))


@dataclass(frozen=True, slots=True)
class PlacedText:
    """Characters in one row."""

    column: int
    row: int
    text: str
    of: int
    """place of its text among those of the figure"""


@dataclass(frozen=True, slots=True)
class TextLayer:
    columns: int
    """of the whole, with what was put between"""
    rows: int
    words: tuple[PlacedText, ...] = ()
    gap_columns: tuple[tuple[int, int], ...] = ()
    """after which column of the image how many are put; ascending"""
    gap_rows: tuple[tuple[int, int], ...] = ()
    missing: int = 0
    """titles, labels, ticks and entries of legends for which no place was found, or none for all of them"""


@dataclass(slots=True)
class _Scale:
    """From parts of the image to cells of the whole."""

    cells: int
    _gaps: dict[tuple[int, float], int] = field(default_factory=dict)
    """cells in a gap, by the cell before it and the part of the image from which on all is behind it"""

    def at(self, part: float) -> float:
        return part * self.cells / PARTS + sum(count for (_, cut), count in self._gaps.items() if part >= cut)

    def cell(self, part: float) -> int:
        """Return the cell of the image, without gaps."""
        return min(self.cells - 1, max(0, int(part * self.cells / PARTS)))

    @property
    def total(self) -> int:
        return self.cells + sum(self._gaps.values())

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        return tuple((after, count) for (after, _), count in sorted(self._gaps.items()))

    def insert(self, after: int, count: int, cut: float | None = None) -> None:
        """Have at least so many cells after one; -1 for before the first. `cut`: what is behind them, by default the next cell."""
        key = after, (after + 1) * PARTS / self.cells if cut is None else cut
        if count > self._gaps.get(key, 0):
            self._gaps[key] = count


@dataclass(frozen=True, slots=True)
class DrawingSize:
    columns: int
    """of the image"""
    rows: int
    whole_rows: int
    """of the image with its texts"""


@lru_cache(256)
def size_with_texts(
    texts: FigureTexts,
    columns: int,
    rows: int,
    most_columns: int,
    most_rows: int,
    width_of: WidthOf,
    ascii_only: bool = False,
) -> DrawingSize:
    """Return the columns and rows in which to draw the image, so that with its texts it has at most so many. `columns` x `rows`
    is what its shape asks for. Cached, because an item of the feed is laid out often."""
    if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
        return DrawingSize(columns, rows, rows)
    shape = columns / rows
    while True:
        items = figure_labels(texts, most_columns, rows, width_of, ascii_only=ascii_only)
        wanted = math.ceil(min(most_columns, columns * WIDER_MOST, max(columns, _columns_needed(items))))
        while True:
            items = figure_labels(texts, wanted, rows, width_of, ascii_only=ascii_only)
            across, down = _scales(items, wanted, rows)
            if across.total <= most_columns or wanted <= LEAST_COLUMNS:
                break
            wanted = max(LEAST_COLUMNS, wanted - max(1, (across.total - most_columns) // 8))
        if down.total <= most_rows or rows <= LEAST_ROWS:
            return DrawingSize(wanted, rows, down.total)
        rows = max(LEAST_ROWS, rows - (down.total - most_rows))
        columns = max(LEAST_COLUMNS, round(rows * shape))


def text_layer(
    texts: FigureTexts, columns: int, rows: int, width_of: WidthOf, *, ascii_only: bool = False
) -> TextLayer:
    """Find the places of a figure's texts in an image of `columns` x `rows` cells."""
    if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
        return TextLayer(columns, rows)
    items = figure_labels(texts, columns, rows, width_of, ascii_only=ascii_only)
    across, down = _scales(items, columns, rows)
    page = _Page(across, down, width_of)
    fixed = {id(item) for group in axes_of(items) if len(group) > 1 and not is_row(group) for item in group}
    for item in items:
        page.put(item, _LEGEND_MOVES if item.text.sign else _SIDEWAYS if id(item) in fixed else _MOVES)
    return TextLayer(across.total, down.total, tuple(page.words), across.gaps, down.gaps, page.missing)


def _scales(items: Sequence[FigureLabel], columns: int, rows: int) -> tuple[_Scale, _Scale]:
    across, down = _Scale(columns), _Scale(rows)
    groups = [*axes_of(items)]
    for group in groups:
        _make_room(group, across, down)
    for item in items:
        if item.text.align == OUTSIDE:
            lacking = math.ceil(item.width + 1 - item.text.width * columns / PARTS)
            across.insert(across.cell(item.text.x + item.text.width / 2), lacking)
    _part_rows(groups, across, down)
    return across, down


def _columns_needed(items: Sequence[FigureLabel]) -> float:
    """Return the columns that keep apart what stands side by side."""
    needed = float(LEAST_COLUMNS)
    rows: dict[int, list[FigureLabel]] = {}
    for item in items:
        if item.text.align == OUTSIDE:
            needed = max(needed, (item.width + 1) / part_beside(item.text))
        if item.text.rank != OTHER and not item.text.sign:
            needed = max(needed, 0 if item.is_down else item.width + 1)
            rows.setdefault((item.text.y if item.is_down else item.y) // (2 * NEAR), []).append(item)
    for row in rows.values():
        for one, two in pairwise(sorted(row, key=lambda item: item.x)):
            apart, widths = two.x - one.x, (item.pitch if item.is_down else item.width for item in (one, two))
            if apart > NEAR and one.is_down == two.is_down and one.text.rank == two.text.rank:
                needed = max(needed, (sum(widths) / 2 + 1) * PARTS / apart)
    return needed


def _make_room(group: Sequence[FigureLabel], across: _Scale, down: _Scale) -> None:
    """Put columns or rows into the margin in which some texts stand."""
    widest = max(group, key=lambda item: item.width)
    text, lines, is_axis = widest.text, len(widest.lines), widest.text.rank == TICK and len(group) > 1
    if widest.is_down and is_axis:
        lacking = math.ceil(widest.width - text.height * down.cells / PARTS)
        down.insert(down.cell(widest.y), lacking)
    elif widest.is_down:
        across.insert(across.cell(middle_of(text)), lines * widest.pitch - 1)
    elif is_axis and not is_row(group):
        lacking = math.ceil(widest.width + 0.5 - text.width * across.cells / PARTS)
        first, last = across.cell(text.x), across.cell(text.x + text.width)
        across.insert(min(first, last - 1) if text.align == "r" else last, lacking)
    elif lines > 1:
        place, lacking = down.cell(widest.y), math.ceil(lines - max(1, text.height * down.cells / PARTS))
        down.insert(place - 1 if widest.y < PARTS / 2 else place, lacking)


def _part_rows(groups: Sequence[Sequence[FigureLabel]], across: _Scale, down: _Scale) -> None:
    """Put a row between titles, labels and rows of ticks that would share one."""
    bands: list[tuple[int, float, float, bool]] = []
    for group in groups:
        first = group[0]
        if not first.is_down and (first.text.rank == TITLE or is_row(group)):
            places = [across.at(item.x) for item in group]
            half = max(item.width for item in group) / 2
            bands.append((first.y, min(places) - half, max(places) + half, first.text.rank == TITLE))
    bands.sort()
    for place, upper in enumerate(bands):
        for lower in bands[place + 1 :]:
            if down.cell(lower[0]) != down.cell(upper[0]):
                break
            meets = upper[1] <= lower[2] and lower[1] <= upper[2] and (upper[3] or lower[3])
            is_same = int(down.at(lower[0])) == int(down.at(upper[0]))
            if is_same and lower[0] - upper[0] > NEAR and meets:
                down.insert(down.cell(upper[0]), 1, (upper[0] + lower[0]) / 2)


class _Page:
    """The cells that are taken."""

    def __init__(self, across: _Scale, down: _Scale, width_of: WidthOf) -> None:
        self.words: list[PlacedText] = []
        self.missing = 0
        self._across = across
        self._down = down
        self._width_of = width_of
        self._taken: set[tuple[int, int]] = set()

    def put(self, item: FigureLabel, moves: Sequence[tuple[int, int]]) -> None:
        lines = [*self._column_words(item)] if item.is_down else [*self._row_words(item)]
        for right, under in moves:
            if abs(right) > max(1, item.width):
                continue
            words = [replace(word, column=word.column + right, row=word.row + under) for word in lines]
            if all(self._is_free(word, 0 if item.is_down else 1) for word in words):
                self._take(words)
                self.missing += item.cut
                return
        if item.text.rank != OTHER:
            self.missing += len(set(item.of))

    def _row_words(self, item: FigureLabel) -> Iterator[PlacedText]:
        anchor, middle = self._across.at(item.x), self._down.at(item.y)
        more, text = len(item.lines) - 1, item.text
        if text.rank == OTHER or text.sign or not more:
            first = int(middle - more / 2)
        elif item.y < PARTS / 2:
            first = round(self._down.at(text.y + text.height)) - more - 1
        else:
            first = int(self._down.at(text.y))
        first = min(max(0, first), max(0, self._down.total - len(item.lines)))
        for number, line in enumerate(item.lines):
            width = self._width_of(line)
            shift = {"l": 0.0, OUTSIDE: 0.0, "r": float(width)}.get(item.text.align, width / 2)
            column = min(max(0, round(anchor - shift)), max(0, self._across.total - width))
            yield PlacedText(column, first + number, line, item.of[number])

    def _column_words(self, item: FigureLabel) -> Iterator[PlacedText]:
        if item.text.rank == TICK and item.text.angle % 90:
            first = int(self._across.at(item.x) - (0.5 if item.text.align == "r" else 0))
        else:
            first = int(self._across.at(middle_of(item.text)))
        first = max(0, first - (len(item.lines) * item.pitch - 1) // 2)
        for number, line in enumerate(item.lines):
            parts = characters(line, self._width_of)
            if item.text.rank == TICK:
                top = round(self._down.at(item.text.y))
            else:
                top = int(self._down.at(item.y) - (len(parts) - 1) / 2)
            top = min(max(0, top), max(0, self._down.total - len(parts)))
            for place, char in enumerate(parts):
                yield PlacedText(first + number * item.pitch, top + place, char, item.of[0])

    def _is_free(self, word: PlacedText, around: int) -> bool:
        width = self._width_of(word.text)
        if (
            word.column < 0
            or word.column + width > self._across.total
            or not 0 <= word.row < self._down.total
        ):
            return False
        return not any(
            (column, word.row) in self._taken
            for column in range(word.column - around, word.column + width + around)
        )

    def _take(self, words: Sequence[PlacedText]) -> None:
        self.words += [word for word in words if word.text.strip()]
        for word in words:
            self._taken.update((word.column + place, word.row) for place in range(self._width_of(word.text)))
