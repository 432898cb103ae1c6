"""Sentences of the dashboard as a whole: titles, what an empty feed says, the farewell."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.server.record import ServerState
from ..services.dashboard.overview import ServerView, SessionRow, SessionState
from .ansi import one_line, plain
from .format import counted


def shown_path(path: str, width: int) -> str:
    """The end of a path: folder and file, as much as fits."""
    path = one_line(path)
    short = "/".join(path.split("/")[-2:])
    return short if len(short) <= width else "…" + short[-(width - 1) :]


def empty_lines(
    view: ServerView, is_loaded: bool, row: SessionRow | None, errors_only: bool
) -> tuple[tuple[str, str], ...]:
    """What the feed says while it has nothing to show."""
    if errors_only:
        return (("No cell has failed.", "text"), ("e shows all cells again.", "muted"))
    if view.state is not None and view.state is not ServerState.READY and view.log_tail:
        return tuple((plain(line), "text") for line in view.log_tail)
    if view.state is not ServerState.READY:
        return (("Cells appear here as soon as a session runs something.", "muted"),)
    if not is_loaded or (row is not None and row.is_partial):
        return (("Reading the record ...", "muted"),)
    if row is not None and row.is_foreign:
        return (
            ("This kernel was opened in JupyterLab.", "text"),
            ("What it runs is not recorded here; its state and memory are.", "muted"),
        )
    if row is not None:
        return (("Nothing has been run in this session yet.", "text"),)
    return (
        ("No session yet.", "text"),
        ("Ask Claude to start one, for example: “open a notebook and look at the data”.", "muted"),
        ("`jlab-mcp init` registers the MCP server for this project.", "muted"),
    )


def farewell(view: ServerView, rows: Sequence[SessionRow]) -> str:
    """What still runs after the dashboard is gone, and how to stop it."""
    record = view.record
    if view.state is None or not view.state.is_live or record is None:
        return ""
    live = [row for row in rows if row.state not in (SessionState.CLOSED, SessionState.DEAD)]
    busy = sum(row.state is SessionState.BUSY for row in live)
    what = f"job {record.job_id}" if record.job_id else f"PID {record.pid}"
    if view.state is ServerState.PENDING:
        head = f"SLURM {what} stays in the queue."
    else:
        where = f"{record.hostname}, " if record.hostname else ""
        kernels = f", {counted(len(live), 'kernel')}" + (f", {busy} busy" if busy else "") if live else ""
        head = f"JupyterLab still runs ({where}{what}{kernels})."
    return f"{head}\nWatch it again: jlab-mcp start    Stop it: jlab-mcp stop\n"
