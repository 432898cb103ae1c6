"""Writes a session's journal: text coalesced, capped per run, acknowledged to the kernel's stream when it is on disk."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    Event,
    NotebookEdited,
    NotebookSaved,
    Notice,
    OutputCleared,
    OutputDropped,
    ReplyCut,
    RunFinished,
    RunStarted,
    RunTold,
    TextPrinted,
    WidgetsChanged,
)
from ...core.journal.widget_changes import joined_changes
from ...core.notebook.stored import RecordedData
from ..ports import Journal
from .recorded import recorded_data

COALESCE_S: Final = 0.1
WIDGETS_S: Final = 0.5
"""how long changes of widgets are gathered; a progress bar may run for days"""
_LINE_CHARS: Final = 128 * 1024
TEXT_CAP: Final = 64 << 20
"""characters of text recorded of one run; then the middle is dropped and counted"""
_TAIL_CHARS: Final = 1 << 20
_BETWEEN_CHARS: Final = 4096
"""of the text beyond the cap so much is recorded in front of an image"""
_REMEMBERED_RUNS: Final = 200
"""their threads may go on printing, which counts with what they printed before"""


@dataclass(slots=True)
class _RunText:
    written: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Tail:
    """The end of what a run has printed beyond its cap. Only memory holds it, so no line may say that it is recorded."""

    run: str
    before: int
    """number that everything in front of it reaches"""
    parts: deque[tuple[tuple[str, str], str, int]] = field(default_factory=deque)
    """stream and widget that captured it, text, and the number that it reaches"""
    chars: int = 0
    dropped: int = 0
    """characters in front of it that no line has counted yet"""

    def add(self, stream: tuple[str, str], text: str, reaching: int, limit: int) -> None:
        end = max(0, len(text) - limit)
        before = self.parts[-1][2] if self.parts else self.before
        for part, number in ((text[:end], before), (text[end:], reaching)):
            self.parts.append((stream, part, number))
            self.chars += len(part)
        self.cut(limit)

    def cut(self, limit: int) -> None:
        """Keep at most so many characters."""
        while self.chars > limit:
            _, text, self.before = self.parts.popleft()
            self.chars -= len(text)
            self.dropped += len(text)


class SessionJournal:
    """One session's journal, written from the event loop without waiting for the disk."""

    def __init__(
        self,
        journal: Journal,
        now: Callable[[], float],
        text_cap: int = TEXT_CAP,
        *,
        acknowledge: Callable[[int], None] = lambda seq: None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`now` gives epoch seconds. `acknowledge(seq)` is called when everything up to `seq` is in the file. While
        `may_write` does not know whether this process still holds the session, text is held back."""
        self._text_cap = text_cap
        self._tail_chars = min(text_cap, _TAIL_CHARS)
        self._acknowledge = acknowledge
        self._may_write = may_write
        self._journal = journal
        self._now = now
        self._seq = 0
        self._reaching = 0
        self._written_seq = 0
        """that the last line covers"""
        self._unfinished: set[str] = set()
        self._last_run = ""
        self._lost_told = 0
        """bytes that never reached the file, as far as its reader is told"""
        self._abandoned = False
        self._text: list[str] = []
        self._text_chars = 0
        self._text_of: tuple[str, str, str] = ("", "", "")
        self._text_at = 0.0
        self._held_seq = 0
        """that the held text reaches; a reply that came since may be in memory only"""
        self._widgets: WidgetsChanged | None = None
        """held back like text; of the two, one at a time"""
        self._timer: asyncio.TimerHandle | None = None
        self._runs: dict[str, _RunText] = {}
        self._tail: _Tail | None = None
        """not while text is held back: what comes of another kind, or of another run, ends it"""

    @property
    def path(self) -> Path:
        return self._journal.path

    @property
    def failure(self) -> str:
        return self._journal.failure

    @property
    def seq(self) -> int:
        """Number of the last message of the kernel's stream that was taken in."""
        return self._seq

    def unrecorded(self, run: str) -> int:
        """Characters of a run's text that were too many to be recorded."""
        waiting = self._tail.dropped if self._tail is not None and self._tail.run == run else 0
        return waiting + (self._runs[run].dropped if run in self._runs else 0)

    def reaching(self, seq: int) -> None:
        """The next event is the last one that message `seq` tells; its line says that everything up to there is recorded.

        Text that was held back until now gets the number before: a process that ends between the two lines loses
        neither."""
        self._reaching = seq

    def abandon(self) -> None:
        """Another process writes this session's record now: what is not written yet is its business."""
        self._abandoned = True
        self._text, self._text_chars = [], 0
        self._tail = self._widgets = None

    def saw(self, seq: int) -> None:
        """A message of the kernel's stream was taken in, whether or not it says anything."""
        if seq > self._seq:
            self._seq = seq
            self._arm()

    def goes_on_with(self, run: str, written: int) -> None:
        """A run that an earlier process started is in progress; so many characters of its text are recorded."""
        self._unfinished.add(run)
        self._last_run = run
        self._text_of_run(run).written = written

    def record(self, event: Event) -> int:
        """Write one event. Returns the offset of its line (0 for text, which is held back for a moment)."""
        if self._abandoned:
            return 0
        match event:
            case TextPrinted():
                self._print(event)
                return 0
            case WidgetsChanged():
                self._change_widgets(event)
                return 0
            case RunStarted():
                self._unfinished.add(event.run)
                self._last_run = event.run
            case RunFinished():
                self._unfinished.discard(event.run)
        self._flush_text()
        match event:
            case RunStarted() | NotebookEdited() | NotebookSaved() | Notice() | ReplyCut() | RunTold():
                pass  # not of the kernel's stream: says nothing of what was taken in
            case DataShown() | DataUpdated() | OutputCleared() | OutputDropped():
                self._end_tail(_BETWEEN_CHARS)
            case _:
                self._end_tail(self._tail_chars)
        self._seq = max(self._seq, self._reaching)
        return self._append(event)

    def recorded(self, event: DataShown | DataUpdated, offset: int) -> RecordedData | None:
        """Return the data of an event that was recorded, as the file has it; None where that is not certain."""
        return None if self._abandoned else recorded_data(self._journal, event, offset)

    def notice(self, text: str, level: str = "info", stuck_on: str = "") -> None:
        """Write a note for the reader of the record. `stuck_on`: as in `Notice`."""
        self.record(Notice(text, level, stuck_on))

    def push(self) -> None:
        """Have everything recorded so far written, without waiting for it."""
        self._flush_text()
        self._end_late_tail()
        self._journal.push()

    async def flush(self) -> None:
        """Everything recorded so far is in the file when this returns."""
        self.push()
        await asyncio.wrap_future(self._journal.flushed())

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.push()
        await asyncio.wrap_future(self._journal.close())

    def _print(self, event: TextPrinted) -> None:
        text = self._text_of_run(event.run)
        if text.written >= self._text_cap:
            self._print_beyond(event)
            return
        self._end_tail(_BETWEEN_CHARS)
        text.written += len(event.text)
        if self._text_of != (event.run, event.stream, event.into):
            self._flush_text()
            self._text_of = (event.run, event.stream, event.into)
            self._text_at = self._now()
        self._text.append(event.text)
        self._text_chars += len(event.text)
        self._held_seq = self._seq = max(self._seq, self._reaching)
        if self._text_chars >= _LINE_CHARS:
            self._flush_text()
        else:
            self._arm()

    def _change_widgets(self, event: WidgetsChanged) -> None:
        held = self._widgets
        if held is None or held.run != event.run:
            self._flush_text()
            self._end_tail(_BETWEEN_CHARS)
            self._text_at = self._now()
            held = WidgetsChanged(event.run, {}, {}, {})
        self._widgets = joined_changes(held, event)
        self._held_seq = self._seq = max(self._seq, self._reaching)
        self._arm()

    def _print_beyond(self, event: TextPrinted) -> None:
        if self._tail is None or self._tail.run != event.run:
            self._flush_text()
            self._end_tail(_BETWEEN_CHARS)
            self._tail = _Tail(event.run, self._seq)
        self._tail.add((event.stream, event.into), event.text, self._reaching, self._tail_chars)
        if self._tail.dropped >= self._text_cap:
            # The kernel's side has kept it for us until now.
            self._tell_dropped(self._tail)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COALESCE_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._journal.push()
        is_young = self._widgets is not None and 0 <= self._now() - self._text_at < WIDGETS_S
        if not self._may_write() or (is_young and self._unfinished):
            self._arm()
            return
        self._flush_text()
        self._tell_lost()
        if self._seq:
            # A process that takes a run over reads on from the last line: no message after that may be forgotten.
            seq = self._written_seq if self._unfinished else self._covered
            loop = asyncio.get_running_loop()
            self._journal.synced().add_done_callback(lambda _: self._acknowledge_on(loop, seq))

    def _acknowledge_on(self, loop: asyncio.AbstractEventLoop, seq: int) -> None:
        """From the journal's thread, which may outlive the loop when the process ends."""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._acknowledge_if_kept, seq)

    def _acknowledge_if_kept(self, seq: int) -> None:
        if not self._journal.failure and self._journal.lost == self._lost_told:
            self._acknowledge(seq)

    def _tell_lost(self) -> None:
        lost = self._journal.lost - self._lost_told
        if lost and not self._journal.failure:
            self._lost_told += lost
            self._append(OutputDropped(self._last_run, lost, "bytes", "the disk was full"))

    def _flush_text(self) -> None:
        if self._text:
            run, stream, into = self._text_of
            event: TextPrinted | WidgetsChanged = TextPrinted(run, stream, "".join(self._text), into)
            self._text, self._text_chars = [], 0
            self._text_of = ("", "", "")
        elif self._widgets is not None:
            event, self._widgets = self._widgets, None
        else:
            return
        self._written_seq = self._held_seq
        self._journal.append(Entry(self._text_at, event, self._held_seq))

    @property
    def _covered(self) -> int:
        """Number up to which nothing is in memory only, once text that is held back is written."""
        return self._tail.before if self._tail is not None else self._seq

    def _append(self, event: Event) -> int:
        return self._append_reaching(event, self._covered)

    def _append_reaching(self, event: Event, seq: int) -> int:
        self._written_seq = seq
        self._arm()
        return self._journal.append(Entry(self._now(), event, seq), may_wait=True)

    def _text_of_run(self, run: str) -> _RunText:
        text = self._runs.setdefault(run, _RunText())
        if len(self._runs) > _REMEMBERED_RUNS:
            del self._runs[next(iter(self._runs))]
        return text

    def _end_late_tail(self) -> None:
        """What threads have printed since their run has ended, beyond what is recorded of it as it comes."""
        if self._tail is not None and self._tail.run not in self._unfinished:
            self._end_tail(self._tail_chars)

    def _end_tail(self, chars: int) -> None:
        """Write it, or so many characters of its end; what is recorded next comes after it."""
        tail, self._tail = self._tail, None
        if tail is None:
            return
        tail.cut(chars)
        if tail.dropped:
            self._tell_dropped(tail)
        for (stream, into), parts in itertools.groupby(tail.parts, lambda part: part[0]):
            texts = [*parts]
            joined = "".join(text for _, text, _ in texts)
            self._append_reaching(TextPrinted(tail.run, stream, joined, into), texts[-1][2])

    def _tell_dropped(self, tail: _Tail) -> None:
        why = f"a run's text is recorded up to {self._text_cap >> 20} MB; its middle was dropped"
        self._append_reaching(OutputDropped(tail.run, tail.dropped, "characters", why), tail.before)
        self._text_of_run(tail.run).dropped += tail.dropped
        tail.dropped = 0
