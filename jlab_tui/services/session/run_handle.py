"""A run: one piece of code sent to a kernel, from the moment it is asked for until it has ended, and its record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    KernelChanged,
    NotebookEdited,
    OutputCleared,
    OutputDropped,
    RunFinished,
    RunReplied,
    RunStarted,
    RunStatus,
    RunTakenUp,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from ...core.notebook.outputs import CellOutputs


@dataclass(slots=True)
class Run:
    """State of one run. `outputs` is None when it is no longer in memory; the journal has it."""

    id: str
    session: str
    tool: str
    cell: str
    source: str
    msg_id: str
    started: float
    """epoch seconds"""
    journal: Path
    offset: int
    """of its first line in the journal"""
    incarnation: int = 1
    """of the kernel that it was sent to"""
    status: RunStatus = RunStatus.RUNNING
    seconds: float = 0.0
    execution_count: int | None = None
    cause: str = ""
    outputs: CellOutputs | None = field(default_factory=CellOutputs)
    begun: bool = False
    """the kernel has taken it up"""
    reply: Mapping[str, Any] | None = None
    """the kernel's reply, while output may still follow it"""
    reply_recorded: bool = False
    waits_for_other: bool = False
    """another client's code runs on the kernel; this one comes after it"""
    cancelled: bool = False
    """it is to be interrupted as soon as the kernel begins with it: the user cancelled the call"""
    stopping: asyncio.Task[str] | None = None
    """the last attempt to stop it; its result says what came of it"""
    output_since_interrupt: bool = False
    interrupted_by: str = ""
    """who asked for an interrupt while it ran"""
    notes: list[str] = field(default_factory=list)
    """what else the reader should know, as sentences"""
    lost: dict[tuple[str, str], int] = field(default_factory=dict)
    """output that never arrived: how much, by unit and cause"""
    taken_up: asyncio.Event = field(default_factory=asyncio.Event)
    """set when the kernel has begun with it"""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def elapsed(self, now: float) -> float:
        return self.seconds if self.status.is_final else max(0.0, now - self.started)

    def count_loss(self, dropped: OutputDropped) -> None:
        if dropped.unit != "characters":  # else of the record only
            of = dropped.unit, dropped.why
            self.lost[of] = self.lost.get(of, 0) + dropped.count

    def losses(self) -> list[str]:
        """As sentences, one for each cause."""
        return [
            f"About {count:,} {unit} of output were lost: {why}." for (unit, why), count in self.lost.items()
        ]


@dataclass(slots=True)
class SessionRecord:
    """What the journals say about one session: enough to take it over."""

    session: str
    opened: SessionOpened | None = None
    closed: str = ""
    kernel_id: str = ""
    epoch: int = 0
    seq: int = 0
    count: int = 0
    """number of the last run"""
    incarnation: int = 1
    """of the kernel: counts its restarts"""
    runs: dict[str, Run] = field(default_factory=dict)
    last_at: float = 0.0
    displays: dict[str, set[str]] = field(default_factory=dict)
    """ids of the runs that have shown something under a display id"""
    texts: dict[str, tuple[float, NotebookEdited]] = field(default_factory=dict)
    """text cells that were added, with the time, by cell id"""
    deleted: set[str] = field(default_factory=set)
    """cells that were deleted"""

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.status.is_final]


def read_record(session: str, entries: Iterable[tuple[Path, int, Entry]]) -> SessionRecord:
    """Fold a session's journals. Outputs are kept only of runs that have not ended."""
    record = SessionRecord(session)
    for path, offset, entry in entries:
        record.seq = max(record.seq, entry.seq)
        record.last_at = max(record.last_at, entry.at)
        match event := entry.event:
            case SessionOpened():
                if event.kernel_id != record.kernel_id:
                    record.seq, record.kernel_id = entry.seq, event.kernel_id
                record.opened = event
                record.epoch = max(record.epoch, event.epoch)
                record.closed = ""
            case KernelChanged():
                if event.kernel_id != record.kernel_id:
                    record.seq, record.kernel_id = 0, event.kernel_id
                record.incarnation += 1
                for waiting in record.unfinished:
                    if not waiting.begun:  # it goes to the next one
                        waiting.incarnation = record.incarnation
            case SessionClosed():
                record.closed = event.reason
            case RunStarted():
                record.runs[event.run] = Run(
                    event.run,
                    session,
                    event.tool,
                    event.cell,
                    event.source,
                    event.msg_id,
                    entry.at,
                    path,
                    offset,
                    record.incarnation,
                )
                number = event.run.rpartition("-")[2]
                record.count = max(record.count, int(number) if number.isdecimal() else 0)
            case RunTakenUp():
                if run := record.runs.get(event.run):
                    run.begun, run.execution_count = True, event.execution_count
            case RunReplied():
                if run := record.runs.get(event.run):
                    run.reply, run.reply_recorded = event.content, True
            case RunFinished():
                if run := record.runs.get(event.run):
                    _finish(run, event)
                    run.outputs = None
            case NotebookEdited(action="delete"):
                record.deleted.add(event.cell)
            case NotebookEdited(action="markdown"):
                record.texts[event.cell] = (entry.at, event)
            case TextPrinted() | DataShown() | OutputCleared() | ErrorRaised():
                if isinstance(event, DataShown) and event.display_id:
                    record.displays.setdefault(event.display_id, set()).add(event.run)
                if (run := record.runs.get(event.run)) and run.outputs is not None:
                    run.begun = True
                    run.outputs.feed(event)
            case OutputDropped():
                if run := record.runs.get(event.run):
                    run.count_loss(event)
                    if run.outputs is not None and event.unit == "characters":
                        run.outputs.not_recorded(event.count)
            case DataUpdated():
                for run in record.runs.values():
                    if run.outputs is not None:
                        _update(run.outputs, event, run.id)
            case _:
                pass
    return record


def entries_since(run: Run, read_from: Callable[[Path, int], Iterable[Entry]]) -> Iterator[Entry]:
    """The record from the beginning of a run on. Where output was dropped before it, since the disk was full, it stands
    further in front than was thought: then from the journal's beginning."""
    entries = iter(read_from(run.journal, run.offset))
    first = next(entries, None)
    if first is None or not isinstance(first.event, RunStarted) or first.event.run != run.id:
        yield from read_from(run.journal, 0)
    else:
        yield first
        yield from entries


def rebuild_all(runs: Sequence[Run], entries: Iterable[Entry]) -> dict[str, CellOutputs]:
    """Outputs of some runs, by run id, from journal entries that begin with the first of them."""
    rebuilt = {run.id: CellOutputs() for run in runs}
    for entry in entries:
        match event := entry.event:
            case TextPrinted() | DataShown() | OutputCleared() | ErrorRaised() if event.run in rebuilt:
                rebuilt[event.run].feed(event)
            case DataUpdated():
                for run_id, outputs in rebuilt.items():
                    _update(outputs, event, run_id)
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


def _finish(run: Run, event: RunFinished) -> None:
    run.status = event.status
    run.seconds = event.seconds
    run.execution_count = event.execution_count
    run.cause = event.cause
    run.done.set()
