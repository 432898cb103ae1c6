"""What was seen of the server and what follows from it, as values. `startup` computes the one from the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..settings import Mode
from ..slurm.queue import QueueAnswer, QueueUnknown
from ..slurm.show import JobDetails
from .record import ConnectionFile, ServerRecord, ServerState
from .route import NoRoute


class Health(Enum):
    """What one look at `GET /api/status` told."""

    OK = auto()
    REFUSED = auto()
    """nobody listens there"""
    SILENT = auto()
    """no answer in time, or the host cannot be reached"""
    FOREIGN = auto()
    """somebody else's server: our token is not accepted, or the answer is not Jupyter's"""
    UNTRUSTED = auto()
    """its certificate is not trusted here: the user's Jupyter configuration names a self-signed one"""


@dataclass(frozen=True, slots=True)
class JobGone:
    """Slurm answered that it knows no such job."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the outside world. None: not looked, or not possible from this host."""

    now: float
    process_alive: bool | None = None
    """local mode: whether the PID of the record is alive and is our process"""
    is_elsewhere: bool = False
    """local mode: the server belongs to another machine, so its process and its loopback address mean nothing here
    (in a sandbox on the same machine the address may mean something, and this is False)"""
    connection: ConnectionFile | None = None
    health: Health | None = None
    no_route: NoRoute | None = None
    """why the server was not asked: nothing would prove that it is ours"""
    log_tail: str = ""
    queue: QueueAnswer | None = None
    """SLURM mode: this user's jobs"""
    details: JobDetails | QueueUnknown | JobGone | None = None
    """SLURM mode: what `scontrol show job` said, where the queue alone does not tell"""
    load: tuple[str, ...] = ()
    """one line on each partition of the cluster"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a start may take."""

    local_start_s: float = 60.0
    ready_s: float = 120.0
    """of a running job: until its connection file is there, and from then until it answers"""

    def of(self, mode: Mode) -> float:
        return self.ready_s if mode is Mode.SLURM else self.local_start_s


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A job's place in the queue, as far as Slurm tells."""

    reason: str = ""
    """Slurm's own word"""
    position: int | None = None
    estimated_start: float | None = None
    """epoch seconds"""
    queued_since: float | None = None
    partition: str = ""
    load: tuple[str, ...] = ()
    is_stuck: bool = False
    """it will not start unless somebody changes something"""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The record as it should stand now, and what to tell about it."""

    record: ServerRecord
    phase: str
    """state in words, short: `starting`, `running`, `ended`, `pending (Priority)`"""
    sentence: str
    """what is the case, one sentence"""
    hint: str = ""
    """what to do next; empty when nothing is to be done"""
    reachable: bool | None = None
    """whether JupyterLab answers; None where nobody looked"""
    give_up: bool = False
    """a start took too long: whoever waits for it ends it"""
    is_elsewhere: bool = False
    """it can only be used from another machine: there is nothing to wait for here"""
    details: tuple[str, ...] = ()
    """more of the same, one sentence each, such as the estimated start"""
    queue: QueueFacts | None = None
    """while the job waits"""
    log_tail: tuple[str, ...] = ()
    """last lines of the log where something went wrong"""
    notices: tuple[str, ...] = ()
    """what does not change the state: Slurm does not answer, the walltime ends soon"""

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
        """Whether whoever waits for a usable server need not wait on: it is one, or it will not be one."""
        return self.is_usable or self.is_over or self.give_up or self.is_elsewhere


def over(record: ServerRecord, log_tail: str = "", hint: str = "") -> ServerStatus:
    """ServerStatus of a record that says how it ended."""
    lines = tuple(log_tail.splitlines()[-LOG_LINES:])
    if record.state is ServerState.ERROR:
        hint = (
            hint
            or record.hint
            or "`jlab-mcp doctor` says what mends it, `jlab-mcp logs` shows all; then: jlab-mcp start"
        )
        sentence = record.message or "JupyterLab did not start."
        return ServerStatus(record, "failed", sentence, hint, reachable=False, log_tail=lines)
    hint = hint or record.hint or "Start it again with: jlab-mcp start"
    sentence = record.message or "JupyterLab has ended."
    return ServerStatus(record, "ended", sentence, hint, reachable=False, log_tail=lines)


LOG_LINES = 40
"""of the log that a status carries"""


def failed(record: ServerRecord, what: str, log_tail: str) -> ServerStatus:
    """ServerStatus of a start that failed, with the line of the log that most likely says why."""
    last = telling_line(log_tail)
    return over(record.with_state(ServerState.ERROR, f"{what} {last}".strip()), log_tail)


def telling_line(log_tail: str) -> str:
    """The line of a log that most likely says why the program ended."""
    lines = [line.strip() for line in log_tail.splitlines() if line.strip()]
    for line in reversed(lines):
        if any(
            word in line
            for word in ("Error", "error:", "rror]", "ERROR", "No module", "not found", "denied", "in use")
        ):
            return line[-300:]
    return lines[-1][-300:] if lines else ""


def untrusted(record: ServerRecord, *, give_up: bool) -> ServerStatus:
    """Waiting does not help: who connects here would have to trust the certificate first."""
    return ServerStatus(
        record,
        "not trusted",
        f"JupyterLab at {record.url} shows a certificate that is not trusted here.",
        "Take `certfile` out of your Jupyter configuration (`jupyter --paths` says where that is), then: jlab-mcp start",
        reachable=False,
        give_up=give_up,
    )


def unproved(record: ServerRecord, why: NoRoute) -> ServerStatus:
    """What is the case where this process may not use the server; it may be as it should for others."""
    return ServerStatus(record, "not proved", why.message, why.hint, reachable=False, is_elsewhere=True)
