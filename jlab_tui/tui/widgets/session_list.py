"""The list of sessions: three rows each, below them the history; or one line of tabs on a small screen. Selects by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from ...services.dashboard.overview import NO_PAST, PastSessions, SessionRow, SessionState
from ..ansi import one_line
from ..format import Glyphs, age, counted, gib, seconds, session_mark, shortened
from ..selection import ALL
from ..themes import Palette
from ..wrapping import Row
from .strips import StripWidget

ROWS_EACH = 3
HISTORY, MORE = "history:", "more:"
"""entries of the list that are no sessions"""


class SessionChosen(Message):
    """The user selected a session in the list."""

    def __init__(self, session: str) -> None:
        super().__init__()
        self.session = session


class Choosing(Message):
    """The user moves in the list."""


class HistoryToggled(Message):
    """The user opened or folded the history."""


class MoreWanted(Message):
    """The user came to the end of the history that was read."""


def session_lines(
    row: SessionRow, width: int, now: float, palette: Palette, glyphs: Glyphs, unread: int = 0
) -> list[Row]:
    """Return name, state, and memory or what it prints of one session, one row each. `unread`: runs that ended unseen."""
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
        state.append(f"{row.cells:,}+ cells" if row.has_older else counted(row.cells, "cell"))
    memory = []
    if row.rss_mb is not None:
        memory.append(f"RAM {gib(row.rss_mb)}")
    if row.gpu_mb:
        memory.append(f"GPU {gib(row.gpu_mb)}")
    if row.state is SessionState.ENDED:
        memory = [row.fate or "with its server"]
    elif row.is_orphan:
        memory.insert(0, row.fate or "owner gone")
    elif not memory and row.owner and not faded:
        memory.append(row.owner)
    third = palette.style("accent") if row.is_orphan or row.needs else muted
    if row.needs:
        memory = [row.needs]
    elif not row.is_orphan and row.state is not SessionState.ENDED and (said := one_line(row.said)):
        memory, third = [said], palette.style("text")
    new = f"{unread:,} new" if unread else ""
    name = shortened(one_line(row.name), width - 2 - (len(new) + 1 if new else 0), glyphs.ellipsis)
    gap = " " * (width - 2 - cell_len(name) - len(new)) if new else ""
    return [
        [
            Segment(f"{mark} ", palette.style(hue, bold=True)),
            Segment(name, name_style),
            Segment(f"{gap}{new}", _unread_style(row, palette)),
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


def _unread_style(row: SessionRow, palette: Palette) -> Style:
    return palette.style("error" if row.state is SessionState.FAILED else "accent", bold=True)


def past_line(row: SessionRow, width: int, now: float, palette: Palette, glyphs: Glyphs) -> Row:
    """Return one row for a session of the history: its name, and how long ago it was used."""
    when = age(now - row.last_seen) if row.last_seen else ""
    name = shortened(one_line(row.name), width - len(when) - 5, glyphs.ellipsis)
    muted = palette.style("muted")
    gap = " " * max(1, width - len(name) - len(when) - 4)
    mark = Segment(f"  {session_mark(row.state, glyphs)[0]} ", palette.style("faint"))
    return [mark, Segment(name, muted), Segment(gap), Segment(when, palette.style("faint"))]


class SessionList(StripWidget, can_focus=True):
    """A scrolling list of sessions, and of the closed ones if the user opens the history."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Previous session", show=False, id="list.previous"),
        Binding("down,j", "move(1)", "Next session", show=False, id="list.next"),
        Binding("enter", "fold", "Open or fold the history", show=False, id="list.history"),
    ]
    rows: tuple[SessionRow, ...] = ()
    past = NO_PAST
    unread: Mapping[str, int] = {}
    selected = ALL
    now = 0.0
    empty = "No session yet"
    _first = 0
    _last = -1
    """place of the entry before the one that took the place of `MORE`"""
    _cursor = ""
    """the entry that is no session and on which the user stands"""

    def show(
        self,
        rows: Sequence[SessionRow],
        selected: str,
        now: float,
        past: PastSessions = NO_PAST,
        unread: Mapping[str, int] | None = None,
    ) -> None:
        unread = unread or {}
        is_same = tuple(rows) == self.rows and (selected, past, unread) == (
            self.selected,
            self.past,
            self.unread,
        )
        if is_same and (int(now) == int(self.now) or not any(row.run_since for row in rows)):
            return
        if selected != self.selected:
            self._cursor = ""
        self.rows, self.selected, self.now, self.past = tuple(rows), selected, now, past
        self.unread = unread
        self.redraw()

    @property
    def full_height(self) -> int:
        """Rows of the whole list."""
        past = sum(row.is_past for row in self.rows)
        lines = int(self.past.count > 0) + past + int(self.past.is_open and self.past.left > 0)
        return ROWS_EACH * (len(self.rows) - past) + lines

    def fit_height(self) -> None:
        """Make the widget as high as its list, in its border."""
        height = max(1, self.full_height) + 2
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height

    def _entries(self, width: int) -> list[tuple[str, list[Row]]]:
        """Return the entries from top to bottom, each with its rows."""
        palette, glyphs, past = self.palette, self.glyphs, self.past
        now_rows = [row for row in self.rows if not row.is_past]
        found = [
            (
                row.session,
                session_lines(row, width, self.now, palette, glyphs, self.unread.get(row.session, 0)),
            )
            for row in now_rows
        ]
        if past.count:
            mark = glyphs.unfolded if past.is_open else glyphs.folded
            hint = "" if past.is_open else f" {glyphs.separator} C"
            text = shortened(f"{mark} {past.count:,} closed{hint}", width, glyphs.ellipsis)
            found.append((HISTORY, [[Segment(text, palette.style("muted"))]]))
        for row in self.rows[len(now_rows) :]:
            found.append((row.session, [past_line(row, width, self.now, palette, glyphs)]))
        if past.is_open and past.left:
            text = f"  {glyphs.ellipsis} {past.left:,} older"
            found.append((MORE, [[Segment(text, palette.style("faint"))]]))
        return found

    def build(self, width: int, height: int) -> list[Strip]:
        entries = self._entries(width - 1)
        if not entries:
            return [Strip([Segment(f" {self.empty}", self.palette.style("muted"))])]
        here = self._cursor or self.selected
        self._scroll([(key, len(lines)) for key, lines in entries], here, height)
        strips: list[Strip] = []
        for key, lines in entries[self._first :]:
            style = self.palette.style(back="panel") if key == here else None
            for line in lines:
                strip = Strip(line).adjust_cell_length(width)
                strips.append(strip.apply_style(style) if style else strip)
        return strips[:height]

    def _scroll(self, entries: Sequence[tuple[str, int]], here: str, height: int) -> None:
        """Choose the first entry in view so that the one where the user stands is seen, and no room is left over."""
        place = next((n for n, (key, _) in enumerate(entries) if key == here), 0)
        self._first = min(self._first, place)
        while self._first < place and sum(rows for _, rows in entries[self._first : place + 1]) > height:
            self._first += 1
        while self._first and sum(rows for _, rows in entries[self._first - 1 :]) <= height:
            self._first -= 1

    def action_move(self, by: int) -> None:
        keys = [key for key, _ in self._entries(80)]
        if not keys:
            return
        here = self._cursor or self.selected
        place = keys.index(here) if here in keys else self._last
        place = min(len(keys) - 1, max(0, place + by))
        self._last = place - 1 if keys[place] == MORE else place
        self._go(keys[place])

    def _go(self, key: str) -> None:
        self._cursor = key if key in (HISTORY, MORE) else ""
        if key == MORE:
            self.post_message(MoreWanted())
        if self._cursor:
            self.redraw()
        else:
            self.post_message(SessionChosen(key))

    def on_focus(self) -> None:
        self.post_message(Choosing())

    def on_mouse_move(self) -> None:
        self.post_message(Choosing())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "fold" or self._cursor == HISTORY

    def action_fold(self) -> None:
        self.post_message(HistoryToggled())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        row = 0
        for key, lines in self._entries(80)[self._first :]:
            row += len(lines)
            if offset.y < row:
                self._go(key)
                if key == HISTORY:
                    self.post_message(HistoryToggled())
                return


class SessionTabs(StripWidget):
    """Sessions side by side in one row; the selected one is always in view."""

    rows: tuple[SessionRow, ...] = ()
    past = NO_PAST
    unread: Mapping[str, int] = {}
    selected = ALL
    _spans: tuple[tuple[int, int, str], ...] = ()

    def show(
        self,
        rows: Sequence[SessionRow],
        selected: str,
        past: PastSessions = NO_PAST,
        unread: Mapping[str, int] | None = None,
    ) -> None:
        unread = unread or {}
        if tuple(rows) != self.rows or (selected, past, unread) != (self.selected, self.past, self.unread):
            self.rows, self.selected, self.past, self.unread = tuple(rows), selected, past, unread
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        muted = self.palette.style("muted")
        closed = (
            f" {self.glyphs.folded} {self.past.count:,} closed"
            if self.past.count and not self.past.is_open
            else ""
        )
        if not self.rows:
            return [Strip([Segment(closed or " No session yet", muted)])]
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
        else:
            if used + len(closed) <= width:
                spans.append((used, used + len(closed), HISTORY))
                parts.append(Segment(closed, muted))
        self._spans = tuple(spans)
        return [Strip(parts)]

    def _tab(self, number: int, row: SessionRow) -> Row:
        palette = self.palette
        mark, hue = session_mark(row.state, self.glyphs)
        back = "primary" if row.session == self.selected else ""
        bold = row.session == self.selected
        new = self.unread.get(row.session, 0)
        return [
            Segment(f" {number} ", palette.style("muted", back=back)),
            Segment(f"{mark} ", palette.style(hue, back=back, bold=True)),
            Segment(
                f"{shortened(one_line(row.name), 20, self.glyphs.ellipsis)} ",
                palette.style(back=back, bold=bold),
            ),
            Segment(f"+{new} " if new else "", _unread_style(row, palette)),
            Segment(" "),
        ]

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for start, end, session in self._spans:
            if offset is not None and start <= offset.x < end:
                self.post_message(HistoryToggled() if session == HISTORY else SessionChosen(session))
