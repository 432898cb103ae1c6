"""Implements the server's life cycle as a state machine: `step(record, observation, limits)` returns the current status.

Every reader (dashboard, headless, wait, status, ping, tools) derives the state this way, and the first to see a change
writes it to the status file. An unknown (None, or a queue that does not answer) never changes a state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from ..link.bridge import LinkFacts
from ..settings import Mode
from ..slurm.survey import format_span
from .machine import is_loopback
from .record import ConnectionFile, ServerRecord, ServerState
from .slurm_state_machine import step_slurm
from .status import (
    Health,
    JobGone,
    Limits,
    Observation,
    QueueFacts,
    ServerStatus,
    UnprovedHealth,
    detour,
    failed,
    over,
    own_end,
    unproved,
    unproved_notice,
    untrusted,
)
from .walltime import walltime_warning

__all__ = [
    "Health",
    "JobGone",
    "Limits",
    "Observation",
    "QueueFacts",
    "ServerStatus",
    "UnprovedHealth",
    "asks_for_health",
    "step",
]


def step(record: ServerRecord, seen: Observation, limits: Limits) -> ServerStatus:
    """Derive the status from the record and one observation."""
    if seen.health is Health.OK and seen.link is not None and seen.link.way == "none":
        seen = replace(seen, link=LinkFacts("tcp"))  # its port answers again
    status = replace(_step(record, seen, limits), link=seen.link)
    if not status.is_usable:
        return status
    more = (
        unproved_notice(status.record) if seen.is_unproved else "",
        status.record.environment,
        detour(status.record, seen.link),
    )
    return replace(status, notices=(*status.notices, *filter(None, more)))


def _step(record: ServerRecord, seen: Observation, limits: Limits) -> ServerStatus:
    if record.mode is Mode.SLURM:
        return step_slurm(record, seen, limits)
    record = _with_connection(record, seen.connection)
    if seen.no_route is not None and record.state in (ServerState.STARTING, ServerState.READY):
        return unproved(record, seen.no_route)
    match record.state:
        case ServerState.PENDING | ServerState.STARTING:
            return _starting(record, seen, limits)
        case ServerState.READY:
            return _ready(record, seen)
        case ServerState.STOPPING:
            return _stopping(record, seen)
        case ServerState.ENDED | ServerState.ERROR:
            return over(record, seen.log_tail)
        case _:
            assert_never(record.state)


def _with_connection(record: ServerRecord, connection: ConnectionFile | None) -> ServerRecord:
    if connection is None or not record.state.is_live:
        return record
    return replace(
        record,
        port=connection.port,
        url=connection.url,
        socket=connection.socket,
        hostname=record.hostname or connection.hostname,
        environment=connection.environment,
    )


def _starting(record: ServerRecord, seen: Observation, limits: Limits) -> ServerStatus:
    if seen.process_alive is False:
        return failed(record, f"JupyterLab (PID {record.pid}) ended while starting.", seen.log_tail)
    if seen.health is Health.OK:
        return _ready(record.with_state(ServerState.READY), seen)
    if seen.health is Health.UNTRUSTED:
        return untrusted(record, give_up=True)
    is_late = seen.now - record.started > limits.local_start_s
    if seen.is_elsewhere:
        return _elsewhere(record, "was started") if is_late else _on_its_way(record)
    if is_late:
        # The process still runs: with a record of its end, nobody would find it again.
        return ServerStatus(
            record,
            "not starting",
            f"JupyterLab (PID {record.pid}) has not answered within {limits.local_start_s:.0f} s.",
            "`jlab-mcp logs` shows more, `jlab-mcp stop` stops it; JLAB_MCP_READY_TIMEOUT sets the limit.",
            reachable=False,
            give_up=True,
        )
    return _on_its_way(record)


def _on_its_way(record: ServerRecord) -> ServerStatus:
    return ServerStatus(record, "starting", f"JupyterLab starting (PID {record.pid})...", reachable=False)


def asks_for_health(record: ServerRecord, seen: Observation) -> bool:
    """Whether to query the server's health. The loopback address of another machine leads to a stranger here, who must
    not receive the token."""
    if record.state not in (ServerState.STARTING, ServerState.READY) or not record.is_published:
        return False
    if record.inside_job:
        return seen.process_alive is not False  # a step of its job leads there
    return not (seen.is_elsewhere and is_loopback(record.url))


def _elsewhere(record: ServerRecord, what: str) -> ServerStatus:
    host = record.launcher
    return ServerStatus(
        record,
        f"on {host}",
        f"JupyterLab {what} on {host} (PID {record.pid}) and can only be reached there.",
        f"Work on {host}, or stop it there with `jlab-mcp stop`. If {host} is gone: jlab-mcp stop --forget",
        reachable=False,
        is_elsewhere=True,
    )


def _ready(record: ServerRecord, seen: Observation) -> ServerStatus:
    if seen.process_alive is False:
        ended = f"JupyterLab (PID {record.pid}) has ended.{own_end(seen.log_tail)}"
        if seen.is_elsewhere:
            ended = f"Job {record.inside_job}, in which JupyterLab ran on {record.hostname}, is over."
        return over(record.with_state(ServerState.ENDED, ended))
    is_bridged = bool(record.inside_job) and seen.health is Health.OK
    if seen.is_elsewhere and is_loopback(record.url) and not is_bridged:
        return _elsewhere(record, "runs")
    if seen.health is Health.UNTRUSTED:
        return untrusted(record, give_up=False)
    if seen.health not in (None, Health.OK):
        stranger = " Another server answers there." if seen.health is Health.FOREIGN else ""
        return ServerStatus(
            record,
            "not answering",
            f"JupyterLab at {record.url} is not answering.{stranger}",
            "It may be busy. If it stays silent: jlab-mcp logs, then jlab-mcp stop and jlab-mcp start.",
            reachable=False,
        )
    where = f"on {record.hostname}" if seen.is_elsewhere else f"at {record.url}"
    job = f", in job {record.inside_job}" if record.inside_job else ""
    return ServerStatus(
        record,
        "running",
        f"JupyterLab ready {where} (PID {record.pid}{job})",
        reachable=True if seen.health is Health.OK else None,
        details=(f"Walltime left: {format_span(max(0.0, record.ends - seen.now))}",) if record.ends else (),
        notices=(warning,) if (warning := walltime_warning(record.ends, seen.now)) else (),
    )


def _stopping(record: ServerRecord, seen: Observation) -> ServerStatus:
    if seen.process_alive is False:
        return over(record.with_state(ServerState.ENDED, "It was stopped."))
    return ServerStatus(record, "stopping", "Stopping JupyterLab...", "Wait a moment.")
