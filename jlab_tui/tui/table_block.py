"""Tables in the feed: aligned columns in its width, folded to their first and last rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from ..core.display.tables import Cells, Part, TextTable
from .ansi import one_line, plain
from .blocks import Frame, fold
from .format import Glyphs, counted, shortened
from .text_block import TEXT_HEAD
from .themes import Palette
from .wrapping import Row, wrap_words

ROWS_HEAD, ROWS_TAIL = 6, 4
CELL_COLUMNS, INDEX_COLUMNS = 40, 24
"""widest cell among others, and in the columns that name the rows"""
_GAP, _EDGE = 2, 3
"""columns between two cells, and around the edge behind what names the rows"""


@dataclass(frozen=True, slots=True)
class Grid:
    """Which columns of a table have room, and how wide they are."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    numeric: tuple[bool, ...]
    index: int
    """how many of them name the rows"""
    hidden: int = 0
    """columns at the right without room"""
    is_cut: bool = False
    """whether cells are wider than their column"""

    @property
    def width(self) -> int:
        gaps = sum(_gap(place, self.index) for place in range(len(self.widths)))
        return sum(self.widths) + gaps


def _gap(place: int, index: int) -> int:
    """Return the columns before the cell at a place."""
    return 0 if not place else _EDGE if place == index else _GAP


def grid_of(
    table: TextTable, rows: Sequence[Cells], width: int, first: int = 0, *, whole_cells: bool = False
) -> Grid:
    """Choose the columns that have room in `width`: those that name the rows, then the others from the `first` of them on. Long
    cells get the room that is left; with `whole_cells` all that they need, before columns to their right."""
    index = range(table.index)
    others = range(table.index + first, table.columns)
    wanted = {column: _longest(table, rows, column) for column in (*index, *others)}
    sizes = {
        column: wanted[column]
        if whole_cells and column >= table.index
        else _size(table, wanted[column], column)
        for column in wanted
    }
    chosen: list[int] = []
    room = width
    for column in (*index, *others):
        gap = _gap(len(chosen), table.index)
        if chosen and (sizes[column] + gap > room) and column >= table.index + first:
            if len(chosen) > table.index or room - gap < 4:
                break
            sizes[column] = room - gap
        sizes[column] = max(1, min(sizes[column], room - gap))
        chosen.append(column)
        room -= sizes[column] + gap
    for column in chosen:
        more = max(0, min(room, wanted[column] - sizes[column]))
        sizes[column] += more
        room -= more
    return Grid(
        tuple(chosen),
        tuple(sizes[column] for column in chosen),
        tuple(table.is_numeric(column) for column in chosen),
        table.index,
        table.columns - first - len(chosen),
        any(sizes[column] < wanted[column] for column in chosen),
    )


def _longest(table: TextTable, rows: Sequence[Cells], column: int) -> int:
    return max((cell_len(one_line(row[column])) for row in (*table.header, *rows)), default=0) or 1


def _size(table: TextTable, longest: int, column: int) -> int:
    """Return the columns that a column gets before the others have theirs."""
    if table.columns - table.index <= 1 and column >= table.index:
        return longest
    return min(longest, INDEX_COLUMNS if column < table.index else CELL_COLUMNS)


def table_row(cells: Cells, grid: Grid, palette: Palette, glyphs: Glyphs, *, is_header: bool = False) -> Row:
    """Return one row of a table: numbers to the right, what names the row behind an edge."""
    found: Row = []
    for place, (column, width, is_numeric) in enumerate(
        zip(grid.columns, grid.widths, grid.numeric, strict=True)
    ):
        if place:
            is_edge = place == grid.index
            found.append(Segment(f" {glyphs.edge} " if is_edge else "  ", palette.style("line")))
        style = _style(palette, is_header=is_header, is_index=place < grid.index)
        found.append(Segment(_fitted(one_line(cells[column]), width, is_numeric, glyphs), style))
    return found


def rule(grid: Grid, palette: Palette, glyphs: Glyphs) -> Row:
    return [Segment(glyphs.line * grid.width, palette.style("line"))]


def _style(palette: Palette, *, is_header: bool, is_index: bool) -> Style:
    return palette.style("text" if not is_index or is_header else "muted", bold=is_header)


def _fitted(text: str, width: int, is_numeric: bool, glyphs: Glyphs) -> str:
    size = cell_len(text)
    if size > width:
        cut = max(0, width - len(glyphs.ellipsis))
        return set_cell_size(set_cell_size(text, cut) + glyphs.ellipsis, width)
    return " " * (width - size) + text if is_numeric else text + " " * (width - size)


class TableBlock:
    """The parts of a result: tables, and the text between them."""

    def __init__(
        self,
        parts: Sequence[Part],
        frame: Frame,
        hue: str,
        expanded: bool,
        *,
        tail: int,
        shows: object,
    ) -> None:
        self.shows = shows
        self.frame = frame
        self.folds = False
        self._bar = Segment(f"{frame.glyphs.thin} ", frame.palette.style(hue))
        self._rows: list[Row | tuple[Cells, Grid]] = []
        for part in parts:
            if isinstance(part, TextTable):
                others = ROWS_HEAD - TEXT_HEAD + len(part.header) + 1 + len(parts)
                self._add(part, expanded, max(ROWS_TAIL, tail - others))
            else:
                for line in plain(part).strip("\n").split("\n"):
                    self._rows += wrap_words(line, frame.palette.style("text"), frame.body)
        self.height = len(self._rows)

    def _add(self, table: TextTable, expanded: bool, tail: int) -> None:
        frame = self.frame
        shown, folds = fold(len(table.rows), expanded, ROWS_HEAD, tail)
        self.folds |= folds
        grid = grid_of(table, [row for first, last in shown for row in table.rows[first:last]], frame.body)
        for cells in table.header:
            self._rows.append(table_row(cells, grid, frame.palette, frame.glyphs, is_header=True))
        if table.header:
            self._rows.append(rule(grid, frame.palette, frame.glyphs))
        for number, (first, last) in enumerate(shown):
            if number:
                self._say(f"{counted(first - shown[0][1], 'row')} hidden", "o expands")
            self._rows += [(cells, grid) for cells in table.rows[first:last]]
        hidden = [counted(table.more_rows, "more row")] if table.more_rows else []
        if grid.hidden:
            hidden.append(f"{counted(grid.hidden, 'column')} hidden")
        if hidden:
            self._say(", ".join(hidden), "v views it")

    def _say(self, text: str, how: str) -> None:
        dots, separator = self.frame.glyphs.dots, self.frame.glyphs.separator
        said = shortened(
            f"{dots} {text} {separator} {how} {dots}", self.frame.body, self.frame.glyphs.ellipsis
        )
        self._rows.append([Segment(said, self.frame.palette.style("faint"))])

    def row(self, index: int) -> Row:
        found = self._rows[index]
        if isinstance(found, tuple):
            found = table_row(*found, self.frame.palette, self.frame.glyphs)
        return [self._bar, *found]
