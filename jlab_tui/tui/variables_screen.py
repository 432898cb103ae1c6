"""The variables of one kernel, full screen and sortable; read again whenever the kernel has become idle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from ..core.errors import JlabError
from ..core.kernel.variable_table import COLUMNS, Column, KernelVariable, Variables, cells_of, sorted_by
from ..services.dashboard.overview import SessionRow, SessionState
from .ansi import one_line
from .format import Glyphs, counted, shortened

Read = Callable[[], Awaitable[Variables]]
_WIDEST: Final = {
    Column.NAME: 28,
    Column.TYPE: 26,
    Column.SHAPE: 20,
    Column.DTYPE: 16,
    Column.DEVICE: 10,
    Column.SIZE: 10,
}
_VALUE_LEAST: Final = 8
_GAP: Final = 2


def table_lines(
    rows: Sequence[KernelVariable], width: int, sort: Column, *, is_reversed: bool, glyphs: Glyphs
) -> list[Content]:
    """Return a head and one line for each row. Columns without any text are left out, and the last ones that do not fit."""
    texts = [{column: one_line(text) for column, text in cells_of(row).items()} for row in rows]
    marks = {sort: glyphs.unfolded if (sort is Column.SIZE) is not is_reversed else glyphs.folded}
    heads = {
        column: f"{column.value} {marks[column]}" if column in marks else column.value for column in COLUMNS
    }
    widths: dict[Column, int] = {}
    left = width
    for column in COLUMNS:
        longest = max((len(text[column]) for text in texts), default=0)
        if not longest:
            continue
        wanted = max(longest, len(heads[column]))
        wide = left if column is Column.VALUE else min(wanted, _WIDEST[column])
        if wide > left or (column is Column.VALUE and left < _VALUE_LEAST):
            continue
        widths[column] = wide
        left -= wide + _GAP
    lines = [Content.styled(_line(heads, widths, glyphs), "bold $primary")]
    return lines + [Content(_line(text, widths, glyphs)) for text in texts]


def _line(texts: dict[Column, str], widths: dict[Column, int], glyphs: Glyphs) -> str:
    cells = []
    for column, wide in widths.items():
        text = shortened(texts[column], wide, glyphs.ellipsis)
        cells.append(text.rjust(wide) if column is Column.SIZE else text.ljust(wide))
    return (" " * _GAP).join(cells).rstrip()


class VariablesScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,V", "close", "Close", id="variables.close"),
        Binding("s,right", "sort(1)", "Sort by the next column", priority=True, id="variables.sort"),
        Binding("left", "sort(-1)", "Sort by the previous column", priority=True, id="variables.sort-back"),
        Binding("r", "turn", "Reverse", id="variables.turn"),
        Binding("enter,f5", "read", "Read again", id="variables.read"),
    ]

    def __init__(self, name: str, kernel_id: str, read: Read, glyphs: Glyphs) -> None:
        super().__init__()
        self.kernel_id = kernel_id
        self._name_shown = one_line(name)
        self._read = read
        self._glyphs = glyphs
        self._found: Variables | None = None
        self._said = "Asking the kernel ..."
        self._sort = Column.SIZE
        self._is_reversed = False
        self._seen: tuple[object, ...] = ()
        """what the session was doing when it was read last"""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="variables", classes="full") as panel:
            panel.border_title = Content(f"Variables {self._glyphs.separator} {self._name_shown}")
            yield Static(id="table")

    def on_mount(self) -> None:
        self.query_one("#variables").focus()
        self.action_read()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def note(self, row: SessionRow | None) -> None:
        """Take in how the session is now: its variables are read again once it is idle after something ran."""
        if row is None:
            return
        seen = (row.state, row.run, row.cells, row.last_seen)
        has_changed = bool(self._seen) and seen != self._seen
        self._seen = seen
        if has_changed and row.state not in (SessionState.BUSY, SessionState.STARTING):
            self.action_read()

    def action_read(self) -> None:
        self.run_worker(self._ask(), group="variables", exclusive=True)

    async def _ask(self) -> None:
        try:
            self._found, self._said = await self._read(), ""
        except JlabError as error:
            self._said = str(error)  # what was read before stays
        self._draw()

    def _draw(self) -> None:
        found, dot = self._found, f" {self._glyphs.separator} "
        panel = self.query_one("#variables", VerticalScroll)
        width = max(20, panel.scrollable_content_region.width)
        lines = [Content.styled(self._said, "$warning"), Content("")] if self._said else []
        count = ""
        if found is not None and not found.rows:
            lines.append(Content("No variables yet."))
        elif found is not None:
            rows = sorted_by(found.rows, self._sort, is_reversed=self._is_reversed)
            lines += table_lines(rows, width, self._sort, is_reversed=self._is_reversed, glyphs=self._glyphs)
            more = f" of {found.total:,}, the largest" if len(rows) < found.total else ""
            count = f"{counted(len(rows), 'variable')}{more}"
        keys = ("s sorts", "r reverses", "enter reads again", "esc closes")
        panel.border_subtitle = Content(dot.join(part for part in (count, *keys) if part))
        self.query_one("#table", Static).update(Content("\n").join(lines))

    def action_sort(self, by: int) -> None:
        self._sort = COLUMNS[(COLUMNS.index(self._sort) + by) % len(COLUMNS)]
        self._is_reversed = False
        self._draw()

    def action_turn(self) -> None:
        self._is_reversed = not self._is_reversed
        self._draw()

    def action_close(self) -> None:
        self.dismiss(None)
