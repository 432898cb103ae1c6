"""Folds events into the outputs of one cell, bounded in memory: it keeps head and tail, and counts the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, assert_never

from ..display.image_numbers import ImageCount, Place
from ..display.widgets import view_of
from ..journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    OutputCleared,
    TextPrinted,
    WidgetsChanged,
)
from .latest import LatestOutput
from .output_items import (
    REPLY,
    CellLimits,
    DataItem,
    ErrorItem,
    Gap,
    OutputItem,
    TextItem,
    chars_of,
    copied,
    is_image,
    rich_size,
    stream_of,
)
from .stored import Recorded

_CHUNK: Final = 32 * 1024
_Fact = TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised | WidgetsChanged


@dataclass(slots=True)
class CellOutputs:
    """Outputs of a run so far."""

    limits: CellLimits = REPLY
    head: list[OutputItem] = field(default_factory=list)
    tail: deque[OutputItem] = field(default_factory=deque)
    elsewhere: dict[str, DataItem] = field(default_factory=dict)
    """new data of earlier cells' displays, set by this run, by display id"""
    dropped_chars: int = 0
    dropped_items: int = 0
    unrecorded: int = 0
    """dropped characters that the run's record also lacks"""
    images: ImageCount = field(default_factory=ImageCount)
    record_only: int = 0
    """outputs too large to keep here"""
    total_chars: int = 0
    latest: LatestOutput = field(default_factory=LatestOutput)
    _head_chars: int = 0
    _tail_chars: int = 0
    _images: int = 0
    _data: int = 0
    _held: int = 0
    """characters of images and other data in memory"""
    _clear_pending: set[str] = field(default_factory=set)
    """the next output clears what these widgets captured; empty for the cell's own output"""
    _views: dict[str, list[DataItem]] = field(default_factory=dict)
    """outputs by the widget that they show"""

    def feed(self, event: _Fact, recorded: Recorded = None, at: float = 0.0) -> bool:
        """Apply one event of a time (epoch seconds; 0 if unknown); `recorded` is its data in the run's record, if that has
        it. Returns whether anything changed."""
        self.latest.at = max(at, self.latest.at)
        if isinstance(event, WidgetsChanged):
            return self._change_views(event)
        places = self.images.feed(event)
        match event:
            case OutputCleared():
                if event.wait:
                    self._clear_pending.add(event.into)
                    return False
                self._clear(event.into)
            case DataUpdated():
                found = self._update(event, recorded)
                if found:
                    self.latest.update(event.data)
                if not found or event.display_id in self.elsewhere:
                    self._update_elsewhere(event, places[0], recorded)
                return found
            case TextPrinted():
                self._before_output(event.into)
                self._print(event)
            case DataShown():
                self._before_output(event.into)
                self._show(event, places[0], recorded)
            case ErrorRaised():
                self._before_output(event.into)
                self._put(ErrorItem(event.ename, event.evalue, event.traceback, event.into))
            case _:
                assert_never(event)
        return True

    def update(self, event: DataUpdated) -> bool:
        """Apply another run's new data for a display. Returns whether the display is here."""
        self.images.update(event)
        return self._update(event)

    def shows(self, models: Iterable[str]) -> bool:
        """Return whether an output here shows one of these widgets."""
        return any(model_id in self._views for model_id in models)

    def _update(self, event: DataUpdated, recorded: Recorded = None) -> bool:
        found = False
        for item in self.items():
            if isinstance(item, DataItem) and item.display_id == event.display_id:
                found = True
                self._count(item, -1)
                item.data, item.metadata, item.size = event.data, event.metadata, rich_size(event.data)
                if item.recorded is not None:
                    item.recorded = item.view = None
                item.in_record_only = False
                item.let_go(recorded, self._held)
                self._count(item, 1)
        return found

    def _change_views(self, event: WidgetsChanged) -> bool:
        found = False
        for model_id, words in event.views.items():
            self.latest.change(words)
            for item in self._views.get(model_id, ()):
                item.view, found = words, True
            if model_id not in self._views:
                self._update_elsewhere(DataUpdated(event.run, model_id, {"text/plain": words}), Place())
        return found

    def _update_elsewhere(self, event: DataUpdated, place: Place, recorded: Recorded = None) -> None:
        old = self.elsewhere.pop(event.display_id, None)
        if old is not None:
            self._count(old, -1)
        size = rich_size(event.data)
        item = DataItem(event.data, event.metadata, event.display_id, None, place, size)
        if self._has_room(item) and len(self.elsewhere) < self.limits.items_half:
            item.let_go(recorded, self._held)
            self._count(item, 1)
            self.elsewhere[event.display_id] = item

    def not_recorded(self, chars: int) -> None:
        """Note text that the record only counts."""
        self.dropped_chars += chars
        self.unrecorded += chars

    @property
    def last_line(self) -> str:
        """Return the last line that is not blank, as a terminal shows it, for progress messages: of the widget or display that
        changed last, or else of the printed text."""
        return self.latest.line

    @property
    def size(self) -> int:
        """characters in memory"""
        errors = (line for item in self.items() if isinstance(item, ErrorItem) for line in item.traceback)
        return self._head_chars + self._tail_chars + self._held + sum(map(len, errors))

    def copy(self) -> CellOutputs:
        """Return a copy that a thread can read while this one keeps changing."""
        return replace(
            self,
            images=replace(self.images),
            latest=self.latest.copy(),
            head=[copied(item) for item in self.head],
            elsewhere=dict(self.elsewhere),
            tail=deque(copied(item) for item in self.tail),
            _clear_pending=set(self._clear_pending),
            _views={},
        )

    def narrowed(self, limits: CellLimits) -> CellOutputs:
        """Return these outputs with no more text than fits other limits; the same ones where it does."""
        if self._head_chars + self._tail_chars <= 2 * limits.text_half:
            return self
        narrow = replace(self, limits=limits, head=[], tail=deque(), _head_chars=0, _tail_chars=0)
        for item in self.joined():
            match item:
                case TextItem():
                    narrow._add_text(item.stream, item.text, item.into)
                case Gap():
                    pass  # counted already
                case _:
                    narrow._put(item)
        return narrow

    def items(self) -> Iterator[OutputItem]:
        yield from self.head
        yield from self.tail

    @property
    def gap(self) -> Gap | None:
        """Return what was dropped between head and tail."""
        counts = ((self.dropped_chars, "characters"), (self.dropped_items, "outputs"))
        what = " and ".join(f"{count:,} {name}" for count, name in counts if count)
        return Gap(what) if what else None

    def joined(self) -> Iterator[OutputItem | Gap]:
        """Join neighbouring text of one stream; a progress bar continues at the place where it began."""
        gap = self.gap
        for part in ([*self.items()],) if gap is None else (self.head, (gap,), self.tail):
            for (stream, into), group in groupby(part, stream_of):
                if stream:
                    text = "".join(item.text for item in group if isinstance(item, TextItem))
                    yield TextItem(stream, [text], len(text), into)
                else:
                    yield from group

    @property
    def is_cut(self) -> bool:
        return bool(self.dropped_chars or self.dropped_items or self.record_only)

    @property
    def error(self) -> ErrorItem | None:
        return next(
            (item for item in reversed([*self.items()]) if isinstance(item, ErrorItem) and not item.into),
            None,
        )

    def _before_output(self, into: str) -> None:
        if into in self._clear_pending:
            self._clear(into)

    def _clear(self, into: str) -> None:
        """Remove the cell's own output, or what a widget captured."""
        self._clear_pending.discard(into)
        self.head = [item for item in self.head if item.into != into]
        self.tail = deque(item for item in self.tail if item.into != into)
        self._head_chars, self._tail_chars = chars_of(self.head), chars_of(self.tail)
        self._images = self._data = self._held = self.record_only = 0
        self._views = {}
        for item in (*self.items(), *self.elsewhere.values()):
            if isinstance(item, DataItem):
                self._count(item, 1)
                self.record_only += item.in_record_only
        for item in self.items():
            self._index(item)
        if not into:
            self.dropped_chars = self.dropped_items = self.unrecorded = 0
            self.latest.clear()

    def _print(self, event: TextPrinted) -> None:
        text = event.text
        self.total_chars += len(text)
        self.latest.print(text, f"{event.stream} {event.into}")
        self._add_text(event.stream, text, event.into)

    def _add_text(self, stream: str, text: str, into: str) -> None:
        half = self.limits.text_half
        if not self.tail and self._head_chars < half:
            room = half - self._head_chars
            piece, text = text[:room], text[room:]
            last = self.head[-1] if self.head else None
            if isinstance(last, TextItem) and last.stream == stream and last.into == into:
                last.parts.append(piece)
                last.size += len(piece)
                self._head_chars += len(piece)
            elif len(self.head) < self.limits.items_half:
                self.head.append(TextItem(stream, [piece], len(piece), into))
                self._head_chars += len(piece)
            else:
                text = piece + text
        if len(text) > half:
            self.dropped_chars += len(text) - half
            text = text[-half:]
        if text:
            last = self.tail[-1] if self.tail else None
            is_same = isinstance(last, TextItem) and last.stream == stream and last.into == into
            if isinstance(last, TextItem) and is_same and last.size < _CHUNK:
                last.parts.append(text)
                last.size += len(text)
            else:
                self.tail.append(TextItem(stream, [text], len(text), into))
            self._tail_chars += len(text)
            self._evict()

    def _show(self, event: DataShown, place: Place, recorded: Recorded) -> None:
        size = rich_size(event.data)
        item = DataItem(
            event.data, event.metadata, event.display_id, event.execution_count, place, size,
            into=event.into, view=event.view,
        )  # fmt: skip
        self.latest.show(event)
        if not self._has_room(item):
            # The record has it in full; keep only its place here.
            self.record_only += 1
            what = f"image {place.number}" if place.number else "rich output"
            note = {"text/plain": f"[{what} ({size:,} characters) is only in the run's record]"}
            item = replace(item, data=note, metadata={}, size=0, in_record_only=True)
        item.let_go(recorded, self._held)
        self._count(item, 1)
        self._index(item)
        self._put(item)

    def _index(self, item: OutputItem) -> None:
        if isinstance(item, DataItem) and (model_id := view_of(item.data)):
            self._views.setdefault(model_id, []).append(item)

    def _has_room(self, item: DataItem) -> bool:
        if is_image(item.data):
            return self._images + item.size <= self.limits.images
        return self._data + item.size <= self.limits.data

    def _count(self, item: DataItem, sign: int) -> None:
        if item.recorded is None:
            self._held += sign * item.size
        if is_image(item.data):
            self._images += sign * item.size
        else:
            self._data += sign * item.size

    def _put(self, item: OutputItem) -> None:
        if not self.tail and len(self.head) < self.limits.items_half:
            self.head.append(item)
        else:
            self.tail.append(item)
            self._evict()

    def _evict(self) -> None:
        limits = self.limits
        while len(self.tail) > 1 and (
            self._tail_chars > limits.text_half or len(self.tail) > limits.items_half
        ):
            match item := self.tail.popleft():
                case TextItem():
                    self._tail_chars -= item.size
                    self.dropped_chars += item.size
                case DataItem():
                    self._count(item, -1)
                    self.dropped_items += 1
                case ErrorItem():
                    self.tail.appendleft(item)
                    return
                case _:
                    assert_never(item)
