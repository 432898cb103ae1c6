"""The server's record (the status file) with its codec, and what Jupyter's API tells about kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ..settings import Mode

__all__ = [
    "ConnectionFile",
    "KernelInfo",
    "Mode",
    "Owner",
    "ServerRecord",
    "ServerState",
    "format_record",
    "named_in",
    "parse_record",
]


class ServerState(StrEnum):
    """State of the Jupyter server as written in the status file."""

    PENDING = "pending"
    """a SLURM job in the queue"""
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"
    ERROR = "error"
    """it never came up; MESSAGE says why"""

    @property
    def is_live(self) -> bool:
        """Whether a process or a job of ours exists, or should."""
        return self in (ServerState.PENDING, ServerState.STARTING, ServerState.READY, ServerState.STOPPING)


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What the status file says: facts that stay true when nobody is alive to update them."""

    state: ServerState
    mode: Mode
    hostname: str = ""
    """host that runs JupyterLab (local: this host; SLURM: the node, once known)"""
    job_id: str = ""
    pid: int = 0
    """local mode: process id on `hostname`; 0 where there is none"""
    pid_start: str = ""
    """start time of that process (field 22 of /proc/PID/stat), so that a recycled PID is not taken for ours"""
    port: int = 0
    token: str = field(default="", repr=False)
    url: str = ""
    started: float = 0.0
    """epoch seconds of the launch"""
    launcher: str = ""
    """host on which `jlab-mcp start` ran"""
    conn_file: str = ""
    log: str = ""
    message: str = ""
    """why it ended or failed, one line"""
    ends: float = 0.0
    """epoch seconds of the walltime's end; 0 where there is none"""
    extra: Mapping[str, str] = field(default_factory=dict)
    """keys that this version does not know, kept as they are"""

    def with_state(self, state: ServerState, message: str = "") -> ServerRecord:
        return replace(self, state=state, message=one_line(message))


@dataclass(frozen=True, slots=True)
class ConnectionFile:
    """Where a started server listens: what its connection file says."""

    hostname: str
    ip: str
    port: int
    pid: int
    pid_start: str
    url: str
    started: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """An MCP server process that holds sessions."""

    client: str
    """a random id of the process"""
    host: str
    pid: int
    conversation: str = ""
    """CLAUDE_CODE_SESSION_ID where the client sets it"""
    started: str = ""
    """when the process began, as its host says it: ids are used again"""

    @property
    def label(self) -> str:
        return f"{self.host}:{self.pid}"


@dataclass(frozen=True, slots=True)
class KernelInfo:
    """One entry of Jupyter's `GET /api/kernels`, with the session (`GET /api/sessions`) that it belongs to."""

    kernel_id: str
    name: str
    execution_state: str
    connections: int
    last_activity: str
    path: str = ""
    """notebook path below the server's root; empty for a kernel without a session"""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """The kernel that the server starts."""

    name: str
    display_name: str
    language: str
    python: str = ""
    """interpreter; empty where the server does not tell"""


def one_line(text: str) -> str:
    return " ".join(text.split())


_FIELDS: dict[str, str] = {
    "STATE": "state",
    "MODE": "mode",
    "JOB_ID": "job_id",
    "PID": "pid",
    "PID_START": "pid_start",
    "HOSTNAME": "hostname",
    "PORT": "port",
    "TOKEN": "token",
    "URL": "url",
    "STARTED": "started",
    "LAUNCHER": "launcher",
    "CONN_FILE": "conn_file",
    "LOG": "log",
    "MESSAGE": "message",
    "ENDS": "ends",
}


def format_record(record: ServerRecord) -> str:
    """Text of the status file: one KEY=VALUE a line, empty values left out, ended by a line END=1."""
    lines = []
    for key, name in _FIELDS.items():
        value = getattr(record, name)
        if value:
            lines.append(f"{key}={_plain(value)}")
    lines += [f"{key}={_plain(value)}" for key, value in record.extra.items()]
    return "\n".join([*lines, "END=1"]) + "\n"


def parse_record(text: str) -> ServerRecord:
    """Record of a status file's text. Raises ValueError with the reason when it is not complete or not understood."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    if pairs.pop("END", None) != "1":
        raise ValueError("it is incomplete (its last line is missing)")
    values: dict[str, Any] = {}
    for key, name in _FIELDS.items():
        raw = pairs.pop(key, "")
        try:
            values[name] = (
                _PARSERS.get(name, str)(raw) if raw or name in ("state", "mode") else _EMPTY.get(name, "")
            )
        except ValueError:
            raise ValueError(f"{key}={raw!r} is not understood") from None
    record = ServerRecord(**values, extra=pairs)
    if record.state.is_live and record.mode is Mode.LOCAL and (record.pid <= 1 or not record.launcher):
        raise ValueError("it names no process")
    if record.url and not record.url.startswith(("http://", "https://")):
        raise ValueError(f"URL={record.url!r} is not understood")
    return record


def named_in(text: str) -> str:
    """What a status file that cannot be understood says to be running, with the command that ends it; or nothing."""
    if re.search(r"^STATE=(ended|error)$", text, re.MULTILINE):
        return ""
    found = dict(re.findall(r"^(JOB_ID|PID|LAUNCHER)=(\S+)$", text, re.MULTILINE))
    if (job := found.get("JOB_ID", "")).isdecimal():
        return f"job {job} (`scancel {job}`)"
    if (pid := found.get("PID", "")).isdecimal() and int(pid) > 1:
        return f"PID {pid} on {found.get('LAUNCHER', 'some host')} (`kill {pid}`)"
    return ""


def _plain(value: object) -> str:
    """On one line and otherwise as it is: a path may have any blanks."""
    return re.sub(r"[\r\n]+", " ", f"{value:.3f}" if isinstance(value, float) else str(value))


_PARSERS: dict[str, Any] = {
    "state": ServerState,
    "mode": Mode,
    "pid": int,
    "port": int,
    "started": float,
    "ends": float,
}
_EMPTY: dict[str, Any] = {"pid": 0, "port": 0, "started": 0.0, "ends": 0.0}
