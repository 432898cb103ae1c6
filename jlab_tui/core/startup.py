"""The server's life as one state machine: `step(record, observation, limits)` says what is true now.

Every reader (dashboard, headless, wait, status, ping, tools) derives the state this way; whoever sees a change writes
it to the status file. What could not be found out (None, or a queue that does not answer) never changes a state.
"""

from __future__ import annotations

from dataclasses import replace

from .models import Connection, ServerRecord, ServerState
from .settings import Mode
from .situation import Health, JobGone, Limits, Observation, QueueFacts, Situation, failed, over
from .startup_slurm import step_slurm

__all__ = ["Health", "JobGone", "Limits", "Observation", "QueueFacts", "Situation", "step"]


def step(record: ServerRecord, seen: Observation, limits: Limits) -> Situation:
    """The situation that follows from the record and one observation."""
    if record.mode is Mode.SLURM:
        return step_slurm(record, seen, limits)
    record = _with_connection(record, seen.connection)
    match record.state:
        case ServerState.PENDING | ServerState.STARTING:
            return _starting(record, seen, limits)
        case ServerState.READY:
            return _ready(record, seen)
        case ServerState.STOPPING:
            return _stopping(record, seen)
        case ServerState.ENDED | ServerState.ERROR:
            return over(record, seen.log_tail)


def _with_connection(record: ServerRecord, connection: Connection | None) -> ServerRecord:
    if connection is None or not record.state.is_live:
        return record
    record = replace(record, port=connection.port, url=connection.url)
    if not record.hostname:
        record = replace(record, hostname=connection.hostname)
    if record.pid == 0:
        return replace(record, pid=connection.pid, pid_start=connection.pid_start)
    return record


def _starting(record: ServerRecord, seen: Observation, limits: Limits) -> Situation:
    if seen.process_alive is False:
        return failed(record, f"JupyterLab (PID {record.pid}) ended while starting.", seen.log_tail)
    if seen.health is Health.OK:
        return _ready(record.with_state(ServerState.READY), seen)
    if seen.health is Health.FOREIGN:
        return failed(record, f"Port {record.port} on {record.hostname} belongs to another server.", "")
    if seen.now - record.started > limits.local_start_s:
        late = failed(
            record, f"JupyterLab did not answer within {limits.local_start_s:.0f} s.", seen.log_tail
        )
        return replace(late, give_up=True)
    return Situation(record, "starting", f"JupyterLab starting (PID {record.pid})...", reachable=False)


def _ready(record: ServerRecord, seen: Observation) -> Situation:
    if seen.process_alive is False:
        return over(record.with_state(ServerState.ENDED, f"JupyterLab (PID {record.pid}) has ended."))
    if seen.health is Health.FOREIGN:
        message = f"Another server answers at {record.url}; ours has ended."
        return over(record.with_state(ServerState.ENDED, message))
    if seen.health in (Health.REFUSED, Health.SILENT):
        return Situation(
            record,
            "not answering",
            f"JupyterLab at {record.url} is not answering.",
            "It may be busy; if it stays so: jlab-mcp logs, then jlab-mcp stop and jlab-mcp start.",
            reachable=False,
        )
    return Situation(
        record,
        "running",
        f"JupyterLab ready at {record.url} (PID {record.pid})",
        reachable=True if seen.health is Health.OK else None,
    )


def _stopping(record: ServerRecord, seen: Observation) -> Situation:
    if seen.process_alive is False:
        return over(record.with_state(ServerState.ENDED, "It was stopped."))
    return Situation(record, "stopping", "JupyterLab is being stopped...", "Wait a moment.")
