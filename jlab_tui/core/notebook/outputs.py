"""Folds events into the outputs of one cell, bounded in memory: it keeps head and tail, and counts the rest.

`to_nbformat` gives what a notebook stores (nbformat 4.5 outputs).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final, assert_never

from ..display.image_numbers import ImageCount, Place
from ..display.terminal_text import cut_middle, render_terminal
from ..journal.events import DataShown, DataUpdated, ErrorRaised, OutputCleared, TextPrinted

TEXT_HALF: Final = 512 * 1024
"""characters of text kept from the beginning, and again from the end"""
IMAGE_BUDGET: Final = 5 << 20
"""characters of base64 and other rich data kept in one cell"""
ITEMS_HALF: Final = 1000
_CHUNK: Final = 32 * 1024
_RECENT: Final = 2000


@dataclass(slots=True)
class TextItem:
    stream: str
    parts: list[str]
    size: int

    @property
    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0]


@dataclass(slots=True)
class DataItem:
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    display_id: str
    execution_count: int | None
    """a number for an execute_result, None for a display"""
    place: Place
    size: int
    in_record_only: bool = False
    """a placeholder for an output that only the run's record has"""


@dataclass(slots=True)
class ErrorItem:
    ename: str
    evalue: str
    traceback: tuple[str, ...]


OutputItem = TextItem | DataItem | ErrorItem


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where outputs were dropped."""

    what: str
    """the dropped amount by unit"""


@dataclass(slots=True)
class CellOutputs:
    """Outputs of a run so far."""

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
    _recent: str = ""
    """the end of the printed text"""
    _head_chars: int = 0
    _tail_chars: int = 0
    _rich: int = 0
    _clear_pending: bool = False

    def feed(self, event: TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised) -> bool:
        """Apply one event. Returns whether anything changed."""
        places = self.images.feed(event)
        match event:
            case OutputCleared():
                if event.wait:
                    self._clear_pending = True
                    return False
                self._clear()
            case DataUpdated():
                found = self._update(event)
                if not found or event.display_id in self.elsewhere:
                    self._update_elsewhere(event, places[0])
                return found
            case TextPrinted():
                self._before_output()
                self._text(event.stream, event.text)
            case DataShown():
                self._before_output()
                self._data(event, places[0])
            case ErrorRaised():
                self._before_output()
                self._put(ErrorItem(event.ename, event.evalue, event.traceback))
            case _:
                assert_never(event)
        return True

    def update(self, event: DataUpdated) -> bool:
        """Apply another run's new data for a display. Returns whether the display is here."""
        self.images.update(event)
        return self._update(event)

    def _update(self, event: DataUpdated) -> bool:
        found = False
        for item in self.items():
            if isinstance(item, DataItem) and item.display_id == event.display_id:
                found = True
                size = _rich_size(event.data)
                self._rich += size - item.size
                item.data, item.metadata, item.size = event.data, event.metadata, size
                item.in_record_only = False
        return found

    def _update_elsewhere(self, event: DataUpdated, place: Place) -> None:
        old = self.elsewhere.pop(event.display_id, None)
        self._rich -= old.size if old is not None else 0
        size = _rich_size(event.data)
        if self._rich + size <= IMAGE_BUDGET and len(self.elsewhere) < ITEMS_HALF:
            self._rich += size
            self.elsewhere[event.display_id] = DataItem(
                event.data, event.metadata, event.display_id, None, place, size
            )

    def not_recorded(self, chars: int) -> None:
        """Note text that the record only counts."""
        self.dropped_chars += chars
        self.unrecorded += chars

    @property
    def last_line(self) -> str:
        """Return the last printed line that is not blank, as a terminal shows it, for progress messages."""
        lines = (line.strip() for line in reversed(render_terminal(self._recent).split("\n")))
        return next((line for line in lines if line), "")

    @property
    def size(self) -> int:
        """characters in memory"""
        errors = (line for item in self.items() if isinstance(item, ErrorItem) for line in item.traceback)
        return self._head_chars + self._tail_chars + self._rich + sum(map(len, errors))

    def copy(self) -> CellOutputs:
        """Return a copy that a thread can read while this one keeps changing."""
        return replace(
            self,
            images=replace(self.images),
            head=[_copy(item) for item in self.head],
            elsewhere=dict(self.elsewhere),
            tail=deque(_copy(item) for item in self.tail),
        )

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
            for stream, group in groupby(part, _stream_of):
                if stream:
                    text = "".join(item.text for item in group if isinstance(item, TextItem))
                    yield TextItem(stream, [text], len(text))
                else:
                    yield from group

    @property
    def is_cut(self) -> bool:
        return bool(self.dropped_chars or self.dropped_items or self.record_only)

    @property
    def error(self) -> ErrorItem | None:
        return next((item for item in reversed([*self.items()]) if isinstance(item, ErrorItem)), None)

    def _before_output(self) -> None:
        if self._clear_pending:
            self._clear()

    def _clear(self) -> None:
        self.head, self.tail = [], deque()
        self._head_chars = self._tail_chars = 0
        self._rich = sum(item.size for item in self.elsewhere.values())
        self.dropped_chars = self.dropped_items = self.record_only = self.unrecorded = 0
        self._clear_pending = False

    def _text(self, stream: str, text: str) -> None:
        self.total_chars += len(text)
        self._recent = (self._recent + text[-_RECENT:])[-_RECENT:]
        if not self.tail and self._head_chars < TEXT_HALF:
            room = TEXT_HALF - self._head_chars
            piece, text = text[:room], text[room:]
            last = self.head[-1] if self.head else None
            if isinstance(last, TextItem) and last.stream == stream:
                last.parts.append(piece)
                last.size += len(piece)
                self._head_chars += len(piece)
            elif len(self.head) < ITEMS_HALF:
                self.head.append(TextItem(stream, [piece], len(piece)))
                self._head_chars += len(piece)
            else:
                text = piece + text
        if len(text) > TEXT_HALF:
            self.dropped_chars += len(text) - TEXT_HALF
            text = text[-TEXT_HALF:]
        if text:
            last = self.tail[-1] if self.tail else None
            if isinstance(last, TextItem) and last.stream == stream and last.size < _CHUNK:
                last.parts.append(text)
                last.size += len(text)
            else:
                self.tail.append(TextItem(stream, [text], len(text)))
            self._tail_chars += len(text)
            self._evict()

    def _data(self, event: DataShown, place: Place) -> None:
        size = _rich_size(event.data)
        if self._rich + size > IMAGE_BUDGET:
            # The record has it in full; keep only its place here.
            self.record_only += 1
            what = f"image {place.number}" if place.number else "rich output"
            note = {"text/plain": f"[{what} ({size:,} characters) is only in the run's record]"}
            self._put(
                DataItem(note, {}, event.display_id, event.execution_count, place, 0, in_record_only=True)
            )
            return
        self._rich += size
        self._put(DataItem(event.data, event.metadata, event.display_id, event.execution_count, place, size))

    def _put(self, item: OutputItem) -> None:
        if not self.tail and len(self.head) < ITEMS_HALF:
            self.head.append(item)
        else:
            self.tail.append(item)
            self._evict()

    def _evict(self) -> None:
        while len(self.tail) > 1 and (self._tail_chars > TEXT_HALF or len(self.tail) > ITEMS_HALF):
            match item := self.tail.popleft():
                case TextItem():
                    self._tail_chars -= item.size
                    self.dropped_chars += item.size
                case DataItem():
                    self._rich -= item.size
                    self.dropped_items += 1
                case ErrorItem():
                    self.tail.appendleft(item)
                    return
                case _:
                    assert_never(item)


def _stream_of(item: OutputItem | Gap) -> str:
    return item.stream if isinstance(item, TextItem) else ""


def _copy(item: OutputItem) -> OutputItem:
    return replace(item, parts=list(item.parts)) if isinstance(item, TextItem) else replace(item)


def to_nbformat(outputs: CellOutputs, record: str) -> list[dict[str, Any]]:
    """Return the outputs as a notebook stores them. `record` names the place of the rest, for the note at the cut."""
    result: list[dict[str, Any]] = []
    for index, item in enumerate(outputs.items()):
        if index == len(outputs.head) and (gap := outputs.gap) is not None:
            note = f"\n{_left_out(gap.what, record, outputs.unrecorded)}\n"
            result.append({"output_type": "stream", "name": "stderr", "text": note})
        match item:
            case TextItem():
                last = result[-1] if result else None
                if last is not None and last["output_type"] == "stream" and last["name"] == item.stream:
                    last["text"] += item.text
                else:
                    result.append({"output_type": "stream", "name": item.stream, "text": item.text})
            case DataItem():
                result.append(_display(item))
                if item.in_record_only:
                    result[-1]["data"] = {"text/plain": f"{item.data['text/plain']}: {record}"}
            case ErrorItem():
                result.append(_raised(item, record))
            case _:
                assert_never(item)
    return result


def _raised(error: ErrorItem, record: str) -> dict[str, Any]:
    lines = list(error.traceback)
    cut = cut_middle("\n".join(lines), 2 * TEXT_HALF)
    if cut.cut_chars:
        lines = [cut.head, _left_out(f"{cut.cut_chars:,} characters", record), cut.tail]
    evalue = error.evalue[:TEXT_HALF]
    return {"output_type": "error", "ename": error.ename, "evalue": evalue, "traceback": lines}


def _left_out(what: str, record: str, unrecorded: int = 0) -> str:
    there = f"all but {unrecorded:,} characters" if unrecorded else "all of it"
    return f"... {what} left out; {there}: {record} ..."


def _display(item: DataItem) -> dict[str, Any]:
    data = {
        mime: value if isinstance(value, str) or mime.endswith("json") else str(value)
        for mime, value in item.data.items()
        if value is not None
    }
    output: dict[str, Any] = {"data": data, "metadata": dict(item.metadata)}
    if item.execution_count is None:
        return {"output_type": "display_data", **output}
    return {"output_type": "execute_result", "execution_count": item.execution_count, **output}


def _rich_size(data: Mapping[str, Any]) -> int:
    return sum(len(value) if isinstance(value, str) else len(repr(value)) for value in data.values())
