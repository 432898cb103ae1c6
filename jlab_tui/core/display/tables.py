"""Finds tables in HTML and in Markdown and returns them as cells, in bounded time and memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .html import BLOCKS, attributes, bar_of, embedded, pieces, plain_text
from .printable import printable

SOURCE_MAX: Final = 1_000_000
"""characters of a source in which tables are looked for"""
CELLS_MAX: Final = 6_000
"""cells that one table keeps; the rows after them are only counted"""
COLUMNS_MAX: Final = 200
CELL_CHARS: Final = 300
_HEADER_MAX: Final = 10
_SPAN_MAX: Final = 1_000
_PARTS_MAX: Final = 40
_NUMBER: Final = re.compile(
    r"[-+−]?(?:[\d,_]+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)? ?%?j?|nan|inf|-inf|none|null|<na>|nat|\.\.\.|…",
    re.IGNORECASE,
)
_DASHES: Final = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*+\|?\s*")
_BAR: Final = re.compile(r"(?<!\\)\|")

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of equal length. A cell that spans others has its text in the first of them."""

    header: tuple[Cells, ...]
    rows: tuple[Cells, ...]
    index: int = 0
    """columns at the left that name the rows"""
    more_rows: int = 0
    """rows that are not kept"""

    @property
    def columns(self) -> int:
        return len((self.header or self.rows)[0])

    @property
    def chars(self) -> int:
        return sum(len(cell) for row in (*self.header, *self.rows) for cell in row)

    def is_numeric(self, column: int) -> bool:
        """Whether the column has numbers only, apart from empty cells."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


Part = str | TextTable


def html_parts(source: str) -> tuple[Part, ...]:
    """Return the tables of HTML and the text between them; empty if it has no table of at least two cells."""
    if "<table" not in source.lower() or len(source) > SOURCE_MAX:
        return ()
    parts: list[Part] = []
    words: list[str] = []
    building: _Building | None = None
    depth = 0
    for text, tag, is_start in pieces(source):
        if tag == "table":
            depth = depth + 1 if is_start else max(0, depth - 1)
            if depth == 1 and is_start:
                building = _Building()
            elif building is not None and depth == 0:
                _add(parts, words, building)
                building = None
        if building is not None:
            building.take(text, tag, is_start, is_outer=depth == 1)
        else:
            words.append(_words(text, tag, is_start))
    if building is not None:
        _add(parts, words, building)
    _add_text(parts, words)
    return tuple(parts[:_PARTS_MAX]) if any(isinstance(part, TextTable) for part in parts) else ()


def markdown_parts(source: str) -> tuple[Part, ...]:
    """Return the tables of Markdown and the text between them, line by line; empty if it has no table."""
    if "|" not in source or len(source) > SOURCE_MAX:
        return ()
    parts: list[Part] = []
    text: list[str] = []
    lines = source.split("\n")
    place, is_code = 0, False
    while place < len(lines):
        line = lines[place]
        is_code ^= line.lstrip().startswith(("```", "~~~"))
        end = place if is_code else _end_of_table(lines, place)
        if end == place:
            text.append(line)
            place += 1
            continue
        if text:
            parts.append("\n".join(text))
            text = []
        parts.append(_markdown_table(lines[place:end]))
        place = end
    if text:
        parts.append("\n".join(text))
    return tuple(parts) if any(isinstance(part, TextTable) for part in parts) else ()


def _end_of_table(lines: Sequence[str], place: int) -> int:
    """Return where the table ends that begins with a line; that line if none does."""
    if "|" not in lines[place] or place + 1 >= len(lines) or "|" not in lines[place + 1]:
        return place
    if not _DASHES.fullmatch(lines[place + 1]) or len(_split(lines[place])) != len(_split(lines[place + 1])):
        return place
    end = place + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return end


def _markdown_table(lines: Sequence[str]) -> TextTable:
    header = _split(lines[0])[:COLUMNS_MAX]
    kept = lines[2 : 2 + CELLS_MAX // len(header)]
    rows = [_fitted(_split(line), len(header)) for line in kept]
    return TextTable((tuple(header),), tuple(rows), more_rows=len(lines) - 2 - len(kept))


def _split(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [_cell_text(cell.replace("\\|", "|")) for cell in _BAR.split(inner)]


def _fitted(cells: Sequence[str], columns: int) -> Cells:
    return (*cells[:columns], *[""] * (columns - len(cells)))


def _cell_text(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…"


def _words(text: str, tag: str, is_start: bool) -> str:
    """Return what a piece of HTML shows in running text."""
    if not tag:
        return plain_text(text, as_it_is=False)
    if is_start and (words := embedded(text, tag) or bar_of(text, tag)):
        return words
    return "\n" if tag in BLOCKS or tag in ("td", "th") else ""


def _add(parts: list[Part], words: list[str], building: _Building) -> None:
    words.append("".join(building.beside))
    table = building.finished()
    if table is None:
        words.append(" ".join(cell for row in building.rows for cell in row.cells if cell))
        return
    _add_text(parts, words)
    parts.append(table)


def _add_text(parts: list[Part], words: list[str]) -> None:
    lines = (" ".join(printable(line).split()) for line in "".join(words).replace("\0", " ").split("\n"))
    if text := "\n".join(line for line in lines if line):
        parts.append(text)
    words.clear()


@dataclass(slots=True)
class _TableRow:
    cells: list[str]
    headings: list[bool]
    is_header: bool


class _Building:
    """One table as its tags come. Anything is a table: what is missing is empty, what is too much is counted."""

    def __init__(self) -> None:
        self.rows: list[_TableRow] = []
        self.beside: list[str] = []
        """text of a caption, or between cells"""
        self._more = 0
        self._cells = 0
        self._in_head = False
        self._text: list[str] | None = None
        """of the open cell; None outside"""
        self._chars = 0
        self._spans: dict[int, int] = {}
        """rows below in which a column belongs to a cell above"""
        self._span = (1, 1)
        self._is_heading = False

    def take(self, text: str, tag: str, is_start: bool, *, is_outer: bool) -> None:
        if is_outer and tag in ("td", "th", "tr", "thead", "tbody", "tfoot"):
            self._end_cell()
            if tag in ("td", "th") and is_start:
                self._begin_cell(text, tag == "th")
            elif tag == "tr" and is_start:
                self._begin_row()
            elif tag in ("thead", "tbody", "tfoot"):
                self._in_head = tag == "thead" and is_start
            return
        words = _words(text, tag, is_start)
        if self._text is None:
            self.beside.append(words)
        elif self._chars <= 4 * CELL_CHARS:
            self._text.append(words)
            self._chars += len(words)

    def _begin_row(self) -> None:
        if self._more or self._cells >= CELLS_MAX or len(self.rows) >= CELLS_MAX:
            self._more += 1
            return
        self.rows.append(_TableRow([], [], self._in_head))
        self._spread()

    def _begin_cell(self, token: str, is_heading: bool) -> None:
        if not self.rows:
            self._begin_row()
        found = attributes(token)
        self._span = (_span(found.get("colspan")), _span(found.get("rowspan")))
        self._text, self._chars, self._is_heading = [], 0, is_heading

    def _end_cell(self) -> None:
        if self._text is None:
            return
        words, self._text = _cell_text("".join(self._text).replace("\0", " ")), None
        if self._more:
            return
        wide, high = self._span
        row = self.rows[-1]
        for number in range(min(wide, COLUMNS_MAX - len(row.cells))):
            if high > 1:
                self._spans[len(row.cells)] = high - 1
            row.cells.append("" if number else words)
            row.headings.append(self._is_heading)
            self._cells += 1
        self._spread()

    def _spread(self) -> None:
        """Leave the columns empty that a cell above takes."""
        row = self.rows[-1]
        while (left := self._spans.get(len(row.cells), 0)) > 0 and len(row.cells) < COLUMNS_MAX:
            self._spans[len(row.cells)] = left - 1
            row.cells.append("")
            row.headings.append(True)
            self._cells += 1

    def finished(self) -> TextTable | None:
        """Return the table; None if it has fewer than two cells."""
        self._end_cell()
        rows = [row for row in self.rows if row.cells]
        columns = max((len(row.cells) for row in rows), default=0)
        if sum(len(row.cells) for row in rows) < 2:
            return None
        first = 0
        while first < len(rows) and (rows[first].is_header or all(rows[first].headings)):
            first += 1
        if first == len(rows):
            first = 1
        body = rows[first : first + CELLS_MAX // columns]
        index = min((_leading(row.headings) for row in body), default=0)
        return TextTable(
            tuple(_fitted(row.cells, columns) for row in rows[: min(first, _HEADER_MAX)]),
            tuple(_fitted(row.cells, columns) for row in body),
            index if index < columns else 0,
            self._more + len(rows) - first - len(body),
        )


def _leading(headings: Sequence[bool]) -> int:
    return next((place for place, is_heading in enumerate(headings) if not is_heading), len(headings))


def _span(digits: str | None) -> int:
    return min(int(digits[:4]), _SPAN_MAX) or 1 if digits and digits.isascii() and digits.isdigit() else 1
