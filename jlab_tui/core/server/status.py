"""Defines observations of the server and the status that `state_machine` derives from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from ..link.bridge import LinkFacts
from ..settings import Mode
from ..setup_script import SETUP_FAILED
from ..slurm.queue import QueueAnswer, QueueUnknown
from ..slurm.show import JobDetails
from .record import ConnectionFile, ServerRecord, ServerState
from .route import UNPROVED, NoRoute


class Health(Enum):
    """The result of one `GET /api/status`."""

    OK = auto()
    REFUSED = auto()
    """no program listens there"""
    SILENT = auto()
    """no answer in time, or the host cannot be reached"""
    FOREIGN = auto()
    """somebody else's server: it rejects our token, or its answer is not Jupyter's"""
    UNTRUSTED = auto()
    """this machine does not trust its certificate: the user's Jupyter configuration names a self-signed one"""


@dataclass(frozen=True, slots=True)
class UnprovedHealth:
    """The health of a server that the user allows although nothing proves that it is theirs."""

    health: Health


@dataclass(frozen=True, slots=True)
class JobGone:
    """Slurm does not know the job."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the outside world. None means not checked, or impossible to check from this host."""

    now: float
    process_alive: bool | None = None
    """local mode: whether the PID of the record is alive and is our process"""
    is_elsewhere: bool = False
    """local mode: the server belongs to another machine, so its process and its loopback address mean nothing here
    (in a sandbox on the same machine the address may mean something, and this is False)"""
    connection: ConnectionFile | None = None
    health: Health | None = None
    no_route: NoRoute | None = None
    """why nobody asked the server: nothing would prove that it is ours"""
    is_unproved: bool = False
    """the server was asked although nothing proves that it is ours: the user allows it"""
    link: LinkFacts | None = None
    """how this host reaches a job's server"""
    log_tail: str = ""
    queue: QueueAnswer | None = None
    """SLURM mode: this user's jobs"""
    details: JobDetails | QueueUnknown | JobGone | None = None
    """Slurm mode: the answer of `scontrol show job`, when the queue alone is not enough"""
    load: tuple[str, ...] = ()
    """one line on each partition of the cluster"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a start, in seconds."""

    local_start_s: float = 60.0
    ready_s: float = 120.0
    """of a running job: until its connection file appears, and then until it answers"""

    def of(self, mode: Mode) -> float:
        return self.ready_s if mode is Mode.SLURM else self.local_start_s


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A job's place in the queue, as far as Slurm reveals it."""

    reason: str = ""
    """Slurm's own word"""
    position: int | None = None
    estimated_start: float | None = None
    """epoch seconds"""
    queued_since: float | None = None
    partition: str = ""
    load: tuple[str, ...] = ()
    is_stuck: bool = False
    """it needs a change before it can start"""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The up-to-date record, with the sentences that describe it."""

    record: ServerRecord
    phase: str
    """state in words, short: `starting`, `running`, `ended`, `pending (Priority)`"""
    sentence: str
    """one sentence about the server"""
    hint: str = ""
    """the user's next step; empty if there is none"""
    reachable: bool | None = None
    """whether JupyterLab answers; None if not checked"""
    give_up: bool = False
    """the start took too long, so a process that waits for it stops it"""
    is_elsewhere: bool = False
    """only another machine can use it, so waiting here is pointless"""
    is_unreached: bool = False
    """it serves, but no way leads there from this host; others may reach it"""
    details: tuple[str, ...] = ()
    """more sentences, such as the estimated start"""
    queue: QueueFacts | None = None
    """set while the job waits"""
    log_tail: tuple[str, ...] = ()
    """last lines of the log after a failure"""
    notices: tuple[str, ...] = ()
    """sentences that leave the state unchanged: Slurm does not answer, the walltime ends soon"""
    link: LinkFacts | None = None
    """how this host reaches a job's server"""

    @property
    def state(self) -> ServerState:
        return self.record.state

    @property
    def is_over(self) -> bool:
        return self.state in (ServerState.ENDED, ServerState.ERROR)

    @property
    def is_usable(self) -> bool:
        return self.state is ServerState.READY and self.reachable is not False

    @property
    def is_decided(self) -> bool:
        """Whether the wait for a usable server is over: it is usable, or never will be."""
        return self.is_usable or self.is_over or self.give_up or self.is_elsewhere


def over(record: ServerRecord, log_tail: str = "", hint: str = "") -> ServerStatus:
    """Describe a server that has ended or failed."""
    lines = tuple(log_tail.splitlines()[-LOG_LINES:])
    if record.state is ServerState.ERROR:
        hint = (
            hint
            or record.hint
            or "`jlab-mcp doctor` shows how to fix it, `jlab-mcp logs` shows the log; then: jlab-mcp start"
        )
        sentence = record.message or "JupyterLab did not start."
        return ServerStatus(record, "failed", sentence, hint, reachable=False, log_tail=lines)
    hint = hint or record.hint or "Start it again with: jlab-mcp start"
    sentence = record.message or "JupyterLab has ended."
    return ServerStatus(record, "ended", sentence, hint, reachable=False, log_tail=lines)


LOG_LINES = 40
"""number of log lines in a status"""


def failed(record: ServerRecord, what: str, log_tail: str) -> ServerStatus:
    """Describe a failed start, with the log line that most likely explains it."""
    last = telling_line(log_tail).removeprefix("jlab-mcp: error: ")
    return over(record.with_state(ServerState.ERROR, f"{what} {last}".strip()), log_tail)


def telling_line(log_tail: str) -> str:
    """Find the log line that most likely explains why the program ended."""
    lines = [line.strip() for line in reversed(log_tail.splitlines()) if line.strip()]
    set_up = next((number for number, line in enumerate(lines) if _SETUP_FAILED in line), None)
    if set_up is not None:  # the line before is the command's own
        said = next((line for line in lines[set_up + 1 :][:1] if not line.startswith("jlab-mcp: ")), "")
        return f"{lines[set_up]}: {said}"[:300] if said else lines[set_up][:300]
    # Jupyter's messages of the levels info and debug, such as the language servers that it did not find, explain nothing.
    unusual = [line for line in lines if not re.match(r"\[[ID] ", line)]
    errors = (line for line in unusual if any(word in line for word in _OF_ERRORS))
    return next((found[:300] for found in (*errors, *unusual, *lines)), "")


_SETUP_FAILED = f"error: {SETUP_FAILED}: "
_OF_ERRORS = ("Error", "error:", "rror]", "ERROR", "No module", "not found", "denied", "in use")


def own_end(log_tail: str) -> str:
    """Return a sentence, after a space, on a server that a setting or its own configuration ended; empty if nothing says so."""
    idle = re.search(r"jlab-mcp: (ended after \S+ idle hours \(JLAB_MCP_IDLE_END_H=\S+\))", log_tail)
    if idle is not None:
        return f" It {idle[1]}."
    found = re.search(r"No kernels[^;]* for (\d+) seconds; shutting down", log_tail)
    if found is None:
        return ""
    return (
        f" Your Jupyter configuration ended it after {found[1]} s without kernels "
        "(ServerApp.shutdown_no_activity_timeout)."
    )


def untrusted(record: ServerRecord, *, give_up: bool) -> ServerStatus:
    """Describe a server whose certificate the user must trust first; waiting does not help."""
    return ServerStatus(
        record,
        "not trusted",
        f"JupyterLab at {record.url} uses a certificate that this machine does not trust.",
        "Remove `certfile` from your Jupyter configuration (`jupyter --paths` lists its directories), then: jlab-mcp start",
        reachable=False,
        give_up=give_up,
    )


def unproved(record: ServerRecord, why: NoRoute) -> ServerStatus:
    """Describe a server that this process may not use, although others may."""
    return ServerStatus(record, "not proved", why.message, why.hint, reachable=False, is_elsewhere=True)


def detour(record: ServerRecord, link: LinkFacts | None) -> str:
    """Say that this host does not use the server's port, and why; empty if it does."""
    if link is None or not link.why or not record.url:
        return ""
    return f"This host reaches JupyterLab on {record.hostname} by {link.way}: {link.why}."


def unproved_notice(record: ServerRecord) -> str:
    """Names the risk of a server that is used although nothing proves that it is ours."""
    return (
        f"Nothing proves that the server at {record.url} is yours. jlab-mcp uses it because {UNPROVED}=1 is set; "
        f"anyone who listens at that address can act as you."
    )
