"""Decides what is news to an agent: what happens to its runs, kernels and server, and no reply tells it.

The end of a run is news if a moment later nothing on record says that the client has been told. Its own interrupts,
restarts and shutdowns are no news, and neither are the runs of another conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .display.printable import printable
from .display.terminal_text import render_terminal
from .journal import acts
from .journal.events import (
    Entry,
    ErrorRaised,
    Event,
    HumanActed,
    KernelChanged,
    ReplyHeaded,
    RunFinished,
    RunStarted,
    RunStatus,
    RunTold,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from .server.gpu_idle import GpuIdleWarnings, idle_sentence
from .server.idle_job import IdleEndWarnings, idle_end_sentence
from .server.record import ServerState
from .server.resources import IdleEndPlan, KernelUse
from .server.status import ServerStatus
from .server.walltime import WalltimeWarnings
from .settings import Mode
from .slurm.survey import format_span

LONG_S: Final = 10.0
"""seconds; whoever starts a shorter run waits for its end"""
GRACE_S: Final = 10.0
"""how long a client may take to fetch an end: it polls every five seconds at most"""
COMMENT_GRACE_S: Final = 3.0
"""the same for a comment, which a call in progress may take at once"""
KINDS: Final = (b"opened", b"run", b"text", b"error", b"finished", b"told", b"kernel", b"headed", b"closed")
"""kinds of the journal lines that a desk needs"""
_LINE_CHARS: Final = 200
_TEXT_CHARS: Final = 4000
_HOW: Final = {
    RunStatus.OK: "ended well",
    RunStatus.ERROR: "raised an exception",
    RunStatus.INTERRUPTED: "was interrupted",
    RunStatus.DIED: "ended with its kernel",
    RunStatus.ABORTED: "never started",
    RunStatus.DECLINED: "was declined by the user",
    RunStatus.JOB_ENDED: "ended with the server",
    RunStatus.LOST: "is lost: its end is unknown",
}


class NewsKind(StrEnum):
    RUN = "run_ended"
    KERNEL = "kernel_ended"
    WALLTIME = "walltime"
    GPU = "gpu_idle"
    IDLE_END = "idle_end"
    READY = "server_ready"
    SERVER = "server_ended"
    COMMENT = "comment_waits"


@dataclass(frozen=True, slots=True)
class News:
    """One piece of news."""

    kind: NewsKind
    text: str
    """one line: what happened, and the next call"""
    session: str = ""
    run: str = ""
    status: str = ""
    """of a run: how it ended"""


def is_worth_telling(status: RunStatus, seconds: float) -> bool:
    """Whether the end of a run would be news to a client that does not wait for it."""
    return status is RunStatus.DIED or (status.is_final and seconds >= LONG_S)


@dataclass(slots=True)
class _Session:
    opened: SessionOpened
    tools: dict[str, str] = field(default_factory=dict)
    """of the runs in progress, which call started them"""
    said: tuple[str, str] = ("", "")
    """the run that printed last, and what"""
    raised: tuple[str, str] = ("", "")
    """the run that raised last, and what"""
    pending: dict[str, tuple[float, News]] = field(default_factory=dict)
    """since when, by run, and by comment; the kernel's end has no run"""
    read: set[str] = field(default_factory=set)
    """ids of the comments that a reply has told"""

    @property
    def name(self) -> str:
        return f"session {self.opened.session} ({self.opened.name})"


class NewsDesk:
    """Takes in what happens from now on, and gives what is news."""

    def __init__(self, conversation: str = "", gpu_idle_warn_min: float = 0.0) -> None:
        """`conversation`: whose sessions count; empty: all. `gpu_idle_warn_min`: see `GpuIdleWarnings`."""
        self._conversation = conversation
        self._sessions: dict[str, _Session] = {}
        self._walltime = WalltimeWarnings()
        self._gpu_idle = GpuIdleWarnings(gpu_idle_warn_min)
        self._idle_end = IdleEndWarnings()
        self._server: ServerStatus | None = None
        self._has_looked = False
        self._news: list[News] = []

    def feed(self, session: str, entry: Entry, now: float) -> None:
        """Take in a line of a session's journal; of a session that is new here, the line that opened it first."""
        match event := entry.event:
            case SessionOpened():
                if self._conversation in ("", event.conversation):
                    self._sessions.setdefault(session, _Session(event)).opened = event
                else:
                    self._sessions.pop(session, None)  # another conversation has taken it over
            case _:
                if known := self._sessions.get(session):
                    self._feed(known, event, now)

    def _feed(self, known: _Session, event: Event, now: float) -> None:
        match event:
            case RunStarted():
                known.tools = {event.run: event.tool}
            case TextPrinted():
                known.said = (event.run, event.text[-_TEXT_CHARS:])
            case ErrorRaised():
                known.raised = (event.run, f"{event.ename}: {event.evalue}"[:_LINE_CHARS])
            case RunFinished():
                self._finished(known, event, now)
            case RunTold():
                known.pending.pop(event.run, None)
            case HumanActed(action=acts.COMMENT, id=ident) if ident and ident not in known.read:
                known.pending.setdefault(ident, (now - GRACE_S + COMMENT_GRACE_S, _comment_news(known)))
            case ReplyHeaded():
                known.read.add(event.id)
                known.pending.pop(event.id, None)
            case KernelChanged():
                if known.opened.notebook and not event.cause.startswith("restarted by you"):
                    known.pending.setdefault("", (now, _kernel_news(known, event)))
            case SessionClosed():
                if known.opened.notebook:  # else its kernel ends with its run
                    known.pending.clear()
            case _:
                pass

    def _finished(self, known: _Session, event: RunFinished, now: float) -> None:
        tool = known.tools.pop(event.run, "")
        if event.status in (RunStatus.DIED, RunStatus.JOB_ENDED):
            known.pending.pop("", None)  # the run's end says it
        if tool not in ("resume", acts.OWN_CELL) and is_worth_telling(event.status, event.seconds):
            known.pending[event.run] = (now, _run_news(known, event))

    def look(self, status: ServerStatus | None, now: float) -> None:
        """Take in how the server is; None: there is none."""
        before, self._server = self._server, status
        ends = status.record.ends if status is not None and status.state is ServerState.READY else 0.0
        if warning := self._walltime.due(ends, now):
            self._news.append(News(NewsKind.WALLTIME, warning))
        if self._has_looked and (news := _server_news(before, status)):
            self._news.append(news)
        self._has_looked = True

    def measured(self, uses: Mapping[str, KernelUse]) -> None:
        """Take in what each kernel uses."""
        by_kernel = {known.opened.kernel_id: known for known in self._sessions.values()}
        for kernel_id in self._gpu_idle.due(uses):
            if known := by_kernel.get(kernel_id):
                text = idle_sentence(f"The kernel of {known.name}", uses[kernel_id])
                advice = "Use it, free the memory, or end it with shutdown_session."
                self._news.append(News(NewsKind.GPU, _one_line([text, advice]), known.opened.session))

    def idle_end(self, plan: IdleEndPlan | None, now: float, clock: Callable[[float], str]) -> None:
        """Take in when the job ends itself. `clock` names times of day."""
        if self._idle_end.due(plan, now) and plan is not None:
            self._news.append(News(NewsKind.IDLE_END, idle_end_sentence(plan, clock)))

    def due(self, now: float) -> list[News]:
        """Return what is news by now, once."""
        news, self._news = self._news, []
        is_over = self._server is None or not self._server.state.is_live
        for known in self._sessions.values():
            for run, (since, held) in list(known.pending.items()):
                if now - since >= GRACE_S:
                    del known.pending[run]
                    if run or not is_over:  # the server's end says it of its kernels
                        news.append(held)
        return news


def _run_news(known: _Session, event: RunFinished) -> News:
    parts = [
        f"Run {event.run} of {known.name} {_HOW.get(event.status, event.status)} after {format_span(event.seconds)}."
    ]
    if event.cause:
        parts.append(event.cause)
    if known.raised[0] == event.run and event.status is RunStatus.ERROR:
        parts.append(f"{known.raised[1]}.")
    elif known.said[0] == event.run and (last := _last_line(known.said[1])):
        parts.append(f"Its last line: {last}")
    parts.append(f'wait_for_run(run_id="{event.run}") returns its output.')
    session = known.opened.session
    return News(NewsKind.RUN, _one_line(parts), session, event.run, event.status)


def _kernel_news(known: _Session, event: KernelChanged) -> News:
    text = f"The kernel of {known.name}: {event.cause}. All its variables are lost. ping tells whether it runs again."
    return News(NewsKind.KERNEL, _one_line([text]), known.opened.session)


def _comment_news(known: _Session) -> News:
    session = known.opened.session
    text = (
        f"A comment from the user waits for you in {known.name}. The next reply about this session begins with it: "
        f'inspect_variables(session_id="{session}") returns at once.'
    )
    return News(NewsKind.COMMENT, _one_line([text]), session)


def _server_news(before: ServerStatus | None, now: ServerStatus | None) -> News | None:
    was_live = before is not None and before.state.is_live
    is_same = before is not None and now is not None and before.record.started == now.record.started
    if was_live and (now is None or not is_same or now.is_over):
        why = now.sentence if now is not None and is_same else "The Jupyter server was stopped."
        text = f"{why} Its kernels and their variables are gone; notebooks and records stay. ping tells what is there."
        return News(NewsKind.SERVER, _one_line([text]))
    was_ready = before is not None and before.state is ServerState.READY
    if is_same and not was_ready and now is not None and now.state is ServerState.READY:
        # A local start takes seconds, and whoever asked waits for it.
        is_job = now.record.mode is Mode.SLURM
        return (
            News(NewsKind.READY, _one_line([now.sentence, "Sessions can be opened now."])) if is_job else None
        )
    return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in render_terminal(text).splitlines()]
    return next((line[-_LINE_CHARS:] for line in reversed(lines) if line), "")


def _one_line(parts: list[str]) -> str:
    return " ".join(printable(" ".join(parts)).split())
