"""Draws the feed: only the rows on the screen, each once, with selections and matches over them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.selection import Selection
from textual.strip import Strip

from ...core.feed.items import FeedCell, FeedItem, ImageOutput
from ..blocks import GUTTER, Frame
from ..drawn_images import DrawnImages
from ..format import Glyphs, LocalTime
from ..rows import ItemRows
from ..themes import Palette

SCREENS_DRAWN = 6
"""full views of images that are kept drawn: more than any view shows"""


class ImageWanted(Message):
    """An image came into view that is not drawn at this size yet."""

    def __init__(self, output: ImageOutput, columns: int, rows: int) -> None:
        super().__init__()
        self.output = output
        self.columns = columns
        self.rows = rows


class PlainBars(ScrollBarRender):
    """A scroll bar of spaces, for terminals without block characters."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]


class FeedCanvas(ScrollView):
    """Draws the rows of items that are in view."""

    def __init__(self, palette: Palette, glyphs: Glyphs, local: LocalTime, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = ItemRows(Frame(80, 16, palette, glyphs, local, self._image))
        self.current = -1
        """place of the item on which keys act; -1 if there is none"""
        self.needle = ""
        """text to mark"""
        self.match_row = -1
        """row of the current match"""
        self.empty: tuple[tuple[str, str], ...] = ()
        """lines (text, hue) to show without items"""
        self._drawn: LRUCache[tuple[int, int, int], tuple[int, Strip]] = LRUCache(512)
        """drawn rows by their row in the feed"""
        self._base: Style | None = None
        self._images = DrawnImages()
        self._asked: set[tuple[int, int, int]] = set()
        self._glyphs = glyphs

    def on_mount(self) -> None:
        if self._glyphs.is_ascii:
            self.vertical_scrollbar.renderer = PlainBars  # type: ignore[misc]

    @property
    def items(self) -> list[FeedItem]:
        return self.rows.items

    def span_in_view(self) -> tuple[int, int]:
        """Return the places of the first and the last item in view; (0, -1) if there is none."""
        if not self.items:
            return 0, -1
        top = min(int(self.scroll_y), self.rows.total - 1)
        bottom = min(top + self.scrollable_content_region.height, self.rows.total) - 1
        return self.rows.find(max(0, top))[0], self.rows.find(max(0, bottom))[0]

    def repaint_with(self, palette: Palette) -> None:
        self.rows.frame.palette = palette
        self._base = None
        self.forget()
        self.refresh()

    def forget(self) -> None:
        self.rows.forget()
        self._drawn.clear()

    def tick_clock(self, now: float) -> None:
        """Redraw the elapsed time of running cells in view, once a second."""
        self.rows.frame.now = now
        first, last = self.span_in_view()
        for place in range(first, last + 1):
            item, start = self.items[place], self.rows.start(place)
            if isinstance(item, FeedCell) and item.is_running:
                self.refresh_lines(max(start, int(self.scroll_y)), 1)
                if item.digest is not None and item.digest.pace(now) is not None:
                    inner = self.rows.layout(place).start_of(item.digest)
                    self._drawn.discard((id(item), item.version, inner))
                    self.refresh_lines(start + inner, 1)

    def set_empty(self, lines: Sequence[tuple[str, str]]) -> None:
        if tuple(lines) != self.empty:
            self.empty = tuple(lines)
            if not self.items:
                self.refresh()

    def image_ready(self, output: ImageOutput, columns: int, rows: int, strips: Sequence[Strip]) -> None:
        region = self.scrollable_content_region
        self._images.put(output, columns, rows, strips, SCREENS_DRAWN * region.width * region.height)
        self._asked.discard((id(output), columns, rows))
        self._drawn.clear()
        self.refresh()

    def draw_images_again(self) -> None:
        self._images.clear()
        self._asked.clear()
        self._drawn.clear()
        self.refresh()

    @property
    def current_item(self) -> FeedItem | None:
        return self.items[self.current] if 0 <= self.current < len(self.items) else None

    # -- drawing

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self._base is None:  # costs more than drawing a row
            self._base = self.rich_style
        base = self._base
        row = self.scroll_offset.y + y
        if row >= self.rows.total:
            return self._empty_line(y, width, base)
        place, inner = self.rows.find(row)
        item = self.items[place]
        if y == 0 and 0 < inner < self.rows.height(place) - 1 and isinstance(item, FeedCell):
            return self._header(place, width, base)
        key = (id(item), item.version, inner)
        selection = self.text_selection
        is_plain = inner > 0 and not self.needle and selection is None
        if is_plain and (drawn := self._drawn.get(key)) is not None and drawn[0] == row:
            return drawn[1]
        layout = self.rows.layout(place)
        if inner >= layout.height:
            return Strip.blank(width, base)
        if inner == 0:
            strip = self._header(place, width, base)
        else:
            strip = Strip(layout.row(inner)).crop_extend(0, width, base).apply_style(base)
        if self.needle:
            strip = self._marked(strip, "accent" if row == self.match_row else "warning")
        if selection is not None and (span := selection.get_span(row)) is not None:
            strip = self._selected(strip, *span)
        strip = strip.apply_offsets(0, row)
        if is_plain:
            self._drawn[key] = (row, strip)
        return strip

    def _header(self, place: int, width: int, base: Style) -> Strip:
        """Draw the first row of an item, which stays in view while the item's end is."""
        strip = Strip(self.rows.layout(place).row(0)).crop_extend(0, width, base).apply_style(base)
        if place == self.current and len(self.items) > 1:
            strip = strip.apply_style(Style(bgcolor=self.rows.frame.palette.style(back="panel").bgcolor))
        return strip

    def _empty_line(self, y: int, width: int, base: Style) -> Strip:
        if self.items or not 0 <= y - 1 < len(self.empty):
            return Strip.blank(width, base)
        text, hue = self.empty[y - 1]
        style = self.rows.frame.palette.style(hue)
        return Strip([Segment(f"  {text}", style)]).crop_extend(0, width, base).apply_style(base)

    def _marked(self, strip: Strip, hue: str) -> Strip:
        flags = 0 if self.needle != self.needle.lower() else re.IGNORECASE
        text = strip.text
        style = self.rows.frame.palette.style(hue, reverse=True)
        for match in reversed(list(re.finditer(re.escape(self.needle), text, flags))):
            start, end = cell_len(text[: match.start()]), cell_len(text[: match.end()])
            strip = _restyled(strip, start, end, style)
        return strip

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        last = strip.cell_length if end == -1 else min(end, strip.cell_length)
        return _restyled(strip, start, last, self.screen.get_component_rich_style("screen--selection"))

    def _image(self, output: ImageOutput, columns: int, rows: int) -> Sequence[Strip] | None:
        if (drawn := self._images.get(output, columns, rows)) is not None:
            return drawn
        key = (id(output), columns, rows)
        if key not in self._asked:
            self._asked.add(key)
            # Later: a message made while drawing has the screen as its sender and would not reach the app.
            self.call_later(lambda: self.post_message(ImageWanted(output, columns, rows)))
        return None

    # -- selection with the mouse

    @property
    def allow_select(self) -> bool:
        return True

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text without gutter and colours."""
        if not self.rows.total:
            return None
        first = selection.start.y if selection.start else 0
        last = min(selection.end.y if selection.end else self.rows.total, self.rows.total - 1)
        lines = [self.rows.plain(row) for row in range(first, last + 1)]
        if not lines:
            return None
        if selection.end is not None:
            lines[-1] = lines[-1][: max(0, selection.end.x - GUTTER)]
        if selection.start is not None:
            lines[0] = lines[0][max(0, selection.start.x - GUTTER) :]
        return "\n".join(line.rstrip() for line in lines), "\n"


def _restyled(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """Return `strip` with `style` on the columns from `start` to `end`."""
    if end <= start:
        return strip
    before, middle, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
    marked = Strip([Segment(s.text, (s.style or Style()) + style) for s in middle])
    return Strip.join([before, marked, after])
