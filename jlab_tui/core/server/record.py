"""Defines the server's record (the status file) with its codec, and the kernels of Jupyter's API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from ..link.bridge import BridgeTarget, Way
from ..settings import Mode
from .machine import address_there

__all__ = [
    "ConnectionFile",
    "KernelInfo",
    "Mode",
    "Owner",
    "ServerRecord",
    "ServerState",
    "SlurmFacts",
    "format_record",
    "named_in",
    "parse_record",
]


_LOOPBACK: Final = "127.0.0.1"


class ServerState(StrEnum):
    """State of the Jupyter server in the status file."""

    PENDING = "pending"
    """a SLURM job in the queue"""
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"
    ERROR = "error"
    """it never became ready; MESSAGE says why"""

    @property
    def is_live(self) -> bool:
        """Whether our process or job exists, or should."""
        return self in (ServerState.PENDING, ServerState.STARTING, ServerState.READY, ServerState.STOPPING)


@dataclass(frozen=True, slots=True)
class SlurmFacts:
    """Facts about a job besides its id. Times are epoch seconds, 0 while unknown."""

    submission: str = ""
    """the random id in its comment, which finds the job when sbatch's answer is lost"""
    submitted: float = 0.0
    """the time of submission, by Slurm"""
    cluster: str = ""
    """its cluster, if the user named one (`--clusters`)"""
    estimate: float = 0.0
    """the start that Slurm estimated just before the submission"""
    restarts: int = 0
    """how often Slurm restarted it"""
    job_start: float = 0.0
    """its last start, by Slurm"""
    run_seen: float = 0.0
    """when we first saw it run after that start"""
    connected: float = 0.0
    """when we first saw its connection file"""
    addresses: str = ""
    """addresses of its node besides its name, separated by blanks"""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The status file's content: facts that stay true without a process to update them."""

    state: ServerState
    mode: Mode
    hostname: str = ""
    """host that runs JupyterLab (local: this host; SLURM: the node, once known)"""
    job_id: str = ""
    pid: int = 0
    """local mode: process id on `hostname`; 0 if there is none"""
    pid_start: str = ""
    """start time of that process (field 22 of /proc/PID/stat), which tells it from a later process with the same PID"""
    port: int = 0
    token: str = field(default="", repr=False)
    url: str = ""
    socket: str = ""
    """path of the server's Unix socket on its own machine"""
    cert: str = ""
    """base64 of the DER form of the certificate by which the port at `url` proves itself"""
    link: Way | None = None
    """how it is reached, if it listens at its socket only; PORT and URL are empty then"""
    started: float = 0.0
    """epoch seconds of the launch"""
    launcher: str = ""
    """host on which `jlab-mcp start` ran"""
    conn_file: str = ""
    log: str = ""
    message: str = ""
    """why it ended or failed, one line"""
    ends: float = 0.0
    """epoch seconds of the walltime's end; 0 if there is none"""
    hint: str = ""
    """what to do about it"""
    root: str = ""
    """the project's directory"""
    inside_job: str = ""
    """local mode: the job on whose node it runs, which nobody of ours submitted and which ends it"""
    machine: str = ""
    """local mode: `Machine.text` of the machine that runs it"""
    slurm: SlurmFacts = field(default_factory=SlurmFacts)
    environment: str = ""
    """why kernels do not run in the environment that comes first, one line; empty if they do"""
    extra: Mapping[str, str] = field(default_factory=dict)
    """keys that this version does not know, kept unchanged"""

    @property
    def is_published(self) -> bool:
        """Whether the server has said where it listens."""
        return bool(self.url or self.link)

    @property
    def is_in_job(self) -> bool:
        """Whether it is part of a job, ours or another."""
        return bool(self.job_id or self.inside_job)

    @property
    def place(self) -> str:
        """Where it is, in words that go behind `JupyterLab`."""
        return f"at {self.url}" if self.url or not self.link else f"on {self.hostname}"

    @property
    def target(self) -> BridgeTarget:
        """What a bridge to it leads to."""
        there = self.socket or (address_there(self.url) if self.url.startswith("http://") else "")
        job_id = self.job_id or self.inside_job
        node = self.hostname if self.job_id else self.hostname.partition(".")[0]
        return BridgeTarget(node, there, job_id, self.slurm.cluster)

    def with_state(self, state: ServerState, message: str = "", hint: str = "") -> ServerRecord:
        return replace(self, state=state, message=one_line(message), hint=hint)


@dataclass(frozen=True, slots=True)
class ConnectionFile:
    """The address of a started server, from its connection file."""

    hostname: str
    ip: str
    port: int
    pid: int
    pid_start: str
    url: str
    started: float
    version: str = ""
    socket: str = ""
    cert: str = ""
    """see `ServerRecord.certificate`"""
    token: str = field(default="", repr=False)
    """of this run of a job; empty: the record's"""
    addresses: tuple[str, ...] = ()
    """addresses of the node besides its name"""
    link: Way | None = None
    """see `ServerRecord.link`"""
    environment: str = ""
    """see `ServerRecord.environment`"""


FOR_OWN_CELLS: Final = "own-cells"
"""in place of a relay: the process runs users' own cells"""


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
    """when the process started, in its host's own form, because ids are reused"""
    relay: str = ""
    """of the relay that started it"""
    generation: int = 0
    """how many processes that relay has started"""
    line_grace_s: float | None = None
    """how long its idle kernels wait for it when it is gone without having left: its relay is on another machine"""

    def gives_way_to(self, other: Owner) -> bool:
        """Whether `other` is the process that its relay started after it; it may live on without a line. What runs a user's own
        cell where no client lives gives way to any client."""
        if self.relay == FOR_OWN_CELLS:
            return other.relay != FOR_OWN_CELLS
        return bool(self.relay) and self.relay == other.relay and self.generation < other.generation

    @property
    def label(self) -> str:
        return f"{self.host}:{self.pid}"


@dataclass(frozen=True, slots=True)
class KernelInfo:
    """One entry of Jupyter's `GET /api/kernels`, with its session (`GET /api/sessions`)."""

    kernel_id: str
    name: str
    execution_state: str
    connections: int
    path: str = ""
    """notebook path relative to the server's root; empty for a kernel without a session"""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """The kernel that the server starts."""

    name: str
    display_name: str
    language: str
    python: str = ""
    """interpreter; empty if the server does not say"""


def one_line(text: str) -> str:
    return " ".join(text.split())


def format_record(record: ServerRecord) -> str:
    """Encode the status file: one KEY=VALUE per line without empty values, then a line END=1.

    A key is the name of its field in capitals.
    """
    known = [
        (name.upper(), value)
        for part in (replace(record, hostname=_address_of(record)), record.slurm)
        for name in _KINDS[type(part)]
        if (value := getattr(part, name))
    ]
    lines = [f"{key}={_plain(value)}" for key, value in (*known, *record.extra.items())]
    return "\n".join([*lines, "END=1"]) + "\n"


def parse_record(text: str) -> ServerRecord:
    """Decode a status file. Raises ValueError with the reason if it is incomplete or invalid."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    if pairs.pop("END", None) != "1":
        raise ValueError("it is incomplete (its last line is missing)")
    slurm = SlurmFacts(**_taken(pairs, SlurmFacts))
    record = ServerRecord(**_taken(pairs, ServerRecord), slurm=slurm, extra=pairs)
    if record.mode is Mode.LOCAL and record.hostname == _LOOPBACK and record.launcher:
        record = replace(record, hostname=record.launcher)
    if record.state.is_live and record.mode is Mode.LOCAL and (record.pid <= 1 or not record.launcher):
        raise ValueError("it names no process")
    if record.url and not record.url.startswith(("http://", "https://")):
        raise ValueError(f"URL={record.url!r} is not understood")
    return record


def _address_of(record: ServerRecord) -> str:
    """What HOSTNAME says, for programs that read the file: the address at which this machine reaches a local server."""
    is_here = record.mode is Mode.LOCAL and record.hostname == record.launcher != ""
    is_loopback = not record.url or f"//{_LOOPBACK}:" in record.url
    return _LOOPBACK if is_here and is_loopback else record.hostname


def _taken(pairs: dict[str, str], of: type[ServerRecord] | type[SlurmFacts]) -> dict[str, Any]:
    """Return the values of the fields that `pairs` has keys for, and remove those keys."""
    values: dict[str, Any] = {}
    for name, make in _KINDS[of].items():
        raw = pairs.pop(name.upper(), "")
        if not raw and name not in ("state", "mode"):
            continue
        try:
            values[name] = make(raw)
        except ValueError:
            raise ValueError(f"{name.upper()}={raw!r} is not understood") from None
    return values


def named_in(text: str) -> str:
    """Find what a damaged status file says is running, with the command that ends it; empty if it names nothing."""
    if re.search(r"^STATE=(ended|error)$", text, re.MULTILINE):
        return ""
    found = dict(re.findall(r"^(JOB_ID|PID|LAUNCHER)=(\S+)$", text, re.MULTILINE))
    if (job := found.get("JOB_ID", "")).isdecimal():
        return f"job {job} (`scancel {job}`)"
    if (pid := found.get("PID", "")).isdecimal() and int(pid) > 1:
        return f"PID {pid} on {found.get('LAUNCHER', 'some host')} (`kill {pid}`)"
    return ""


def _plain(value: object) -> str:
    """Put a value on one line and keep all its blanks, which a path may contain."""
    return re.sub(r"[\r\n]+", " ", f"{value:.3f}" if isinstance(value, float) else str(value))


_TYPES: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "Mode": Mode,
    "ServerState": ServerState,
    "Way | None": Way,
}
_KINDS: dict[type, dict[str, Callable[[str], Any]]] = {
    of: {one.name: _TYPES[str(one.type)] for one in fields(of) if str(one.type) in _TYPES}
    for of in (ServerRecord, SlurmFacts)
}
"""the fields of the status file, each with the function that parses its value"""
