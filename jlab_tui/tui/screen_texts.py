"""Texts of the dashboard as a whole: titles, an empty feed, the farewell."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..core.server.gpu_idle import GpuIdleWarnings, idle_sentence
from ..core.server.record import ServerState
from ..core.server.resources import Sample
from ..core.server.status import ServerStatus
from ..services.dashboard.overview import SessionRow, SessionState
from .ansi import one_line, plain
from .feed_frame import FOLLOWING
from .format import Glyphs, counted, seconds
from .key_context import is_possible
from .keys import KEYS, NEEDY, Key
from .selection import ALL, live
from .view_state import ViewState


def shown_path(path: str, width: int) -> str:
    """Return the end of a path, folder and file, as much as fits."""
    path = one_line(path)
    short = "/".join(path.split("/")[-2:])
    return short if len(short) <= width else "…" + short[-(width - 1) :]


def empty_lines(
    server: ServerStatus | None,
    is_loaded: bool,
    row: SessionRow | None,
    errors_only: bool,
    closed: int = 0,
    has_story: bool = False,
) -> tuple[tuple[str, str], ...]:
    """Return the text of an empty feed. `closed`: number of closed sessions in the history; `has_story`: captions tell the rest."""
    if errors_only:
        return (("No cell has failed.", "text"), ("e shows all cells again.", "muted"))
    if server is not None and server.state is not ServerState.READY and server.log_tail:
        return tuple((plain(line), "text") for line in server.log_tail)
    if server is None or server.state is not ServerState.READY:
        return (("Cells appear here as soon as a session runs something.", "muted"),)
    if not is_loaded or (row is not None and row.is_partial):
        return (("Reading the record ...", "muted"),)
    if row is not None and row.is_foreign:
        return (
            ("This kernel was opened in JupyterLab.", "text"),
            ("jlab-mcp records only its state and memory, not its cells.", "muted"),
        )
    if row is not None:
        return (("This session has not run anything yet.", "text"),)
    if has_story:
        return (("The agent is about to open a session ...", "muted"),)
    if closed:
        return (("No session is open.", "text"), (f"C lists {counted(closed, 'closed session')}.", "muted"))
    return (
        ("No session yet.", "text"),
        ("Ask Claude to start one, for example: “open a notebook and look at the data”.", "muted"),
        ("`jlab-mcp init` registers the MCP server for this project.", "muted"),
    )


def older_line(unread: int) -> str:
    """Return the first line of a feed before which `unread` bytes of the record stand; 0 for all sessions together."""
    size = f"{unread / 1e6:,.1f} MB of the record stand" if unread else "More cells stand"
    return f"{size} before this: scroll up to read them, g for the start."


def feed_title(
    server: ServerStatus | None, row: SessionRow | None, session: str | None, width: int
) -> tuple[str, str]:
    """Return what the feed shows, and its notebook's path as far as it fits into `width` columns."""
    if session == ALL:
        return "All sessions", ""
    if row is None:
        is_log = server is not None and server.state is not ServerState.READY and server.log_tail
        return "Log" if is_log else "Cells", ""
    return one_line(row.name), shown_path(row.notebook, max(10, width - len(row.name) - 12))


def feed_notes(
    *,
    errors_only: bool,
    found: tuple[int, int] | None,
    below: int | None,
    follow: str,
    is_empty: bool,
    is_seeking: bool = False,
) -> list[str]:
    """Return notes on the feed's filter, search and scroll position.

    `found`: number of the current match and of all; None without a search. `below`: lines below the view; None if it follows
    the end, which the sign `follow` shows.
    """
    notes = ["errors only"] if errors_only else []
    if is_seeking:
        notes.append("searching older cells")
    elif found is not None:
        number, count = found
        matches = "match" if count == 1 else "matches"
        notes.append(f"{number:,}/{count:,} {matches}" if count else "no match")
    if is_empty:
        return notes
    if below is None:
        return [*notes, f"{FOLLOWING} {follow}"]
    return [*notes, f"{counted(below, 'line')} below, G follows" if below else "at the end, G follows"]


def footer_keys(
    server: ServerStatus | None,
    *,
    has_rows: bool,
    has_kernel: bool = True,
    may_act: bool = True,
    helps: Container[str] = (),
    replays: bool = False,
) -> list[Key]:
    """Return the keys that help now: those about kernels only where the chosen session has one, and few without a session. `helps`:
    actions that help with what is shown. `replays`: a recording is shown."""
    is_live = server is not None and server.state.is_live
    if replays or has_rows:
        useful = [
            key
            for key in KEYS
            if key.footer
            and is_possible(key, is_live=is_live, has_kernel=has_kernel, may_act=may_act, replays=replays)
            and (not key.sometimes or key.action in helps)
            and not (replays and key.action == NEEDY)
        ]
        return sorted(useful, key=lambda key: not key.replays)
    bare = ("stop", "help", "detach") if is_live and may_act else ("help", "detach")
    return [key for key in KEYS if key.action in bare]


def header_flag(view: ViewState, *, is_readonly: bool, glyphs: Glyphs) -> str:
    """Return what is unusual about this dashboard."""
    parts = []
    if view.holds_all:
        parts.append("holding all code")
    elif is_readonly:
        parts.append("read-only")
    if view.slow_line:
        parts.append(f"slow line: {max(1, view.slow_line // 1000)} kB/s")
    return f" {glyphs.separator} ".join(parts)


def summary(server: ServerStatus | None, rows: Sequence[SessionRow]) -> str:
    """Return the state in two words, for the terminal's title."""
    busy = _busy(rows)
    return f"{busy} busy" if busy else server.state.value if server is not None else "no server"


def stop_question(server: ServerStatus, rows: Sequence[SessionRow]) -> tuple[str, str]:
    """Return question and consequence of stopping a live server."""
    record = server.record
    if server.state is ServerState.PENDING:
        return "Cancel the job?", f"Job {record.job_id} leaves the queue and loses its place."
    running = live(rows)
    busy = _busy(running)
    job = f"Job {record.job_id} is cancelled. " if record.job_id else ""
    if not running:
        return "Stop the server?", f"{job}No kernel is running. Notebooks stay."
    kernels = f"{counted(len(running), 'kernel')} with all variables" + (
        f", {busy} of them busy," if busy else ""
    )
    verb = "end" if len(running) != 1 else "ends"
    return "Stop the server?", f"{job}{kernels} {verb}. Notebooks stay."


def session_now(name: str, row: SessionRow | None, now: float) -> str:
    """Say what a session is doing, for a question."""
    quoted = f"“{one_line(name)}”"
    if row is None:
        return f"{quoted}."
    if row.run:
        return f"{quoted} is busy ({row.run_label}, {seconds(now - row.run_since)})."
    return f"{quoted} is {row.state.value}."


def idle_notices(warnings: GpuIdleWarnings, sample: Sample | None, rows: Sequence[SessionRow]) -> list[str]:
    """Return what is to be said now about kernels that hold an idle GPU."""
    uses = (sample.kernels if sample is not None else None) or {}
    names = {row.kernel_id: row.name for row in rows}
    return [
        f"{idle_sentence(f'“{one_line(names[kernel_id])}”', uses[kernel_id])} x ends the session, r frees its memory."
        for kernel_id in warnings.due(uses)
        if kernel_id in names
    ]


def _busy(rows: Sequence[SessionRow]) -> int:
    return sum(row.state is SessionState.BUSY for row in rows)


def farewell(server: ServerStatus | None, rows: Sequence[SessionRow]) -> str:
    """Say what is still running after the dashboard is gone, and how to stop it."""
    if server is None or not server.state.is_live or not server.record.started:
        return ""
    record = server.record
    running = live(rows)
    busy = _busy(running)
    what = f"job {record.job_id}" if record.job_id else f"PID {record.pid}"
    if server.state is ServerState.PENDING:
        head = f"SLURM {what} stays in the queue."
    else:
        where = f"{record.hostname}, " if record.hostname else ""
        kernels = (
            f", {counted(len(running), 'kernel')}" + (f", {busy} busy" if busy else "") if running else ""
        )
        head = f"JupyterLab is still running ({where}{what}{kernels})."
    return f"{head}\nWatch it again: jlab-mcp start    Stop it: jlab-mcp stop\n"
