"""Defines a run: one piece of code sent to a kernel, from the request to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..journal.events import OutputDropped, RunFinished, RunStatus
from ..journal.run_use import NO_USE, RunUse
from ..kernel.conversation import NO_REPLY, RunEnded
from ..kernel.interrupt_ladder import CANCELLED
from ..notebook.outputs import CellOutputs

_FAILED_COMMAND: Final = "CalledProcessError"
"""the exception of `%%bash` and other cells for a program"""
_BY_INTERRUPT: Final = "Signals.SIGINT"


@dataclass(slots=True)
class Run:
    """Facts about one run. `outputs` is None once memory no longer holds them; the journal has them."""

    id: str
    session: str
    tool: str
    cell: str
    source: str
    msg_id: str
    asked_at: float
    """epoch seconds"""
    journal: Path
    offset: int
    """offset of its first line in the journal"""
    generation: int = 1
    """generation of its kernel"""
    status: RunStatus = RunStatus.RUNNING
    seconds: float = 0.0
    execution_count: int | None = None
    cause: str = ""
    use: RunUse = NO_USE
    outputs: CellOutputs | None = field(default_factory=CellOutputs)
    has_started: bool = False
    """the kernel executes its code, or did"""
    reply: Mapping[str, Any] | None = None
    """the kernel's reply, while more output may follow"""
    reply_recorded: bool = False
    waits_for_other: bool = False
    """another client's code runs on the kernel first"""
    interrupted_by: str = ""
    """who asked for an interrupt while it ran"""
    interrupted_elsewhere: bool = False
    """another process of ours interrupted it, such as a dashboard"""
    notes: list[str] = field(default_factory=list)
    """further sentences for the reader"""
    lost: dict[tuple[str, str], int] = field(default_factory=dict)
    """the amount of lost output, by unit and cause"""

    def elapsed(self, now: float) -> float:
        return self.seconds if self.status.is_final else max(0.0, now - self.asked_at)

    def ending(self, end: RunEnded, now: float) -> RunFinished:
        """Return the journal event of its end."""
        status, cause = end.status, end.cause
        if cause == NO_REPLY and self.interrupted_by:
            status, cause = RunStatus.INTERRUPTED, ""
            self.notes.append("The interrupt came before the first line of the code or after its last one.")
        if (self.interrupted_by or self.interrupted_elsewhere) and self._may_be_interrupted(end):
            status, cause = RunStatus.INTERRUPTED, ""
        count = end.execution_count if end.execution_count is not None else self.execution_count
        return RunFinished(self.id, status, round(self.elapsed(now), 3), count, cause, end.use)

    def _may_be_interrupted(self, end: RunEnded) -> bool:
        """Return whether it ended as interrupted code may end without a KeyboardInterrupt: a cell that awaits, or a shell
        command. Code that cancels what it awaits and a command that signals itself end so, too."""
        error = self.outputs.error if self.outputs is not None else None
        if end.status is not RunStatus.ERROR or error is None:
            return end.is_command_interrupted
        return error.ename == CANCELLED or (error.ename == _FAILED_COMMAND and _BY_INTERRUPT in error.evalue)

    def finish(self, end: RunFinished) -> None:
        self.status, self.seconds = end.status, end.seconds
        self.execution_count, self.cause, self.use = end.execution_count, end.cause, end.use
        self.reply = None

    def count_loss(self, dropped: OutputDropped) -> None:
        if dropped.unit != "characters":  # lost only for the record otherwise
            of = dropped.unit, dropped.why
            self.lost[of] = self.lost.get(of, 0) + dropped.count

    def losses(self) -> list[str]:
        """Return one sentence for each cause."""
        return [
            f"About {count:,} {unit} of output were lost: {why}."
            if count != 1
            else f"1 {unit.removesuffix('s')} of output was lost: {why}."
            for (unit, why), count in self.lost.items()
        ]
