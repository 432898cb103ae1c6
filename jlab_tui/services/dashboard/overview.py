"""The server and its sessions at one moment, as dashboards and `status` show them: plain values and pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from ...core.feed.feed import Feed
from ...core.feed.session_feed import SessionFeed
from ...core.journal.events import RunStatus
from ...core.kernel.leaving import Clock, KernelFates, ended_words, left_words
from ...core.server.record import KernelInfo, ServerState
from ...core.server.resources import KernelUse, Sample
from .history import PastSession

CLOSED_SHOWN = 12
"""sessions that stay in the list after they closed while they were watched"""

OwnerAlive = Callable[[str, int, str], bool | None]
"""whether process `pid` of `host` with this start time is alive; None where that is unknown (another host)"""


class SessionState(StrEnum):
    """What a session is doing."""

    BUSY = "busy"
    IDLE = "idle"
    FAILED = "error"
    """idle, and its last cell raised or its kernel died"""
    STARTING = "starting"
    DEAD = "dead"
    """its kernel has died, or is gone for an unknown reason"""
    ENDED = "ended"
    """its kernel was ended by a rule or on purpose, or with its server"""
    CLOSED = "closed"
    HELD = "held"
    """its code waits for the user"""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line of the session list."""

    session: str
    """session id, or `kernel:<id>` for a kernel that the user opened in JupyterLab"""
    name: str
    state: SessionState
    kernel_id: str = ""
    notebook: str = ""
    cells: int = 0
    run: str = ""
    """run in progress"""
    run_since: float = 0.0
    run_label: str = ""
    rss_mb: float | None = None
    gpu_mb: float | None = None
    owner: str = ""
    """host:pid of the MCP process; empty for a kernel of nobody"""
    needs: str = ""
    """what it needs the user for; empty if it goes on by itself"""
    ended: int = 0
    """runs that ended while its record was followed"""
    is_orphan: bool = False
    is_elsewhere: bool = False
    """whether its client lives cannot be seen from here"""
    fate: str = ""
    """in a few words, why its kernel ended, or how long it stays without a client"""
    is_partial: bool = False
    """nothing of its record has been read yet"""
    has_older: bool = False
    """it has more cells, which have not been read"""
    is_past: bool = False
    """it stands in the history"""
    is_foreign: bool = False
    """opened in JupyterLab, not through MCP"""
    connections: int | None = None
    """open connections to its kernel"""
    last_seen: float = field(default=0.0, compare=False)
    """epoch seconds of its latest event, or of the last change of its record"""
    said: str = field(default="", compare=False)
    """the last line that the run in progress printed"""


@dataclass(frozen=True, slots=True)
class PastSessions:
    """The history, folded below the list until the user opens it."""

    count: int = 0
    """closed sessions"""
    left: int = 0
    """how many of them the list does not have"""
    is_open: bool = False


NO_PAST = PastSessions()


def session_rows(
    feed: Feed,
    kernels: Sequence[KernelInfo] | None,
    sample: Sample | None,
    state: ServerState | None,
    owner_alive: OwnerAlive | None = None,
    kernels_at: float = math.inf,
    server_started: float = 0.0,
    listed: Container[str] | None = None,
    past: Sequence[PastSession] = (),
    fates: KernelFates = KernelFates(),
    clock: Clock = lambda at: "",
) -> tuple[SessionRow, ...]:
    """Open sessions in the order in which they were opened, then other kernels, then the last closed ones, then the history.

    Closed ones are shown if they are among `listed`, which defaults to all. `kernels` None: the list of kernels is unknown. It was made at `kernels_at` (epoch seconds); a session opened since
    then counts as alive. `fates` of kernels are told with times of day by `clock`. Sessions of an earlier server (`server_started`) are over.
    """
    uses = (sample.kernels if sample else None) or {}
    by_id = {kernel.kernel_id: kernel for kernel in kernels or ()}
    known_past = {one.session for one in past}
    views = sorted(
        (
            view
            for view in feed.sessions.values()
            if not view.closed
            or (view.session not in known_past and (listed is None or view.session in listed))
        ),
        key=lambda v: (v.opened_at, v.session),
    )
    owner_alive = cache(owner_alive) if owner_alive is not None else None  # many sessions have the same owner
    is_live = state is not None and state.is_live
    rows = [
        _session_row(
            view, kernels, by_id, uses, is_live, owner_alive, kernels_at, server_started, fates, clock
        )
        for view in views
    ]
    known = {view.kernel_id for view in views}
    foreign = [_kernel_row(k, uses.get(k.kernel_id)) for k in kernels or () if k.kernel_id not in known]
    open_rows = [row for row in rows if row.state is not SessionState.CLOSED]
    closed = sorted((r for r in rows if r.state is SessionState.CLOSED), key=lambda r: -r.last_seen)
    history = [_past_row(one, feed.sessions.get(one.session)) for one in past if not _is_open(feed, one)]
    return (*open_rows, *foreign, *closed[:CLOSED_SHOWN], *history)


def _is_open(feed: Feed, past: PastSession) -> bool:
    view = feed.sessions.get(past.session)
    return view is not None and not view.closed


def _past_row(past: PastSession, view: SessionFeed | None) -> SessionRow:
    return SessionRow(
        past.session,
        past.name,
        SessionState.CLOSED,
        notebook=past.notebook,
        cells=view.cells if view is not None else 0,
        is_partial=view is None,
        has_older=view is not None and view.unread > 0,
        is_past=True,
        last_seen=past.changed_at,
    )


def _session_row(
    view: SessionFeed,
    kernels: Sequence[KernelInfo] | None,
    by_id: Mapping[str, KernelInfo],
    uses: Mapping[str, KernelUse],
    is_live: bool,
    owner_alive: OwnerAlive | None,
    kernels_at: float,
    server_started: float,
    fates: KernelFates,
    clock: Clock,
) -> SessionRow:
    kernel = by_id.get(view.kernel_id)
    opened = view.opened
    running = view.held or view.running
    is_open = not view.closed
    is_older = _is_older(view, server_started)
    alive = (
        owner_alive(opened.client_host, opened.client_pid, opened.client_started)
        if owner_alive and opened and opened.client_pid and is_open
        else None
    )
    use = uses.get(view.kernel_id) if is_open else None
    count = running.execution_count if running else None
    left, ended = fates.left.get(view.kernel_id), fates.ended.get(view.kernel_id)
    fate = ended_words(ended, clock) if ended else left_words(left, clock) if left else ""
    return SessionRow(
        session=view.session,
        name=view.name,
        state=_state(
            view,
            kernel,
            is_known=kernels is not None and view.opened_at < kernels_at,
            is_newer=view.changed_at > kernels_at,
            is_live=is_live,
            server_started=server_started,
            is_calm=ended is not None and ended.is_calm,
        ),
        kernel_id=view.kernel_id,
        notebook=view.notebook,
        cells=view.cells,
        run=running.run if running else "",
        run_since=running.at if running else 0.0,
        run_label=(f"cell [{count}]" if count else "a cell") if running else "",
        needs=_needs(view) if is_live else "",
        ended=view.ended,
        rss_mb=use.rss_mb if use else None,
        gpu_mb=use.gpu_memory_mb if use else None,
        owner=f"{opened.client_host}:{opened.client_pid}" if opened and opened.client_pid else "",
        is_orphan=(alive is False or (alive is None and left is not None)) and not is_older,
        is_elsewhere=alive is None and bool(opened and opened.client_pid) and is_open and not is_older,
        fate=fate if is_open else "",
        has_older=view.unread > 0,
        connections=kernel.connections if kernel else None,
        last_seen=view.changed_at,
        said=running.last_line if running else "",
    )


def _needs(view: SessionFeed) -> str:
    """Say what an open session needs the user for."""
    if view.closed:
        return ""
    if view.held is not None:
        return "code waits for you"
    return f"waits for {view.stuck_on}" if view.running is not None and view.stuck_on else ""


def _is_older(view: SessionFeed, server_started: float) -> bool:
    """Whether a session belongs to an earlier server."""
    return bool(server_started and view.opened and view.opened.server_started != server_started)


def _state(
    view: SessionFeed,
    kernel: KernelInfo | None,
    *,
    is_known: bool,
    is_newer: bool,
    is_live: bool,
    server_started: float,
    is_calm: bool,
) -> SessionState:
    """`is_newer`: the record tells of something later than the list of kernels, which no longer says whether the kernel is busy."""
    if view.closed or _is_older(view, server_started):
        return SessionState.CLOSED
    if not is_live:
        return SessionState.ENDED
    if kernel is None and is_known:
        return SessionState.ENDED if is_calm else SessionState.DEAD
    has_begun = view.running is not None and is_newer
    if kernel is not None and kernel.execution_state in ("starting", "restarting") and not has_begun:
        return SessionState.STARTING
    if kernel is not None and kernel.execution_state == "dead":
        return SessionState.DEAD
    if view.held is not None:
        return SessionState.HELD
    if view.running is not None or (kernel is not None and kernel.execution_state == "busy" and not is_newer):
        return SessionState.BUSY
    if view.last is not None and view.last.has_failed:
        return SessionState.FAILED
    if view.last is not None and view.last.status is RunStatus.DIED:
        return SessionState.FAILED
    return SessionState.IDLE


def _kernel_row(kernel: KernelInfo, use: KernelUse | None) -> SessionRow:
    states = {
        "busy": SessionState.BUSY,
        "idle": SessionState.IDLE,
        "starting": SessionState.STARTING,
        "restarting": SessionState.STARTING,
        "dead": SessionState.DEAD,
    }
    name = kernel.path.rpartition("/")[2] or f"kernel {kernel.kernel_id[:8]}"
    return SessionRow(
        session=f"kernel:{kernel.kernel_id}",
        name=name,
        state=states.get(kernel.execution_state, SessionState.UNKNOWN),
        kernel_id=kernel.kernel_id,
        notebook=kernel.path,
        rss_mb=use.rss_mb if use else None,
        gpu_mb=use.gpu_memory_mb if use else None,
        is_foreign=True,
        connections=kernel.connections,
    )
