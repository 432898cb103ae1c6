"""Defines the events that a session's state takes, and the effects that follow from them.

Besides these it takes what the kernel's messages tell (`core.kernel.conversation`) and what the link tells about itself
(`core.kernel.link`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..journal.events import Event, ExecutionStarted, OutputDropped, RunStatus
from ..kernel.conversation import KernelDeath, OtherActivity, Output, RunEnded
from ..kernel.link import LinkChange


@dataclass(frozen=True, slots=True)
class RunAsked:
    """A run is in preparation, which keeps others out."""

    run: str
    msg_id: str


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run is on record and held: it waits for what the user decides, unsent."""

    run: str


@dataclass(frozen=True, slots=True)
class RunSent:
    """The run is on record and on its way."""

    run: str


@dataclass(frozen=True, slots=True)
class RunWithdrawn:
    """The run was not sent after all, and the record has nothing of it."""

    run: str


@dataclass(frozen=True, slots=True)
class RunClosed:
    """The run ends for another reason than a message of the kernel."""

    run: str
    status: RunStatus
    cause: str


@dataclass(frozen=True, slots=True)
class RestartAsked:
    by: str


@dataclass(frozen=True, slots=True)
class RestartDone:
    """The server says so."""

    by: str


@dataclass(frozen=True, slots=True)
class RestartFailed:
    by: str


@dataclass(frozen=True, slots=True)
class BatchStarted:
    pass


@dataclass(frozen=True, slots=True)
class BatchEnded:
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class NoticeTaken:
    """A reply contains the notice."""


@dataclass(frozen=True, slots=True)
class KernelUnused:
    """The user's kernel has counted no cell."""


@dataclass(frozen=True, slots=True)
class KernelMissing:
    """The server does not have the kernel."""


@dataclass(frozen=True, slots=True)
class ServerGone:
    """The server has ended and will not come back."""

    why: str


@dataclass(frozen=True, slots=True)
class ServerStays:
    """The kernel died and its server did not, so the kernel's death ended the run."""

    end: RunEnded


Asked = (
    RunAsked
    | RunPaused
    | RunSent
    | RunWithdrawn
    | RunClosed
    | RestartAsked
    | RestartDone
    | RestartFailed
    | BatchStarted
    | BatchEnded
    | NoticeTaken
    | KernelUnused
)
Found = KernelMissing | ServerGone | ServerStays
KernelFact = Output | ExecutionStarted | RunEnded | KernelDeath | OtherActivity
SessionEvent = KernelFact | LinkChange | Asked | Found


@dataclass(frozen=True, slots=True)
class StartRun:
    """The kernel executes the run."""

    run: str
    execution_count: int | None
    is_news: bool
    """nobody knew"""


@dataclass(frozen=True, slots=True)
class QueueRun:
    """The run starts or stops waiting for another client's code."""

    run: str
    waits: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """Record the run's end and store its outputs."""

    end: RunEnded
    msg_id: str
    is_forgotten: bool
    """ignore its later messages"""


@dataclass(frozen=True, slots=True)
class LeaveRun:
    """Another process continues the run; record nothing more of it here."""

    run: str
    cause: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write an event to the journal."""

    event: Event


@dataclass(frozen=True, slots=True)
class CountLoss:
    """Output up to message `last` is lost, which includes `dropped` of the run in progress, if there is one."""

    dropped: OutputDropped | None
    last: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """Write nothing more to the journal and the notebook."""


@dataclass(frozen=True, slots=True)
class RenewLink:
    """Another kernel process answers from now on."""


@dataclass(frozen=True, slots=True)
class CloseLink:
    """The server is gone for good; any later listener at its address is somebody else's."""


@dataclass(frozen=True, slots=True)
class WatchUnseen:
    """Find out whether the kernel has this run."""

    run: str


@dataclass(frozen=True, slots=True)
class LookAtKernel:
    """Ask the server whether it has the kernel."""


@dataclass(frozen=True, slots=True)
class DiagnoseServer:
    """Find out whether the server has ended."""


@dataclass(frozen=True, slots=True)
class AwaitServerEnd:
    """The end of a job sends SIGTERM to kernels and server alike, and a server that ends shuts its kernels down: see
    whether the server ends; then not the kernel's death is the cause."""

    end: RunEnded


@dataclass(frozen=True, slots=True)
class ReadRest:
    """Read what the server recorded before its end, then close the run in progress."""

    why: str


Effect = (
    StartRun
    | QueueRun
    | EndRun
    | LeaveRun
    | Write
    | CountLoss
    | Abandon
    | RenewLink
    | CloseLink
    | WatchUnseen
    | LookAtKernel
    | DiagnoseServer
    | AwaitServerEnd
    | ReadRest
)
