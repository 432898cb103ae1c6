"""Texts of the dashboard as a whole: titles, an empty feed, the farewell."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.server.record import ServerState
from ..core.server.status import ServerStatus
from ..services.dashboard.overview import SessionRow, SessionState
from .ansi import one_line, plain
from .format import counted


def shown_path(path: str, width: int) -> str:
    """The end of a path: folder and file, as much as fits."""
    path = one_line(path)
    short = "/".join(path.split("/")[-2:])
    return short if len(short) <= width else "…" + short[-(width - 1) :]


def empty_lines(
    server: ServerStatus | None, is_loaded: bool, row: SessionRow | None, errors_only: bool
) -> tuple[tuple[str, str], ...]:
    """Text of an empty feed."""
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
            ("Its cells are not recorded here, only its state and memory.", "muted"),
        )
    if row is not None:
        return (("This session has not run anything yet.", "text"),)
    return (
        ("No session yet.", "text"),
        ("Ask Claude to start one, for example: “open a notebook and look at the data”.", "muted"),
        ("`jlab-mcp init` registers the MCP server for this project.", "muted"),
    )


def farewell(server: ServerStatus | None, rows: Sequence[SessionRow]) -> str:
    """What still runs after the dashboard is gone, and how to stop it."""
    if server is None or not server.state.is_live or not server.record.started:
        return ""
    record = server.record
    live = [row for row in rows if row.state not in (SessionState.CLOSED, SessionState.DEAD)]
    busy = sum(row.state is SessionState.BUSY for row in live)
    what = f"job {record.job_id}" if record.job_id else f"PID {record.pid}"
    if server.state is ServerState.PENDING:
        head = f"SLURM {what} stays in the queue."
    else:
        where = f"{record.hostname}, " if record.hostname else ""
        kernels = f", {counted(len(live), 'kernel')}" + (f", {busy} busy" if busy else "") if live else ""
        head = f"JupyterLab still runs ({where}{what}{kernels})."
    return f"{head}\nWatch it again: jlab-mcp start    Stop it: jlab-mcp stop\n"
