"""Folds journal entries into what a person sees of the sessions, item by item in the order of events.

One file, because every arm of the fold reads and changes the same items.

An item is a cell (one run, or a cell that was edited and not run) or a note (kernel change, human action, notice, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from ..display.mime import text_of
from ..display.widgets import view_of
from ..journal import acts
from ..journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    HumanActed,
    KernelChanged,
    KernelExited,
    Landmarks,
    NotebookEdited,
    NotebookSaved,
    Notice,
    OutputCleared,
    OutputDropped,
    ReplyCut,
    ReplyHeaded,
    RunFinished,
    RunHeld,
    RunReplied,
    RunStarted,
    RunStatus,
    RunTold,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    Unknown,
    WidgetsChanged,
)
from ..journal.figure_texts import FigureTexts
from ..journal.window import Window
from ..progress.digest import Digest
from .items import (
    FAILED,
    Change,
    DroppedOutput,
    ErrorOutput,
    FeedCell,
    FeedItem,
    Note,
    Shown,
    TextOutput,
    outputs_of,
    traceback_lines,
)
from .scrollback import KEEP_BYTES, Scrollback

SAME_S = 5.0
"""two reports of one thing from outside the record are at most so far apart"""
MISSED_MOST = 128
"""things in an unread part of the record whose last news are kept for it: a live plot is a picture each"""


class SessionFeed:
    """Everything in the journals of one session."""

    def __init__(self, session: str, keep_text_bytes: int = KEEP_BYTES) -> None:
        self.session = session
        self.unread = 0
        """bytes of the record before its items, which `put_before` brings in parts"""
        self.since = 0.0
        """when the first entry was written that it was made of (epoch seconds)"""
        self._keep_text_bytes = keep_text_bytes
        self.opened: SessionOpened | None = None
        self.opened_at = 0.0
        self.changed_at = 0.0
        self.kernel_id = ""
        self.items: list[FeedItem] = []
        self.closed = ""
        """reason; empty while it is open"""
        self.running: FeedCell | None = None
        self.held: FeedCell | None = None
        """the run that waits for the user's decision"""
        self.last: FeedCell | None = None
        """the run that started last"""
        self.cells = 0
        self.failed = 0
        self.ended = 0
        """runs that ended while this was made, whatever older parts bring"""
        self.stuck_on = ""
        """what the run in progress waits for, if it may wait for ever"""
        self._by_run: dict[str, FeedCell] = {}
        self._unrun: dict[str, FeedCell] = {}
        self._sources: dict[str, str] = {}
        """what each cell of the notebook had when it ran last"""
        self._displays: dict[str, list[tuple[FeedCell, Shown]]] = {}
        self._acts: dict[tuple[str, str], Note] = {}
        self._comments: dict[str, Note] = {}
        self._told: set[str] = set()
        """ids of actions that a reply has told of"""
        self._missed: dict[tuple[type, str], Entry] = {}
        """the last entries about what an unread part of the record may have, by kind and thing"""
        self._told_notes: dict[str, Note] = {}
        """notes that are not in the record, by what they are about"""
        self._has_opened = False
        """an owner opened it in the part that was read"""
        self._faint: Note | None = None
        self._unreadable = 0

    @classmethod
    def of_window(cls, session: str, window: Window, keep_text_bytes: int = KEEP_BYTES) -> SessionFeed:
        """Make a session from a part of its record. What needs the parts before it waits for `put_before`."""
        view = cls(session, keep_text_bytes)
        view.unread = window.unread
        view.since = next((entry.at for entry in window.entries if entry.at > 0), 0.0)
        if window.owner is not None and isinstance(window.owner.event, SessionOpened):
            view._open(window.owner.event, window.owner.at)
            view._has_opened = False
        for entry in window.entries:
            view.apply(entry)
        if window.first is not None and isinstance(window.first.event, SessionOpened):
            view.opened_at = window.first.at
        return view

    def put_before(self, older: SessionFeed) -> None:
        """Take in the part of the record that ends where this one begins. `older` is not used any more."""
        for entry in self._missed.values():
            older.apply(entry)
        joined = self._complete_cells(older)
        self._compare_with(older)
        self.items = [joined.get(id(item), item) for item in older.items] + [
            item for item in self.items if id(item) not in {id(cell) for cell in joined.values()}
        ]
        self.cells = sum(isinstance(item, FeedCell) for item in self.items)
        self.failed = sum(isinstance(item, FeedCell) and item.has_failed for item in self.items)
        if self.running is not None and self.running.is_torn and older.last is not None:
            self.running.status = None  # another run has started since: its output was late
        if self.running is not None and not self.running.is_running:
            self.running = None
        if self.last is None:
            earlier = _completed(older.running, joined)
            self.running = self.running or (earlier if earlier is not None and earlier.is_running else None)
            self.last = _completed(older.last, joined)
        if self.held is None and (held := _completed(older.held, joined)) is not None and held.is_held:
            self.held = held
        if not self._has_opened:
            self.closed = self.closed or older.closed
        self._has_opened |= older._has_opened
        self.opened = self.opened or older.opened
        self._told |= older._told
        self._comments |= older._comments
        for act in self._told & self._comments.keys():
            self._comments[act].text = self._comments[act].text.removesuffix(_UNREAD)
        self._by_run = older._by_run | self._by_run
        self._unrun = {k: c for k, c in older._unrun.items() if id(c) not in joined} | self._unrun
        for name, shown in older._displays.items():
            before = [(joined.get(id(cell), cell), outputs) for cell, outputs in shown]
            self._displays[name] = before + self._displays.get(name, [])
        self._missed, self.unread, self.since = older._missed, older.unread, older.since or self.since

    def _compare_with(self, older: SessionFeed) -> None:
        """Let the first run of each cell know what an earlier part says that the cell had."""
        seen: set[str] = set()
        for cell in self.items:
            if isinstance(cell, FeedCell) and cell.cell_id and cell.cell_id not in seen:
                seen.add(cell.cell_id)
                before = older._sources.get(cell.cell_id, "")
                if before != cell.source and not cell.before:
                    cell.before = before
                    cell.version += 1
        self._sources = older._sources | self._sources

    def _complete_cells(self, older: SessionFeed) -> dict[int, FeedCell]:
        """Complete the cells that both parts have; return them by the identity of their older halves."""
        joined: dict[int, FeedCell] = {}
        for cell_id, half in older._unrun.items():
            again = (c for c in self.items if isinstance(c, FeedCell) and c.cell_id == cell_id)
            if (first := next(again, None)) is not None:
                joined[id(half)] = first
        for run in self._by_run.keys() & older._by_run.keys():
            cell, begun = self._by_run[run], older._by_run[run]
            if cell.is_torn:
                cell.complete(begun)
            joined[id(begun)] = cell
        return joined

    @classmethod
    def keeping_all(cls, session: str) -> SessionFeed:
        """Make a session that drops no text."""
        return cls(session, 1 << 31)

    def take_whole(self, cell: FeedCell, rebuilt: SessionFeed) -> bool:
        """Give a cell all its outputs, folded again from the record. Returns False when the record lacks them."""
        known = rebuilt._by_run.get(cell.run)
        if known is None or self._by_run.get(cell.run) is not cell:
            return False
        cell.outputs = known.outputs
        if cell.is_torn:
            cell.source, cell.tool, cell.cell_id = known.source, known.tool, known.cell_id
            cell.is_torn = False
        cell.version += 1
        for display_id, entries in rebuilt._displays.items():
            others = [pair for pair in self._displays.get(display_id, []) if pair[0] is not cell]
            self._displays[display_id] = others + [(cell, shown) for _, shown in entries]
        return True

    @property
    def name(self) -> str:
        return self.opened.name if self.opened and self.opened.name else self.session

    @property
    def notebook(self) -> str:
        return self.opened.notebook if self.opened else ""

    def apply(self, entry: Entry) -> Change:
        """Apply one entry. Never raises, in any order and with entries missing."""
        if self.unread:
            self._note_missed(entry)
        self.changed_at = max(self.changed_at, entry.at)
        before = len(self.items)
        if isinstance(entry.event, _SHOWS_LIFE):
            self.stuck_on = ""
        item = self._fold(entry.event, entry.at)
        if item is not None:
            item.version += 1
        if not isinstance(entry.event, Unknown):
            self._faint = None
        return Change(self.session, item, len(self.items) > before)

    def _note_missed(self, entry: Entry) -> None:
        """Remember an entry about something that may stand before what was read."""
        match entry.event:
            case ExecutionStarted(run=name) | ReplyCut(run=name) if name not in self._by_run:
                names = [name]
            case DataUpdated(display_id=name):
                names = [name]
            case WidgetsChanged(views=views):
                names = list(views)
            case _:
                return
        for name in names:
            self._missed.pop((type(entry.event), name), None)
            self._missed[type(entry.event), name] = entry
        while len(self._missed) > MISSED_MOST:
            del self._missed[next(iter(self._missed))]

    def _fold(self, event: Event, at: float) -> FeedItem | None:
        match event:
            case SessionOpened():
                return self._open(event, at)
            case RunStarted():
                return self._start(event, at)
            case RunHeld():
                return self._hold(event, at)
            case TextPrinted():
                return self._print(event, at)
            case DataShown():
                cell = self._cell(event.run, at)
                cell.begun_at = cell.begun_at or at
                if event.execution_count is not None:
                    cell.execution_count = event.execution_count
                self._show(cell, event)
                return cell
            case DataUpdated():
                return self._update(event.display_id, event.data, at, event.texts)
            case WidgetsChanged():
                changed: FeedItem | None = None
                for name, words in event.views.items():
                    changed = self._update(name, {"text/plain": words}, at) or changed
                return changed
            case OutputCleared():
                cell = self._cell(event.run, at)
                if event.wait:
                    cell.clear_pending.add(event.into)
                else:
                    self._clear(cell, event.into)
                return cell
            case ErrorRaised():
                cell = self._output(event.run, at, event.into)
                lines = traceback_lines(event.traceback)
                cell.outputs.append(ErrorOutput(event.ename, event.evalue, lines, event.into))
                return cell
            case OutputDropped():
                cell = self._cell(event.run, at)
                last = cell.outputs[-1] if cell.outputs else None
                if isinstance(last, DroppedOutput) and (last.unit, last.why) == (event.unit, event.why):
                    last.count += event.count
                else:
                    cell.outputs.append(DroppedOutput(event.count, event.unit, event.why))
                return cell
            case ExecutionStarted():
                started = self._by_run.get(event.run)
                if started is not None:
                    started.execution_count = event.execution_count
                    started.begun_at = started.begun_at or at
                return started
            case RunReplied() | NotebookSaved() | RunTold():
                return None
            case RunFinished():
                return self._finish(event, at)
            case ReplyCut():
                known = self._by_run.get(event.run)
                if known is not None:
                    known.cut_chars, known.cut_images = event.chars, event.pictures
                return known
            case NotebookEdited():
                return self._edit(event, at)
            case KernelChanged():
                self.kernel_id = event.kernel_id
                cause = event.cause or "another kernel"
                return self._note(at, f"Kernel: {cause}. All variables are lost.", "warning")
            case KernelExited() | Landmarks():
                return None
            case Notice():
                self.stuck_on = event.stuck_on or self.stuck_on
                return self._note(at, event.text, event.level)
            case HumanActed():
                return self._act(event, at)
            case ReplyHeaded():
                return self._read(event)
            case SessionClosed():
                self.closed = event.reason or "closed"
                if any(note.text == self.closed for note in self._told_notes.values()):
                    return None
                return self._note(at, f"Session closed: {self.closed}", "faint")
            case Unknown():
                return self._skip(event, at)
            case _:
                assert_never(event)

    def _open(self, event: SessionOpened, at: float) -> FeedItem | None:
        earlier = self.opened
        self.opened = event
        self._has_opened = True
        self.kernel_id = event.kernel_id or self.kernel_id
        self.closed = ""
        if earlier is None:
            self.opened_at = at
            return None
        if (earlier.client_host, earlier.client_pid) == (event.client_host, event.client_pid):
            return None
        return self._note(
            at, f"Taken over by the MCP process {event.client_host}:{event.client_pid}", "faint"
        )

    def _start(self, event: RunStarted, at: float) -> FeedCell:
        known = self._by_run.get(event.run)
        unrun = self._unrun.pop(event.cell, None) if event.cell else None
        cell = known or unrun or self._add_cell(FeedCell(self.session, at, event.source))
        cell.source, cell.cell_id, cell.tool, cell.run = event.source, event.cell, event.tool, event.run
        cell.is_torn = False
        cell.at = at or cell.at
        if cell.status is None or not cell.status.is_final:
            cell.status = RunStatus.RUNNING
            cell.digest = Digest()
            self.running = cell
        self._by_run[event.run] = cell
        if event.cell:
            cell.before = cell.before or self._before(event.cell, event.source)
            self._sources[event.cell] = event.source
        self.last = cell
        self._let_go(cell)
        return cell

    def _before(self, cell: str, source: str) -> str:
        """Return what a cell had when it ran last, if that was something else."""
        known = self._sources.get(cell, "")
        return known if known != source else ""

    def _hold(self, event: RunHeld, at: float) -> FeedCell:
        cell = self._by_run.get(event.run) or self._add_cell(FeedCell(self.session, at, event.source))
        cell.source, cell.cell_id, cell.tool, cell.run = event.source, event.cell, event.tool, event.run
        cell.hold, cell.before = event.hold, event.before
        cell.is_torn = False
        if cell.status is None:
            cell.status = RunStatus.HELD
            cell.held_at = at
            self.held = cell
        self._by_run[event.run] = cell
        return cell

    def _let_go(self, cell: FeedCell) -> None:
        """Note that a run is not held any more."""
        if self.held is cell:
            self.held = None

    def _add_cell(self, cell: FeedCell) -> FeedCell:
        self.items.append(cell)
        self.cells += 1
        return cell

    def _cell(self, run: str, at: float) -> FeedCell:
        """Return the cell of a run, or a stand-in when the record lacks its beginning."""
        cell = self._by_run.get(run)
        if cell is None:
            cell = self._add_cell(FeedCell(self.session, at, "", run=run))
            cell.is_torn = self.unread > 0
            if (
                self.last is None or not cell.is_torn
            ):  # else another run has started since, and this is late output
                cell.status = RunStatus.RUNNING
                self.running = cell
            self._by_run[run] = cell
        return cell

    def _output(self, run: str, at: float, into: str) -> FeedCell:
        cell = self._cell(run, at)
        cell.begun_at = cell.begun_at or at
        if into in cell.clear_pending:
            self._clear(cell, into)
        return cell

    def _clear(self, cell: FeedCell, into: str) -> None:
        """Remove outputs from a cell and from the displays, which would keep their images."""
        cell.clear(into)
        left = {id(output) for output in cell.outputs}
        self._displays = {
            name: kept
            for name, entries in self._displays.items()
            if (kept := [(c, shown) for c, shown in entries if c is not cell or id(shown[0]) in left])
        }

    def _print(self, event: TextPrinted, at: float) -> FeedCell:
        cell = self._output(event.run, at, event.into)
        last = cell.outputs[-1] if cell.outputs else None
        if not isinstance(last, TextOutput) or not last.is_stream or last.into != event.into:
            last = TextOutput(Scrollback(self._keep_text_bytes), into=event.into)
            cell.outputs.append(last)
        last.scrollback.write(event.text, stderr=event.stream == "stderr")
        if cell.digest is not None:
            cell.digest.feed(event.text, at, f"{event.stream} {event.into}")
        return cell

    def _show(self, cell: FeedCell, event: DataShown) -> None:
        if event.into in cell.clear_pending:
            self._clear(cell, event.into)
        data = event.data if event.view is None else {"text/plain": event.view}
        shown = outputs_of(data, event.into, event.texts)
        cell.outputs += shown
        for name in filter(None, (event.display_id, view_of(event.data))):
            self._displays.setdefault(name, []).append((cell, shown))

    def _update(
        self, name: str, data: Mapping[str, Any], at: float, texts: FigureTexts = ()
    ) -> FeedItem | None:
        """Show new data wherever a display, or a widget, is shown."""
        changed: FeedCell | None = None
        for cell, shown in self._displays.get(name, []):
            for position, output in enumerate(cell.outputs):
                if output is shown[0]:
                    new = outputs_of(data, shown[0].into, texts)
                    cell.outputs[position : position + len(shown)] = new
                    shown[:] = new
                    cell.version += 1
                    changed = cell
                    if cell.digest is not None:
                        cell.digest.show(text_of(data.get("text/plain")), at)
                    break
        return changed

    def _finish(self, event: RunFinished, at: float) -> FeedCell:
        cell = self._cell(event.run, at)
        self.ended += 1
        if cell.has_failed is False and event.status in FAILED:
            self.failed += 1
        cell.status, cell.seconds, cell.cause = event.status, event.seconds, event.cause
        cell.use, cell.digest, cell.ended_at = event.use, None, at
        if event.execution_count is not None:
            cell.execution_count = event.execution_count
        if self.running is cell:
            self.running = None
        self._let_go(cell)
        return cell

    def _edit(self, event: NotebookEdited, at: float) -> FeedItem | None:
        if event.action == "delete":
            self._unrun.pop(event.cell, None)
            self._sources.pop(event.cell, None)
            return self._note(at, "Cell deleted", "faint")
        if self.held is not None and self.held.cell_id == event.cell:
            return self.held  # its run, which follows, shows the text
        is_markdown = event.cell_type == "markdown" or event.action == "markdown"
        known = self._unrun.get(event.cell)
        if known is not None:
            known.source, known.is_markdown, known.at = event.source, is_markdown, at
            return known
        cell = self._add_cell(
            FeedCell(
                self.session,
                at,
                event.source,
                cell_id=event.cell,
                tool=f"{event.action}",
                is_markdown=is_markdown,
                before="" if is_markdown else self._before(event.cell, event.source),
            )
        )
        if not is_markdown:
            self._unrun[event.cell] = cell
        return cell

    def _act(self, event: HumanActed, at: float) -> Note | None:
        if event.action in acts.QUIET and event.id:
            return None
        who = event.by or "someone at a dashboard"
        if event.action == acts.COMMENT and event.id:
            return self._comment(event, who, at)
        what = human_sentence(event.action)
        reason = f" ({event.reason})" if event.reason and event.action != acts.FREE else ""
        key = (event.action, event.run)
        if event.outcome and (note := self._acts.pop(key, None)) is not None:
            note.text = f"{who} {what}{reason}: {event.outcome}"
            return note
        outcome = f": {event.outcome}" if event.outcome else ""
        note = self._note(at, f"{who} {what}{reason}{outcome}", "human", is_late=True)
        if not event.outcome:
            self._acts[key] = note
        return note

    def _comment(self, event: HumanActed, who: str, at: float) -> Note:
        text = f"{who} to the agent: {event.reason}"
        is_read = event.id in self._told
        note = self._note(at, text if is_read else f"{text}{_UNREAD}", "human", is_late=True)
        self._comments[event.id] = note
        return note

    def _read(self, event: ReplyHeaded) -> FeedItem | None:
        """Show that the agent has read a comment, which comes from another file: earlier, or later."""
        self._told.add(event.id)
        note = self._comments.get(event.id)
        if note is not None:
            note.text = note.text.removesuffix(_UNREAD)
        return note

    def _skip(self, event: Unknown, at: float) -> Note:
        """Show consecutive entries that this version does not understand as one line."""
        self._unreadable = self._unreadable + 1 if self._faint is not None else 1
        if self._unreadable == 1:
            self._faint = self._note(at, f"not understood: {event.kind}: {event.text[:200]}", "faint")
        assert self._faint is not None
        if self._unreadable > 1:
            self._faint.text = (
                f"{self._unreadable:,} lines of the record are not understood, the last: {event.kind}"
            )
        return self._faint

    def tell(self, about: str, at: float, text: str) -> Change | None:
        """Note what the record does not tell, such as how its kernel ended. Later news `about` the same replace it; returns
        None if there is none."""
        known = self._told_notes.get(about)
        if known is not None and abs(known.at - at) > SAME_S:
            known = None
        if known is not None and known.text == text:
            return None
        if known is None:
            self._told_notes[about] = note = self._note(at, text, "faint")
            return Change(self.session, note, True)
        known.text = text
        known.version += 1
        return Change(self.session, known, False)

    def _note(self, at: float, text: str, level: str, *, is_late: bool = False) -> Note:
        """Add an item; one that `is_late` comes from another file and may belong between earlier items."""
        note = Note(self.session, at, text, level)
        place = len(self.items)
        while is_late and place and self.items[place - 1].at > at:
            place -= 1
        self.items.insert(place, note)
        return note


def _completed(cell: FeedCell | None, joined: Mapping[int, FeedCell]) -> FeedCell | None:
    return joined.get(id(cell), cell) if cell is not None else None


_UNREAD = " (not read yet)"
_SHOWS_LIFE = (RunStarted, TextPrinted, DataShown, DataUpdated, WidgetsChanged, RunFinished, KernelChanged)
"""events after which a run is not stuck, or another one runs"""
_ACTS = {
    "interrupt": "interrupted the kernel",
    "restart": "restarted the kernel",
    "kill": "killed the session",
    "stop": "stopped the server",
    "cancel": "cancelled the job",
    acts.HOLD: "holds the next code",
    acts.FREE: "holds it no more",
}


def human_sentence(action: str) -> str:
    return _ACTS.get(action, f"did: {action}")
