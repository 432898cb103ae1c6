"""The rows of the feed's items: which item is at a row, its layout, whether it is expanded.

No widgets: changes only mark items, and `settle` lays out new and stale ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.cache import LRUCache
from textual.strip import Strip

from ..core.display.kitty_placeholders import without_placeholders
from ..core.feed.items import Change, FeedCell, FeedItem
from ..core.feed.tries import all_tries, tries_up_to
from .blocks import GUTTER, CodeBlock, Frame, ImageBlock
from .layout import Layout, lay_out, lay_out_tries
from .row_index import RowIndex
from .search import Match
from .text_block import TextBlock


@dataclass(frozen=True, slots=True)
class Settled:
    """What a call of `settle` found."""

    stale: tuple[int, ...]
    """places of items with a new layout"""
    has_added: bool
    has_moved: bool
    """whether the number of rows changed"""
    has_folded: bool = False
    """whether earlier tries of a cell were folded into a line"""


class ItemRows:
    """Items with their heights at one width."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.items: list[FeedItem] = []
        self._places: dict[int, int] = {}
        self._heights = RowIndex()
        self._laid_out: list[int] = []
        """version of each item when its height was measured"""
        self._stale: set[int] = set()
        self._added: list[FeedItem] = []
        self._expanded: set[int] = set()
        self._last = -1
        """place of the last cell, which fills the view"""
        self._tries: dict[int, range] = {}
        """the places of all tries of a cell, by that of each earlier one; they are one line while none of them is expanded"""
        self._solved: set[int] = set()
        """places of cells that ran well since tries were folded last"""
        self._layouts: LRUCache[tuple[int, int, bool, int], Layout] = LRUCache(512)

    # -- changes

    def show(self, items: Iterable[FeedItem], names: Mapping[str, str]) -> None:
        """Show other items; the next `settle` lays them out."""
        self.items = []
        self._expanded.clear()
        self._stale.clear()
        self._tries.clear()
        self._solved.clear()
        self._added = list(items)
        self._places = {id(item): -1 for item in self._added}
        self.frame.names = dict(names)
        self.frame.indexes.clear()
        self._heights = RowIndex()
        self._laid_out = []
        self._last = -1
        self.forget()

    def replace(self, items: Iterable[FeedItem], names: Mapping[str, str]) -> None:
        """Show other items, most of which are the same: only the others are laid out."""
        known = {
            (id(item), version): height
            for place, (item, version, height) in enumerate(
                zip(self.items, self._laid_out, self._heights.heights, strict=True)
            )
            if place not in self._tries
        }
        if self._last >= 0:
            known.pop((id(self.items[self._last]), self._laid_out[self._last]), None)
        self.items = list(items)
        self._last = self.last_cell()
        self.frame.names = dict(names)
        self._added = []
        self._stale.clear()
        self._places = {id(item): place for place, item in enumerate(self.items)}
        self._expanded &= self._places.keys()
        self._tries = {place: tries for tries in all_tries(self.items) for place in tries[:-1]}
        self._solved.clear()
        self._laid_out = [item.version for item in self.items]
        self._heights = RowIndex(
            known[key]
            if (key := (id(item), item.version)) in known and place not in self._tries
            else self.layout(place).height
            for place, item in enumerate(self.items)
        )

    def place_of(self, item: FeedItem | None) -> int:
        """Return the place of an item; -1 if it is not shown."""
        return self._places.get(id(item), -1)

    def take(self, changes: Iterable[Change]) -> None:
        """Note new and changed items."""
        for change in changes:
            item = change.item
            if item is None:
                continue
            place = self._places.get(id(item))
            if place is not None:
                self._stale.add(place)
            else:  # new, or not shown so far
                self._added.append(item)
                self._places[id(item)] = -1

    def settle(self, *, folds: bool = True) -> Settled:
        """Lay out new and stale items. `folds`: fold what was tried before a cell ran well, else a later call does."""
        stale = tuple(place for place in self._stale if 0 <= place < len(self.items))
        has_moved = bool(self._added)
        for place in stale:
            height = self.layout(place).height
            has_moved |= height != self.height(place)
            self._heights.set(place, height)
            self._laid_out[place] = self.items[place].version
        self._stale.clear()
        for item in self._added:
            self._places[id(item)] = len(self.items)
            self.items.append(item)
            self._laid_out.append(item.version)
            self._heights.append(self.layout(len(self.items) - 1).height)
        count, self._added = len(self._added), []
        has_added = count > 0
        if has_added:
            has_moved |= self._give_room(self.last_cell())
        self._solved.update(stale, range(len(self.items) - count, len(self.items)))
        has_folded = folds and self._fold_tries()
        return Settled(stale, has_added, has_moved or has_folded, has_folded)

    def _fold_tries(self) -> bool:
        """Fold the tries before cells that have run well. Returns whether there were any."""
        found = [tries for place in self._solved if (tries := tries_up_to(self.items, place)) is not None]
        self._solved.clear()
        new = [tries for tries in found if self._tries.get(tries[0]) != tries]
        for tries in new:
            self._tries.update(dict.fromkeys(tries[:-1], tries))
            self._measure(tries)
        return bool(new)

    def _measure(self, places: Iterable[int]) -> None:
        for place in places:
            self._heights.set(place, self.layout(place).height)

    def _give_room(self, place: int) -> bool:
        """Let another cell fill the view. Returns whether a height changed."""
        before, self._last = self._last, place
        if before == place:
            return False
        changed = False
        for other in {before, place} - {-1}:
            height = self.layout(other).height
            changed |= height != self.height(other)
            self._heights.set(other, height)
        return changed

    def make_room(self, rows: int) -> None:
        """Lay the last cell out for a view of so many rows."""
        if rows != self.frame.room:
            self.frame.room = rows
            self.forget()
            if 0 <= self._last < len(self.items):
                self._heights.set(self._last, self.layout(self._last).height)

    def reframe(self, frame: Frame) -> None:
        """Lay everything out again, at another width."""
        self.frame = frame
        self.forget()
        self._heights = RowIndex(self.layout(place).height for place in range(len(self.items)))

    def forget(self) -> None:
        """Drop layouts after a change of theme; they are remade when needed."""
        self._layouts.clear()

    def is_expanded(self, place: int) -> bool:
        return id(self.items[place]) in self._expanded

    def expand(self, place: int, expanded: bool) -> None:
        item = self.items[place]
        if expanded:
            self._expanded.add(id(item))
        else:
            self._expanded.discard(id(item))
            if isinstance(item, FeedCell):
                item.drop_middle()
        self.forget()
        self._measure(self._tries.get(place, (place,)))

    # -- questions

    @property
    def total(self) -> int:
        return self._heights.total

    def find(self, row: int) -> tuple[int, int]:
        """Return the place of the item at `row`, and the row inside it; `row` must be less than `total`."""
        return self._heights.find(row)

    def start(self, place: int) -> int:
        """Return the first row of an item."""
        return self._heights.before(place)

    def height(self, place: int) -> int:
        return self._heights.heights[place]

    def layout(self, place: int) -> Layout:
        item = self.items[place]
        is_last = place == self._last
        tries = self._folded(place)
        count = (len(tries) if place == tries[0] else 0) if tries is not None else -1
        key = (id(item), item.version, is_last, count)
        layout = self._layouts.get(key)
        if layout is None and count >= 0:
            layout = self._layouts[key] = lay_out_tries(item, count, self.frame)
        elif layout is None:
            layout = lay_out(item, self.frame, expanded=id(item) in self._expanded, is_last=is_last)
            self._layouts[key] = layout
        return layout

    def _folded(self, place: int) -> range | None:
        """Return the places of all tries of a cell if the item is an earlier one, and none of these is expanded."""
        tries = self._tries.get(place)
        is_open = tries is None or any(id(self.items[p]) in self._expanded for p in tries[:-1])
        return None if is_open else tries

    def shown_at(self, place: int) -> int:
        """Return the place of the item that stands for the one at `place`: most stand for themselves."""
        tries = self._folded(place)
        return place if tries is None else tries[0]

    def plain(self, row: int) -> str:
        """Return a row's text without gutter and colours."""
        place, inner = self.find(row)
        return without_placeholders(Strip(self.layout(place).row(inner)).text)[GUTTER:]

    def last_cell(self) -> int:
        """Return the place of the last cell, even if notes follow it; of the last item if there is no cell."""
        places = range(len(self.items) - 1, -1, -1)
        return next((p for p in places if isinstance(self.items[p], FeedCell)), len(self.items) - 1)

    def cell_beside(self, place: int, by: int) -> int:
        """Return the place of the cell before or after an item; -1 if there is none."""
        place += by
        while 0 <= place < len(self.items) and not (
            isinstance(self.items[place], FeedCell) and self._heights.heights[place]
        ):
            place += by
        return place if 0 <= place < len(self.items) else -1

    def row_of(self, match: Match) -> int:
        """Return the row of a match."""
        layout = self.layout(match.place)
        inner = 0
        for block in layout.blocks:
            start = layout.start_of(match.output) if match.output is not None else 1
            if isinstance(block, TextBlock) and block.shows is match.output:
                inner = start + block.row_of(match.line)
            elif match.output is None and isinstance(block, CodeBlock):
                inner = 1 + match.line
            elif match.output is not None and not inner:
                inner = start + (0 if isinstance(block, ImageBlock) else match.line)
        return self.start(match.place) + max(0, min(inner, layout.height - 1))
