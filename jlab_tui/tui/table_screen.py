"""A cell's tables on the whole screen, with the columns that name the rows and the header in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.strip import Strip

from ..core.display.tables import TextTable
from .format import Glyphs, counted
from .table_block import Grid, grid_of, rule, table_row
from .themes import Palette
from .widgets.strips import StripWidget


class BigTable(StripWidget):
    """One table, as much of it as has room."""

    table = TextTable((), ((),))
    top = 0
    """first row in view"""
    first = 0
    """first column in view, of those that do not name the rows"""
    whole_cells = False
    """show long cells whole rather than many columns"""

    def build(self, width: int, height: int) -> list[Strip]:
        table, palette, glyphs = self.table, self.palette, self.glyphs
        rows = table.rows[self.top : self.top + self.page]
        grid = self.grid
        strips = [
            Strip(table_row(cells, grid, palette, glyphs, is_header=True)) for cells in self.table.header
        ]
        if strips:
            strips.append(Strip(rule(grid, palette, glyphs)))
        return [*strips, *(Strip(table_row(cells, grid, palette, glyphs)) for cells in rows)]

    @property
    def page(self) -> int:
        """Rows that have room."""
        head = len(self.table.header)
        return max(1, self.content_size.height - head - bool(head))

    @property
    def grid(self) -> Grid:
        return grid_of(
            self.table, self.table.rows, self.content_size.width, self.first, whole_cells=self.whole_cells
        )

    def move(self, rows: int, columns: int) -> None:
        self.top = max(0, min(self.top + rows, len(self.table.rows) - self.page))
        if columns < 0 or self.grid.hidden:
            self.first = max(0, min(self.first + columns, self.table.columns - self.table.index - 1))
        self.rebuild()

    @property
    def place(self) -> str:
        """Which rows and columns are in view, in words."""
        last = min(self.top + self.page, len(self.table.rows))
        more = f" and {self.table.more_rows:,} that are not kept" if self.table.more_rows else ""
        right = self.grid.hidden
        columns = f", {counted(self.first, 'column')} to the left" if self.first else ""
        columns += f", {counted(right, 'column')} to the right" if right else ""
        return f"rows {min(self.top + 1, last):,}-{last:,} of {len(self.table.rows):,}{more}{columns}"


class TableScreen(Screen[None]):
    """A cell's tables, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v,enter", "close", "Close", id="table.close"),
        Binding("up,k", "move(-1, 0)", "Row up", id="table.up"),
        Binding("down,j", "move(1, 0)", "Row down", id="table.down"),
        Binding("left,h", "move(0, -1)", "Column left", id="table.left"),
        Binding("right,l", "move(0, 1)", "Column right", id="table.right"),
        Binding("pageup", "page(-1)", "Page up", id="table.page-up"),
        Binding("pagedown,space", "page(1)", "Page down", id="table.page-down"),
        Binding("w", "widen", "Whole cells", id="table.widen"),
        Binding("g,home", "move(-1000000, -1000000)", "Start", id="table.start"),
        Binding("G,end", "move(1000000, 0)", "End", id="table.end"),
        Binding("left_square_bracket", "turn(-1)", "Previous table", id="table.previous"),
        Binding("right_square_bracket", "turn(1)", "Next table", id="table.next"),
    ]

    def __init__(self, tables: Sequence[TextTable], palette: Palette, glyphs: Glyphs) -> None:
        super().__init__()
        self._tables = list(tables)
        self._number = len(tables) - 1
        self._view = BigTable(palette, glyphs)
        self._view.table = self._tables[-1]
        self._view.add_class("full")

    def compose(self) -> ComposeResult:
        self._view.border_title = Content("Table")
        yield self._view

    def on_resize(self) -> None:
        self.call_after_refresh(self.action_move, 0, 0)

    def action_move(self, rows: int, columns: int) -> None:
        self._view.move(rows, columns)
        many = f"{self._number + 1}/{len(self._tables)}, " if len(self._tables) > 1 else ""
        is_cut = self._view.grid.is_cut and not self._view.whole_cells
        wide = ", w whole cells" if is_cut else ", w more columns" if self._view.whole_cells else ""
        self._view.border_subtitle = Content(f"{many}{self._view.place}{wide}, esc closes")

    def action_widen(self) -> None:
        self._view.whole_cells = not self._view.whole_cells
        self.action_move(0, 0)

    def action_page(self, by: int) -> None:
        self.action_move(by * self._view.page, 0)

    def action_turn(self, by: int) -> None:
        self._number = (self._number + by) % len(self._tables)
        self._view.table, self._view.top, self._view.first = self._tables[self._number], 0, 0
        self.action_move(0, 0)

    def action_close(self) -> None:
        self.dismiss(None)
