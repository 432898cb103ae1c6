"""The feed: all cells of a session in one virtualised scroll view, which draws only rows on the screen.

Changes mark items as stale; a timer lays them out and repaints at most ten times a second.

One file, because scrolling, search and reading further back move one and the same position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.timer import Timer

from ...core.feed.items import Change, FeedCell, FeedItem, Note
from ..format import Glyphs, LocalTime
from ..search import OLDER, Match, find
from ..themes import Palette
from .canvas import FeedCanvas

TICK_S = 0.1
FILLS = 4
"""older parts that are read only to fill the view"""


class CellFocused(Message):
    """Keys now act on another cell."""

    def __init__(self, item: FeedItem | None) -> None:
        super().__init__()
        self.item = item


class FollowChanged(Message):
    """The feed started or stopped following its end, or the number of lines below changed."""


class NotFound(Message):
    """The text is in no cell, or in no earlier one."""

    def __init__(self, needle: str) -> None:
        super().__init__()
        self.needle = needle


class OlderWanted(Message):
    """The user went up to the first of the cells that were read."""


class FeedView(FeedCanvas, can_focus=True):
    """A scrolling list of cells. The first item may be a note that stands for cells which have not been read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "line(-1)", "Line up", show=False, id="feed.up"),
        Binding("down,j", "line(1)", "Line down", show=False, id="feed.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="feed.page-up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="feed.page-down"),
        Binding("g,home", "top", "Top", show=False, id="feed.top"),
        Binding("G,end", "follow", "End, and follow", show=False, id="feed.follow"),
    ]

    def __init__(self, palette: Palette, glyphs: Glyphs, local: LocalTime, *, id: str | None = None) -> None:
        super().__init__(palette, glyphs, local, id=id)
        self.follows = True
        self.matches: list[Match] = []
        self.match = -1
        self.is_seeking = False
        """older cells are read until one has the text"""
        self._wants_top = False
        """older cells are read until the first"""
        self._fills = 0
        self._timer: Timer | None = None
        self._told: tuple[bool, int, bool] = (True, 0, False)

    # -- what is shown

    def show(self, items: Iterable[FeedItem], names: Mapping[str, str] | None = None) -> None:
        """Show other items, from their end on."""
        self.rows.show(items, names or {})
        self._drawn.clear()
        self._images.clear()
        self.follows = True
        self.current = -1
        self.matches, self.match = [], -1
        self.is_seeking = self._wants_top = False
        self._fills = 0
        self._tick_now()

    def grow(self, items: Iterable[FeedItem], names: Mapping[str, str] | None = None) -> None:
        """Show more items, or more of them, around what is in view."""
        if not self.items:
            self.show(items, names)
            return
        first, last = self.span_in_view()
        anchor = next((i for i in self.items[first : last + 1] if not _is_older(i)), self.items[-1])
        above = self.rows.start(self.rows.place_of(anchor)) - int(self.scroll_y)
        current, before = self.current_item, len(self.items)
        self.rows.replace(items, names or {})
        self._drawn.clear()
        self.current = self.rows.place_of(current)
        if self.current >= 0:
            self.current = self.rows.shown_at(self.current)
        self._settle()
        if not self.follows:
            self.set_reactive(ScrollView.scroll_target_y, self.scroll_y)
            self.scroll_to(y=self.rows.start(max(0, self.rows.place_of(anchor))) - above, animate=False)
        self._find_again(max(0, len(self.items) - before) + 1)
        if self._wants_top:
            self.action_top()
        self._fill()
        self._tell_place()

    def take(self, changes: Iterable[Change]) -> None:
        """Take in new and changed items."""
        self.rows.take(changes)
        self._mark()

    @property
    def has_older(self) -> bool:
        return bool(self.items) and _is_older(self.items[0])

    def _look_up(self) -> None:
        """Ask for older cells when the first ones come near."""
        if self.has_older and self.scroll_y <= self.scrollable_content_region.height:
            self.post_message(OlderWanted())

    def _fill(self) -> None:
        """Ask for older cells while there is room for them."""
        if self.has_older and self.rows.total < self.scrollable_content_region.height and self._fills < FILLS:
            self._fills += 1
            self.post_message(OlderWanted())

    @property
    def rows_below(self) -> int:
        return max(0, self.rows.total - int(self.scroll_y) - self.scrollable_content_region.height)

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
        settled = self.rows.settle(folds=self.follows)
        if settled.has_folded:
            self._drawn.clear()
            self._focus_cell(self.current)
        if not settled.has_moved and self.items:
            for place in settled.stale:
                self._refresh_item(place)
            return
        self._settle()
        if settled.has_added and (self.follows or self.current < 0):
            self._focus_last_cell()
        self._fill()
        self._tell_place()

    def _refresh_item(self, place: int) -> None:
        """Repaint the rows of one item that are in view."""
        top, height = int(self.scroll_y), self.scrollable_content_region.height
        first = self.rows.start(place)
        last = min(first + self.rows.height(place), top + height)
        first = max(first, top)
        if first < last:
            self.refresh_lines(first, last - first)

    def _tell_place(self) -> None:
        """Post the view's position if it changed."""
        place = (self.follows, 0 if self.follows else self.rows_below, bool(self.items))
        if place != self._told:
            self._told = place
            self.post_message(FollowChanged())

    def _settle(self) -> None:
        """Set the scroll bar's range and repaint, without laying out the whole screen."""
        total = self.rows.total
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

    def on_resize(self) -> None:
        region = self.scrollable_content_region
        rows = max(4, region.height * 2 // 3)
        self._base = None
        self.post_message(FollowChanged())
        self.rows.make_room(region.height)
        frame = self.rows.frame
        if (region.width, rows) == (frame.width, frame.image_rows):
            self._tick_now()  # items may come before the first size
            self._settle()
            return
        anchor = self.rows.find(int(self.scroll_y))[0] if self.items and not self.follows else -1
        self.rows.reframe(replace(frame, width=region.width, image_rows=rows, indexes={}))
        self._drawn.clear()
        self._tick_now()
        self._settle()
        if 0 <= anchor < len(self.items):
            self.scroll_to(y=self.rows.start(anchor), animate=False)

    # -- moving

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        height = self.scrollable_content_region.height
        follows = new_value >= self.rows.total - height - 0.5
        if follows != self.follows:
            self.follows = follows
        self._tell_place()
        first, last = self.span_in_view()
        if self.items and not first <= self.current <= last:
            if follows:
                self._focus_last_cell()
            else:
                self._focus_cell(min(first + 1, last))

    def _focus_cell(self, place: int) -> None:
        place = max(-1, min(place, len(self.items) - 1))
        if place >= 0:
            place = self.rows.shown_at(place)
        if place != self.current:
            self.current = place
            self.refresh()
            self.post_message(CellFocused(self.current_item))

    def _focus_last_cell(self) -> None:
        """Make keys act on the last cell, even if notes follow it."""
        self._focus_cell(self.rows.last_cell())

    def action_line(self, by: int) -> None:
        self._wants_top = False
        self.scroll_to(y=self.scroll_y + by, animate=False)
        if by < 0:
            self._look_up()

    def action_page(self, by: int) -> None:
        self._wants_top = False
        self.scroll_to(
            y=self.scroll_y + by * max(1, self.scrollable_content_region.height - 1), animate=False
        )
        if by < 0:
            self._look_up()

    def on_mouse_scroll_up(self) -> None:
        self._look_up()

    def on_mouse_scroll_down(self) -> None:
        self._wants_top = False

    def action_top(self) -> None:
        """Go to the first cell; read on until it is the session's first."""
        self.follows = False
        self.scroll_to(y=0, animate=False)
        self._focus_cell(0)
        self._wants_top = self.has_older
        self._look_up()

    def action_follow(self) -> None:
        self._wants_top = False
        self.follows = True
        self._tick_now()
        self._focus_last_cell()
        self._settle()

    def move_cell(self, by: int) -> None:
        """Go to the previous or next cell and show its first row."""
        self._wants_top = False
        place = self.rows.cell_beside(self.current, by)
        if place >= 0:
            self._focus_cell(place)
            self._bring(place)
        if by < 0:
            self._look_up()

    def go_to_run(self, run: str) -> bool:
        """Go to the cell of a run. Returns False if it is not shown."""
        self._tick_now()
        place = next((p for p, i in enumerate(self.items) if isinstance(i, FeedCell) and i.run == run), -1)
        if place >= 0:
            self._wants_top = False
            if self.rows.shown_at(place) != place:
                self._expand(place, True)
                self._settle()
            self._focus_cell(place)
            self._bring(place)
        return place >= 0

    def _bring(self, place: int) -> None:
        row, height = self.rows.start(place), self.rows.height(place)
        region = self.scrollable_content_region
        top = int(self.scroll_y)
        if row < top or row + min(height, region.height) > top + region.height:
            self.follows = False
            self.scroll_to(y=max(0, row - 1), animate=False)

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y - self.gutter.top
        if 0 <= row < self.rows.total:
            self._focus_cell(self.rows.find(row)[0])

    # -- folding

    def toggle_fold(self) -> bool:
        """Expand or fold the current item. Returns False if it hides nothing."""
        if self.current_item is None:
            return False
        is_expanded = self.rows.is_expanded(self.current)
        if not is_expanded and not self.rows.layout(self.current).folds:
            return False
        self._expand(self.current, not is_expanded)
        self._focus_cell(self.current)
        self._settle()
        if is_expanded and not self.follows:
            self._bring(self.current)
        return True

    @property
    def is_expanded(self) -> bool:
        """Whether the current item is shown whole."""
        return self.current_item is not None and self.rows.is_expanded(self.current)

    def _expand(self, place: int, expanded: bool) -> None:
        if expanded:
            self.follows = False
        self.rows.expand(place, expanded)
        self._drawn.clear()

    # -- search

    def search(self, needle: str) -> bool:
        """Mark all matches of `needle` and go to the last one at or above the end of the view, or read older cells until there is
        one. Returns whether there is one, or may be."""
        self.needle, self.match_row = needle, -1
        self.matches = find(self.items, needle)
        self.match = -1
        self.is_seeking = bool(needle) and not self.matches and self.has_older
        self._drawn.clear()
        if self.matches:
            last_seen = self.span_in_view()[1]
            below = [n for n, match in enumerate(self.matches) if match.place <= last_seen]
            self._go_to(below[-1] if below else 0)
        elif self.is_seeking:
            self.post_message(OlderWanted())
        self.refresh()
        return bool(self.matches) or self.is_seeking

    def _find_again(self, added: int) -> None:
        """Search the `added` first items, too. The matches that were known are the last ones now."""
        if not self.needle:
            return
        from_end, were_known = len(self.matches) - self.match, bool(self.matches)
        if were_known or find(self.items[:added], self.needle):
            self.matches = find(self.items, self.needle)
        known = len(self.matches) - from_end if were_known else len(self.matches)
        if not self.is_seeking:
            self.match = known if were_known else -1
            self.match_row = self.rows.row_of(self.matches[known]) if were_known else -1
        elif known > 0:
            self.is_seeking = False
            self._go_to(known - 1)
        elif self.has_older:
            self.match = known if were_known else -1
            self.post_message(OlderWanted())
        else:
            self.is_seeking = False
            self.match = known if were_known else -1
            self.post_message(NotFound(self.needle))

    def next_match(self, by: int) -> None:
        if self.match == 0 and by < 0 and self.has_older:
            self.is_seeking = True
            self.post_message(OlderWanted())
        elif self.matches:
            self._go_to((self.match + by) % len(self.matches))

    def _go_to(self, number: int) -> None:
        self.match = number
        match = self.matches[number]
        self.follows = False
        if self.rows.layout(match.place).folds:
            self._expand(match.place, True)
        row = self.match_row = self.rows.row_of(match)
        region = self.scrollable_content_region
        self._focus_cell(match.place)
        self.set_reactive(ScrollView.virtual_size, Size(region.width, self.rows.total))
        self._scroll_update(self.virtual_size)
        self.scroll_to(y=max(0, row - region.height // 2), animate=False)
        self.follows = False
        self.refresh()


def _is_older(item: FeedItem) -> bool:
    return isinstance(item, Note) and item.level == OLDER
