"""The server's life as one state machine: `step(record, observation, limits)` says what is true now.

Every reader (dashboard, headless, wait, status, ping, tools) derives the state this way; whoever sees a change writes
it to the status file. What could not be found out (None) never changes a state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from .models import Connection, ServerRecord, ServerState
from .settings import Mode


class Health(Enum):
    """What one look at `GET /api/status` told."""

    OK = auto()
    REFUSED = auto()
    """nobody listens there"""
    SILENT = auto()
    """no answer in time, or the host cannot be reached"""
    FOREIGN = auto()
    """somebody else's server: our token is not accepted, or the answer is not Jupyter's"""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the outside world. None: not looked, or not possible from this host."""

    now: float
    process_alive: bool | None = None
    """local mode: whether the PID of the record is alive and is our process"""
    connection: Connection | None = None
    health: Health | None = None
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a start may take."""

    local_start_s: float = 60.0
    ready_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Situation:
    """The record as it should stand now, and what to tell about it."""

    record: ServerRecord
    phase: str
    """state in words, short: `starting`, `ready`, `ended`"""
    sentence: str
    """what is the case, one sentence"""
    hint: str = ""
    """what to do next; empty when nothing is to be done"""
    reachable: bool | None = None
    """whether JupyterLab answers; None where nobody looked"""
    log_tail: str = ""
    """end of the log, where it tells why"""
    give_up: bool = False
    """a start took too long: whoever launched it ends it"""


def step(record: ServerRecord, seen: Observation, limits: Limits) -> Situation:
    """The situation that follows from the record and one observation."""
    record = _with_connection(record, seen.connection)
    match record.state:
        case ServerState.PENDING | ServerState.STARTING:
            return _starting(record, seen, limits)
        case ServerState.READY:
            return _ready(record, seen)
        case ServerState.STOPPING:
            return _stopping(record, seen)
        case ServerState.ENDED | ServerState.ERROR:
            return _over(record, seen.log_tail)


def _with_connection(record: ServerRecord, connection: Connection | None) -> ServerRecord:
    if connection is None or not record.state.is_live:
        return record
    known = {
        "port": connection.port,
        "url": connection.url,
        "hostname": connection.hostname or record.hostname,
    }
    if record.mode is Mode.LOCAL and record.pid == 0:
        known |= {"pid": connection.pid, "pid_start": connection.pid_start}
    return replace(record, **known)  # type: ignore[arg-type]


def _starting(record: ServerRecord, seen: Observation, limits: Limits) -> Situation:
    if seen.process_alive is False:
        return _failed(record, f"JupyterLab (PID {record.pid}) ended while starting.", seen.log_tail)
    if seen.health is Health.OK:
        return _ready(record.with_state(ServerState.READY), seen)
    if seen.health is Health.FOREIGN:
        return _failed(record, f"Port {record.port} on {record.hostname} belongs to another server.", "")
    if record.mode is Mode.LOCAL and seen.now - record.started > limits.local_start_s:
        failed = _failed(
            record, f"JupyterLab did not answer within {limits.local_start_s:.0f} s.", seen.log_tail
        )
        return replace(failed, give_up=True)
    return Situation(record, "starting", f"JupyterLab starting (PID {record.pid})...", reachable=False)


def _ready(record: ServerRecord, seen: Observation) -> Situation:
    if seen.process_alive is False:
        ended = record.with_state(ServerState.ENDED, f"JupyterLab (PID {record.pid}) has ended.")
        return _over(ended)
    if seen.health is Health.FOREIGN:
        message = f"Another server answers at {record.url}; ours has ended."
        return _over(record.with_state(ServerState.ENDED, message))
    if seen.health in (Health.REFUSED, Health.SILENT):
        return Situation(
            record,
            "not answering",
            f"JupyterLab at {record.url} is not answering.",
            "It may be busy; if it stays so: jlab-mcp logs, then jlab-mcp stop and jlab-mcp start.",
            reachable=False,
        )
    place = f" (PID {record.pid})" if record.mode is Mode.LOCAL else ""
    return Situation(
        record,
        "running",
        f"JupyterLab ready at {record.url}{place}",
        reachable=True if seen.health is Health.OK else None,
    )


def _stopping(record: ServerRecord, seen: Observation) -> Situation:
    if seen.process_alive is False:
        return _over(record.with_state(ServerState.ENDED, "It was stopped."))
    return Situation(record, "stopping", "JupyterLab is being stopped...", "Wait a moment.")


def _over(record: ServerRecord, log_tail: str = "") -> Situation:
    if record.state is ServerState.ERROR:
        hint = "Look at the log with `jlab-mcp logs`, then: jlab-mcp start"
        return Situation(
            record, "failed", record.message or "JupyterLab did not start.", hint, reachable=False
        )
    return Situation(
        record,
        "ended",
        record.message or "JupyterLab has ended.",
        "Start it again with: jlab-mcp start",
        reachable=False,
    )


def _failed(record: ServerRecord, what: str, log_tail: str) -> Situation:
    last = _telling_line(log_tail)
    return _over(record.with_state(ServerState.ERROR, f"{what} {last}".strip()), log_tail)


def _telling_line(log_tail: str) -> str:
    """The line of a log that most likely says why the program ended."""
    lines = [line.strip() for line in log_tail.splitlines() if line.strip()]
    for line in reversed(lines):
        if any(
            word in line
            for word in ("Error", "error:", "rror]", "ERROR", "No module", "not found", "denied", "in use")
        ):
            return line[-300:]
    return lines[-1][-300:] if lines else ""
