"""Rebuilds a session from its journals: enough to take it over, and the outputs of its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    KernelChanged,
    KernelExited,
    NotebookEdited,
    NotebookSaved,
    OutputCleared,
    OutputDropped,
    ReplyHeaded,
    RunFinished,
    RunHeld,
    RunReplied,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    WidgetsChanged,
)
from ..notebook.output_items import CellLimits
from ..notebook.outputs import CellOutputs
from ..notebook.widget_state import SessionWidgets
from .run import Run

_CHANGES: Final = (
    RunStarted, RunFinished, NotebookEdited, TextPrinted, DataShown, DataUpdated, OutputCleared, ErrorRaised, WidgetsChanged,
)  # fmt: skip
"""what changes a notebook"""


@dataclass(slots=True)
class ReplayedSession:
    """One session, rebuilt from its journals. It keeps outputs only of runs that have not ended."""

    session: str
    opened: SessionOpened | None = None
    closed: str = ""
    kernel_id: str = ""
    epoch: int = 0
    seq: int = 0
    count: int = 0
    """number of the last run"""
    generation: int = 1
    """number of the kernel's restarts"""
    awaited: tuple[str, ...] = ()
    """who asked for the restarts whose exit notice is still on its way"""
    runs: dict[str, Run] = field(default_factory=dict)
    last_at: float = 0.0
    displays: dict[str, set[str]] = field(default_factory=dict)
    """ids of the runs that used a display id"""
    texts: dict[str, tuple[float, NotebookEdited]] = field(default_factory=dict)
    """added text cells with their time, by cell id"""
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    """of each cell: the text before the last change on record, and the text after it"""
    deleted: dict[str, tuple[float, str]] = field(default_factory=dict)
    """time and last text of deleted cells"""
    widgets: SessionWidgets = field(default_factory=SessionWidgets)
    held_until: float = 0.0
    """epoch seconds up to which the notebook's file holds every change; 0 where that is not on record"""
    changed_at: float = 0.0
    """epoch seconds of the last change of a cell or of its output"""
    held: dict[str, RunHeld] = field(default_factory=dict)
    """runs that were held, by id"""
    headed: list[ReplyHeaded] = field(default_factory=list)
    """what replies have told of users"""
    late: dict[str, float] = field(default_factory=dict)
    """times of the last output of runs that had ended"""

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.status.is_final]

    @property
    def is_ahead_of_file(self) -> bool:
        """Whether the notebook's file is known to lack something."""
        return 0 < self.held_until < self.changed_at

    def changed_since(self, run: Run, since: float) -> bool:
        """Whether a run has ended, or put out something, since then (epoch seconds)."""
        return max(run.asked_at + run.seconds, self.late.get(run.id, 0.0)) > since

    def feed(self, path: Path, offset: int, entry: Entry) -> None:
        """Apply the next entry, at `offset` in the journal `path`."""
        self.seq = max(self.seq, entry.seq)
        self.last_at = max(self.last_at, entry.at)
        if isinstance(entry.event, _CHANGES):
            self.changed_at = entry.at
        match event := entry.event:
            case SessionOpened():
                if event.kernel_id != self.kernel_id:
                    self.seq, self.kernel_id = entry.seq, event.kernel_id
                self.opened = event
                self.epoch = max(self.epoch, event.epoch)
                self.closed = ""
            case KernelChanged():
                if event.kernel_id != self.kernel_id:
                    self.seq, self.kernel_id = 0, event.kernel_id
                self.generation += 1
                self.awaited += (event.awaited_by,) if event.awaited_by else ()
                for waiting in self.unfinished:
                    if not waiting.has_started:  # it goes to the next one
                        waiting.generation = self.generation
            case KernelExited():
                self.awaited = self.awaited[1:]
            case SessionClosed():
                self.closed = event.reason
            case ReplyHeaded():
                self.headed.append(event)
            case RunHeld():
                self._add(path, offset, entry.at, event)
                self.held[event.run] = event
            case RunStarted():
                self._note_source(event.cell, event.source)
                self._add(path, offset, entry.at, event)
            case NotebookEdited(action="delete"):
                self.deleted[event.cell] = (entry.at, event.source)
            case NotebookSaved():
                self.held_until = event.until
            case NotebookEdited():
                self._note_source(event.cell, event.source)
                if event.action == "markdown":
                    self.texts[event.cell] = (entry.at, event)
            case DataUpdated():
                for run in self.runs.values():
                    if run.outputs is not None:
                        _update(run.outputs, event, run.id)
            case WidgetsChanged():
                self.widgets.models.apply(event)
                for run in self.runs.values():
                    if run.outputs is not None and (run.id == event.run or run.outputs.shows(event.views)):
                        run.outputs.feed(event, at=entry.at)
            case _:
                if (ours := self.runs.get(getattr(event, "run", ""))) is not None:
                    if ours.status.is_final and isinstance(event, _CHANGES):
                        self.late[ours.id] = entry.at
                    self._feed_run(ours, event, entry.at)

    def _note_source(self, cell: str, source: str) -> None:
        _, now = self.sources.get(cell, ("", ""))
        if source != now:
            self.sources[cell] = (now, source)

    def _add(self, path: Path, offset: int, at: float, event: RunStarted | RunHeld) -> None:
        self.runs[event.run] = Run(
            id=event.run,
            session=self.session,
            tool=event.tool,
            cell=event.cell,
            source=event.source,
            msg_id=event.msg_id,
            asked_at=at,
            journal=path,
            offset=offset,
            generation=self.generation,
            status=RunStatus.HELD if isinstance(event, RunHeld) else RunStatus.RUNNING,
            notes=[event.note] if isinstance(event, RunStarted) and event.note else [],
        )
        number = event.run.rpartition("-")[2]
        self.count = max(self.count, int(number) if number.isdecimal() else 0)

    def _feed_run(self, run: Run, event: Event, at: float) -> None:
        match event:
            case ExecutionStarted():
                run.has_started, run.execution_count = True, event.execution_count
                if run.generation == self.generation:
                    self.awaited = ()  # see `core.session.step`
            case RunReplied():
                run.reply, run.reply_recorded = event.content, True
            case RunFinished():
                run.finish(event)
                run.outputs = None
            case TextPrinted() | DataShown() | OutputCleared() | ErrorRaised():
                self.widgets.feed(event)
                if isinstance(event, DataShown) and event.display_id:
                    self.displays.setdefault(event.display_id, set()).add(run.id)
                if run.outputs is not None:
                    run.has_started = True
                    run.outputs.feed(event, at=at)
            case OutputDropped():
                run.count_loss(event)
                if run.outputs is not None and event.unit == "characters":
                    run.outputs.not_recorded(event.count)
            case _:
                pass


def replay(session: str, entries: Iterable[tuple[Path, int, Entry]]) -> ReplayedSession:
    """Rebuild a session from journal entries, each with its journal and its offset there."""
    replayed = ReplayedSession(session)
    for path, offset, entry in entries:
        replayed.feed(path, offset, entry)
    return replayed


ReadRuns = Callable[[Path, int, Iterable[str]], Iterable[Entry]]
"""what may tell of runs with these ids, from an offset of a journal on"""


def entries_of(runs: Sequence[Run], read_runs: ReadRuns) -> Iterator[Entry]:
    """What is on record of some runs, which began in this order. Where output was dropped before it, since the disk was full, it stands
    further in front than was thought: then from the journal's beginning."""
    run, names = runs[0], [run.id for run in runs]
    entries = iter(read_runs(run.journal, run.offset, names))
    first = next(entries, None)
    if first is None or not isinstance(first.event, RunStarted) or first.event.run != run.id:
        yield from read_runs(run.journal, 0, names)
    else:
        yield first
        yield from entries


def rebuild_all(
    runs: Sequence[Run], entries: Iterable[Entry], limits: CellLimits = CellLimits()
) -> dict[str, CellOutputs]:
    """Rebuild outputs by run id, from journal entries that begin with the first of the runs."""
    rebuilt = {run.id: CellOutputs(limits) for run in runs}
    for entry in entries:
        match event := entry.event:
            case TextPrinted() | DataShown() | OutputCleared() | ErrorRaised() if event.run in rebuilt:
                rebuilt[event.run].feed(event, at=entry.at)
            case DataUpdated():
                for run_id, outputs in rebuilt.items():
                    _update(outputs, event, run_id)
            case WidgetsChanged():
                for run_id, outputs in rebuilt.items():
                    if run_id == event.run or outputs.shows(event.views):
                        outputs.feed(event, at=entry.at)
            case OutputDropped() if event.run in rebuilt and event.unit == "characters":
                rebuilt[event.run].not_recorded(event.count)
            case _:
                pass
    return rebuilt


def _update(outputs: CellOutputs, event: DataUpdated, run_id: str) -> None:
    if run_id == event.run:
        outputs.feed(event)
    else:
        outputs.update(event)
