"""The feed: all cells of a session in one virtualised scroll view. Only rows on the screen are ever drawn.

Changes mark items as stale; a timer lays them out and repaints at most ten times a second, whatever the rate of events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer

from ...core.items import Cell, Change, Item, PictureOutput
from ..blocks import GUTTER, CodeBlock, Frame, PictureBlock
from ..fenwick import Fenwick
from ..layout import Layout, lay_out
from ..search import Match, find
from ..text_block import TextBlock
from ..themes import Palette
from ..wording import Glyphs, LocalTime

TICK_S = 0.1


class CellFocused(Message):
    """Another cell is the one that keys act on."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class FollowChanged(Message):
    """The feed began or stopped to follow its end, or what lies below changed."""


class PictureWanted(Message):
    """A picture has come into view and has not been drawn at this size."""

    def __init__(self, output: PictureOutput, columns: int, rows: int) -> None:
        super().__init__()
        self.output = output
        self.columns = columns
        self.rows = rows


class PlainBars(ScrollBarRender):
    """A scroll bar of spaces only, for terminals without block characters."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]


class Feed(ScrollView, can_focus=True):
    """Cells one below the other."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "line(-1)", "Line up", show=False, id="feed.up"),
        Binding("down,j", "line(1)", "Line down", show=False, id="feed.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="feed.page-up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="feed.page-down"),
        Binding("g,home", "top", "Top", show=False, id="feed.top"),
        Binding("G,end", "follow", "End, and follow", show=False, id="feed.follow"),
    ]

    def __init__(self, palette: Palette, glyphs: Glyphs, local: LocalTime, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.items: list[Item] = []
        self.follows = True
        self.current = -1
        """number of the item that keys act on; -1 where there is none"""
        self.needle = ""
        self.matches: list[Match] = []
        self.match = -1
        self.empty: tuple[tuple[str, str], ...] = ()
        """lines (text, hue) shown while there is no item"""
        self._places: dict[int, int] = {}
        self._heights = Fenwick()
        self._stale: set[int] = set()
        self._added: list[Item] = []
        self._expanded: set[int] = set()
        self._layouts: LRUCache[tuple[int, int], Layout] = LRUCache(512)
        self._drawn: LRUCache[tuple[int, int, int], tuple[int, Strip]] = LRUCache(2048)
        """rows drawn, each with the row of the feed that it was drawn for"""
        self._base: Style | None = None
        self._pictures: LRUCache[tuple[int, int, int], tuple[PictureOutput, Sequence[Strip]]] = LRUCache(48)
        self._asked: set[tuple[int, int, int]] = set()
        self._timer: Timer | None = None
        self._told: tuple[bool, int, bool] = (True, 0, False)
        self._glyphs = glyphs
        self._frame = Frame(80, 16, palette, glyphs, local, self._picture)

    def on_mount(self) -> None:
        if self._glyphs.bar == "|":
            self.vertical_scrollbar.renderer = PlainBars  # type: ignore[misc]

    # -- what is shown

    def show(self, items: Iterable[Item], names: Mapping[str, str] | None = None) -> None:
        """Show other items, from their end on."""
        self.items = []
        self._expanded.clear()
        self._stale.clear()
        self._added = list(items)
        self._places = {id(item): -1 for item in self._added}
        self._frame.names = dict(names or {})
        self._frame.indexes.clear()
        self._heights = Fenwick()
        self._forget()
        self.follows = True
        self.current = -1
        self.matches, self.match = [], -1
        self._tick_now()

    def take(self, changes: Iterable[Change]) -> None:
        """Take in items that are new or different."""
        for change in changes:
            item = change.item
            if item is None:
                continue
            place = self._places.get(id(item))
            if place is not None:
                self._stale.add(place)
            elif change.is_new:
                self._added.append(item)
                self._places[id(item)] = -1
        self._mark()

    def repaint_with(self, palette: Palette) -> None:
        self._frame.palette = palette
        self._base = None
        self._forget()
        self.refresh()

    def tick_clock(self, now: float) -> None:
        """A second has passed: the elapsed time of running cells in view is drawn anew."""
        self._frame.now = now
        first, last = self._span_in_view()
        for place in range(first, last + 1):
            item = self.items[place]
            if (
                isinstance(item, Cell)
                and item.is_running
                and self._heights.before(place) >= int(self.scroll_y)
            ):
                self.refresh_lines(self._heights.before(place), 1)

    def set_empty(self, lines: Sequence[tuple[str, str]]) -> None:
        if tuple(lines) != self.empty:
            self.empty = tuple(lines)
            if not self.items:
                self.refresh()

    def picture_ready(self, output: PictureOutput, columns: int, rows: int, strips: Sequence[Strip]) -> None:
        key = (id(output), columns, rows)
        self._pictures[key] = (output, strips)
        self._asked.discard(key)
        self._drawn.clear()
        self.refresh()

    @property
    def current_item(self) -> Item | None:
        return self.items[self.current] if 0 <= self.current < len(self.items) else None

    @property
    def rows_below(self) -> int:
        return max(0, self._heights.total - int(self.scroll_y) - self.scrollable_content_region.height)

    # -- layout

    def _mark(self) -> None:
        if self._timer is None and self.is_attached:
            self._timer = self.set_timer(TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._tick_now()

    def _tick_now(self) -> None:
        if not self.is_attached or not self.size.width:
            return
        total, top = self._heights.total, self.scroll_y
        stale = [place for place in self._stale if 0 <= place < len(self.items)]
        for place in stale:
            self._heights.set(place, self._layout(self.items[place]).height)
        self._stale.clear()
        if not self._added and self._heights.total == total and self.scroll_y == top and self.items:
            for place in stale:
                self._refresh_item(place)
            return
        for item in self._added:
            self._places[id(item)] = len(self.items)
            self.items.append(item)
            self._heights.append(self._layout(item).height)
        had_added, self._added = bool(self._added), []
        self._settle()
        if had_added and (self.follows or self.current < 0):
            self._focus_last_cell()
        self._tell_place()

    def _refresh_item(self, place: int) -> None:
        """Repaint the rows of one item that are in view."""
        top, height = int(self.scroll_y), self.scrollable_content_region.height
        first = self._heights.before(place)
        last = min(first + self._heights.heights[place], top + height)
        first = max(first, top)
        if first < last:
            self.refresh_lines(first, last - first)

    def _tell_place(self) -> None:
        """Say where the view stands, if that is news."""
        place = (self.follows, 0 if self.follows else self.rows_below, bool(self.items))
        if place != self._told:
            self._told = place
            self.post_message(FollowChanged())

    def _settle(self) -> None:
        """Give the scroll bar its range and repaint, without a layout of the whole screen."""
        total = self._heights.total
        region = self.scrollable_content_region
        if self.virtual_size.height != total or self.virtual_size.width != region.width:
            self.set_reactive(ScrollView.virtual_size, Size(region.width, total))
            self._scroll_update(self.virtual_size)
        if self.follows:
            end = max(0, total - region.height)
            self.set_reactive(ScrollView.scroll_target_y, float(end))
            if self.scroll_y != end:
                self.scroll_y = end
                return
        self.refresh()

    def _layout(self, item: Item) -> Layout:
        key = (id(item), item.version)
        layout = self._layouts.get(key)
        if layout is None:
            layout = lay_out(item, self._frame, expanded=id(item) in self._expanded)
            self._layouts[key] = layout
        return layout

    def _forget(self) -> None:
        self._layouts.clear()
        self._drawn.clear()

    def on_resize(self) -> None:
        region = self.scrollable_content_region
        rows = max(4, region.height * 2 // 3)
        self._base = None
        self.post_message(FollowChanged())
        if (region.width, rows) == (self._frame.width, self._frame.picture_rows):
            self._tick_now()  # items may have come before there was a size
            self._settle()
            return
        anchor = self._heights.find(int(self.scroll_y))[0] if self.items and not self.follows else -1
        self._frame = replace(self._frame, width=region.width, picture_rows=rows, indexes={})
        self._forget()
        self._heights = Fenwick(self._layout(item).height for item in self.items)
        self._tick_now()
        self._settle()
        if 0 <= anchor < len(self.items):
            self.scroll_to(y=self._heights.before(anchor), animate=False)

    def _span_in_view(self) -> tuple[int, int]:
        if not self.items:
            return 0, -1
        top = min(int(self.scroll_y), self._heights.total - 1)
        bottom = min(top + self.scrollable_content_region.height, self._heights.total) - 1
        return self._heights.find(max(0, top))[0], self._heights.find(max(0, bottom))[0]

    # -- drawing

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self._base is None:  # costs more than drawing a row
            self._base = self.rich_style
        base = self._base
        row = self.scroll_offset.y + y
        if row >= self._heights.total:
            return self._empty_line(y, width, base)
        place, inner = self._heights.find(row)
        item = self.items[place]
        key = (id(item), item.version, inner)
        selection = self.text_selection
        is_plain = inner > 0 and not self.needle and selection is None
        if is_plain and (drawn := self._drawn.get(key)) is not None and drawn[0] == row:
            return drawn[1]
        layout = self._layout(item)
        if inner >= layout.height:
            return Strip.blank(width, base)
        strip = Strip(layout.row(inner)).crop_extend(0, width, base).apply_style(base)
        if inner == 0 and place == self.current and len(self.items) > 1:
            strip = strip.apply_style(Style(bgcolor=self._frame.palette.style(back="panel").bgcolor))
        if self.needle:
            strip = self._marked(strip)
        if selection is not None and (span := selection.get_span(row)) is not None:
            strip = self._selected(strip, *span)
        strip = strip.apply_offsets(0, row)
        if is_plain:
            self._drawn[key] = (row, strip)
        return strip

    def _empty_line(self, y: int, width: int, base: Style) -> Strip:
        if self.items or not 0 <= y - 1 < len(self.empty):
            return Strip.blank(width, base)
        text, hue = self.empty[y - 1]
        style = self._frame.palette.style(hue)
        return Strip([Segment(f"  {text}", style)]).crop_extend(0, width, base).apply_style(base)

    def _marked(self, strip: Strip) -> Strip:
        flags = 0 if self.needle != self.needle.lower() else re.IGNORECASE
        text = strip.text
        style = self._frame.palette.style("warning", reverse=True)
        for match in reversed(list(re.finditer(re.escape(self.needle), text, flags))):
            start, end = cell_len(text[: match.start()]), cell_len(text[: match.end()])
            strip = _restyled(strip, start, end, style)
        return strip

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        last = strip.cell_length if end == -1 else min(end, strip.cell_length)
        return _restyled(strip, start, last, self.screen.get_component_rich_style("screen--selection"))

    def _picture(self, output: PictureOutput, columns: int, rows: int) -> Sequence[Strip] | None:
        key = (id(output), columns, rows)
        drawn = self._pictures.get(key)
        if drawn is not None:
            return drawn[1]
        if key not in self._asked:
            self._asked.add(key)
            # Not from here: a message made while the screen draws has the screen as sender and would not reach the app.
            self.call_later(lambda: self.post_message(PictureWanted(output, columns, rows)))
        return None

    # -- selection with the mouse

    @property
    def allow_select(self) -> bool:
        return True

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text without gutter and colours."""
        if not self._heights.total:
            return None
        first = selection.start.y if selection.start else 0
        last = min(selection.end.y if selection.end else self._heights.total, self._heights.total - 1)
        lines = [self._plain_row(row) for row in range(first, last + 1)]
        if not lines:
            return None
        if selection.end is not None:
            lines[-1] = lines[-1][: max(0, selection.end.x - GUTTER)]
        if selection.start is not None:
            lines[0] = lines[0][max(0, selection.start.x - GUTTER) :]
        return "\n".join(line.rstrip() for line in lines), "\n"

    def _plain_row(self, row: int) -> str:
        place, inner = self._heights.find(row)
        return Strip(self._layout(self.items[place]).row(inner)).text[GUTTER:]

    # -- moving

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        height = self.scrollable_content_region.height
        follows = new_value >= self._heights.total - height - 0.5
        if follows != self.follows:
            self.follows = follows
        self._tell_place()
        first, last = self._span_in_view()
        if self.items and not first <= self.current <= last:
            if follows:
                self._focus_last_cell()
            else:
                self._focus_cell(min(first + 1, last))

    def _focus_cell(self, place: int) -> None:
        place = max(-1, min(place, len(self.items) - 1))
        if place != self.current:
            self.current = place
            self.refresh()
            self.post_message(CellFocused(self.current_item))

    def _focus_last_cell(self) -> None:
        """Keys act on the last cell, also when notes follow it."""
        place = len(self.items) - 1
        while place > 0 and not isinstance(self.items[place], Cell):
            place -= 1
        self._focus_cell(place if self.items and isinstance(self.items[place], Cell) else len(self.items) - 1)

    def action_line(self, by: int) -> None:
        self.scroll_to(y=self.scroll_y + by, animate=False)

    def action_page(self, by: int) -> None:
        self.scroll_to(
            y=self.scroll_y + by * max(1, self.scrollable_content_region.height - 1), animate=False
        )

    def action_top(self) -> None:
        self.follows = False
        self.scroll_to(y=0, animate=False)
        self._focus_cell(0)

    def action_follow(self) -> None:
        self.follows = True
        self._focus_last_cell()
        self._settle()

    def move_cell(self, by: int) -> None:
        """To the previous or next cell; its first row comes into view."""
        if not self.items:
            return
        place = self.current + by
        while 0 <= place < len(self.items) and not isinstance(self.items[place], Cell):
            place += by
        if not 0 <= place < len(self.items):
            return
        self._focus_cell(place)
        self._bring(self._heights.before(place), self._heights.heights[place])

    def _bring(self, row: int, height: int) -> None:
        region = self.scrollable_content_region
        top = int(self.scroll_y)
        if row < top or row + min(height, region.height) > top + region.height:
            self.follows = False
            self.scroll_to(y=max(0, row - 1), animate=False)

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y - self.gutter.top
        if 0 <= row < self._heights.total:
            self._focus_cell(self._heights.find(row)[0])

    # -- folding

    def toggle_fold(self) -> bool:
        """Expand or fold the current item. Returns False when nothing of it is hidden."""
        item = self.current_item
        if item is None:
            return False
        is_expanded = id(item) in self._expanded
        if not is_expanded and not self._layout(item).folds:
            return False
        self._set_expanded(self.current, not is_expanded)
        self._settle()
        if is_expanded and not self.follows:
            self._bring(self._heights.before(self.current), self._heights.heights[self.current])
        return True

    def _set_expanded(self, place: int, expanded: bool) -> None:
        item = self.items[place]
        if expanded:
            self._expanded.add(id(item))
            self.follows = False
        else:
            self._expanded.discard(id(item))
        self._forget()
        self._heights.set(place, self._layout(item).height)

    # -- search

    def search(self, needle: str) -> int:
        """Mark every place of `needle` and go to the last one at or above the end of the view. Returns how many."""
        self.needle = needle
        self.matches = find(self.items, needle)
        self.match = -1
        self._drawn.clear()
        if self.matches:
            last_seen = self._span_in_view()[1]
            below = [n for n, match in enumerate(self.matches) if match.place <= last_seen]
            self._go_to(below[-1] if below else 0)
        self.refresh()
        return len(self.matches)

    def next_match(self, by: int) -> None:
        if self.matches:
            self._go_to((self.match + by) % len(self.matches))

    def _go_to(self, number: int) -> None:
        self.match = number
        match = self.matches[number]
        item = self.items[match.place]
        self.follows = False
        if self._layout(item).folds:
            self._set_expanded(match.place, True)
        layout = self._layout(item)
        inner = 0
        for block in layout.blocks:
            start = layout.start_of(match.output) if match.output is not None else 1
            if isinstance(block, TextBlock) and block.shows is match.output:
                inner = start + block.row_of(match.line)
            elif match.output is None and isinstance(block, CodeBlock):
                inner = 1 + match.line
            elif match.output is not None and not inner:
                inner = start + (0 if isinstance(block, PictureBlock) else match.line)
        row = self._heights.before(match.place) + min(inner, layout.height - 1)
        region = self.scrollable_content_region
        self._focus_cell(match.place)
        self.set_reactive(ScrollView.virtual_size, Size(region.width, self._heights.total))
        self._scroll_update(self.virtual_size)
        self.scroll_to(y=max(0, row - region.height // 2), animate=False)
        self.follows = False
        self.refresh()


def _restyled(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """`strip` with `style` on the columns from `start` to `end`."""
    if end <= start:
        return strip
    before, middle, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
    marked = Strip([Segment(s.text, (s.style or Style()) + style) for s in middle])
    return Strip.join([before, marked, after])
