"""The list of sessions: three rows each, or one line of tabs on a small screen. Selects by id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from ...services.dashboard.overview import SessionRow, SessionState
from ..ansi import one_line
from ..format import Glyphs, counted, gib, seconds, session_mark, shortened
from ..selection import ALL
from ..themes import Palette
from ..wrapping import Row
from .strips import StripWidget

ROWS_EACH = 3


class SessionChosen(Message):
    """The user selected a session in the list."""

    def __init__(self, session: str) -> None:
        super().__init__()
        self.session = session


def session_lines(row: SessionRow, width: int, now: float, palette: Palette, glyphs: Glyphs) -> list[Row]:
    """Return name, state and memory of one session, one row each."""
    mark, hue = session_mark(row.state, glyphs)
    muted = palette.style("muted")
    faded = row.state is SessionState.CLOSED
    name_style = palette.style("muted" if faded else "text", bold=not faded)
    dot = f" {glyphs.separator} "
    state = [row.state.value]
    if row.state is SessionState.BUSY and row.run_since:
        state = [f"busy {seconds(now - row.run_since)}"]
    if row.is_foreign:
        state.append("in JupyterLab")
    elif not row.is_partial:
        state.append(counted(row.cells, "cell"))
    memory = []
    if row.rss_mb is not None:
        memory.append(f"RAM {gib(row.rss_mb)}")
    if row.gpu_mb:
        memory.append(f"GPU {gib(row.gpu_mb)}")
    if row.is_orphan:
        memory.insert(0, "owner gone")
    elif not memory and row.owner and not faded:
        memory.append(row.owner)
    third = palette.style("accent") if row.is_orphan else muted
    return [
        [
            Segment(f"{mark} ", palette.style(hue, bold=True)),
            Segment(shortened(one_line(row.name), width - 2, glyphs.ellipsis), name_style),
        ],
        [Segment("  "), Segment(shortened(dot.join(state), width - 2, glyphs.ellipsis), muted)],
        [
            Segment("  "),
            Segment(
                shortened(dot.join(memory) or ("-" if glyphs.is_ascii else "–"), width - 2, glyphs.ellipsis),
                third,
            ),
        ],
    ]


class SessionList(StripWidget, can_focus=True):
    """A scrolling list of sessions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Previous session", show=False, id="list.previous"),
        Binding("down,j", "move(1)", "Next session", show=False, id="list.next"),
    ]
    rows: tuple[SessionRow, ...] = ()
    selected = ALL
    now = 0.0
    empty = "No session yet"
    _first = 0

    def show(self, rows: Sequence[SessionRow], selected: str, now: float) -> None:
        is_same = tuple(rows) == self.rows and selected == self.selected
        if is_same and (int(now) == int(self.now) or not any(row.run_since for row in rows)):
            return
        self.rows, self.selected, self.now = tuple(rows), selected, now
        self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        if not self.rows:
            return [Strip([Segment(f" {self.empty}", self.palette.style("muted"))])]
        self._scroll(height)
        strips: list[Strip] = []
        for row in self.rows[self._first :]:
            style = self.palette.style(back="panel") if row.session == self.selected else None
            for line in session_lines(row, width - 1, self.now, self.palette, self.glyphs):
                strip = Strip(line).adjust_cell_length(width)
                strips.append(strip.apply_style(style) if style else strip)
        return strips[:height]

    def _scroll(self, height: int) -> None:
        fit = max(1, height // ROWS_EACH)
        place = next((i for i, row in enumerate(self.rows) if row.session == self.selected), 0)
        self._first = min(self._first, place)
        self._first = max(self._first, place - fit + 1, 0)
        self._first = min(self._first, max(0, len(self.rows) - fit))

    def action_move(self, by: int) -> None:
        if not self.rows:
            return
        place = next((i for i, row in enumerate(self.rows) if row.session == self.selected), -1)
        place = min(len(self.rows) - 1, max(0, place + by))
        self.post_message(SessionChosen(self.rows[place].session))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        place = self._first + offset.y // ROWS_EACH
        if 0 <= place < len(self.rows):
            self.post_message(SessionChosen(self.rows[place].session))


class SessionTabs(StripWidget):
    """Sessions side by side in one row; the selected one is always in view."""

    rows: tuple[SessionRow, ...] = ()
    selected = ALL
    _spans: tuple[tuple[int, int, str], ...] = ()

    def show(self, rows: Sequence[SessionRow], selected: str) -> None:
        if tuple(rows) != self.rows or selected != self.selected:
            self.rows, self.selected = tuple(rows), selected
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        if not self.rows:
            return [Strip([Segment(" No session yet", self.palette.style("muted"))])]
        tabs = [self._tab(number, row) for number, row in enumerate(self.rows, 1)]
        place = next((i for i, row in enumerate(self.rows) if row.session == self.selected), 0)
        sizes = [sum(s.cell_length for s in tab) for tab in tabs]
        first = 0
        while first < place and sum(sizes[first : place + 1]) > width - 2:
            first += 1
        parts: Row = []
        spans = []
        used = 0
        for tab, size, row in zip(tabs[first:], sizes[first:], self.rows[first:], strict=True):
            if used + size > width:
                parts.append(Segment(" +"[: max(0, width - used)], self.palette.style("muted")))
                break
            spans.append((used, used + size, row.session))
            parts += tab
            used += size
        self._spans = tuple(spans)
        return [Strip(parts)]

    def _tab(self, number: int, row: SessionRow) -> Row:
        palette = self.palette
        mark, hue = session_mark(row.state, self.glyphs)
        back = "primary" if row.session == self.selected else ""
        bold = row.session == self.selected
        return [
            Segment(f" {number} ", palette.style("muted", back=back)),
            Segment(f"{mark} ", palette.style(hue, back=back, bold=True)),
            Segment(
                f"{shortened(one_line(row.name), 20, self.glyphs.ellipsis)} ",
                palette.style(back=back, bold=bold),
            ),
            Segment(" "),
        ]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for start, end, session in self._spans:
            if offset is not None and start <= offset.x < end:
                self.post_message(SessionChosen(session))
