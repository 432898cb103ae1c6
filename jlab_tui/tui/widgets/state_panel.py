"""Replaces the graphs while no server is running: shows the queue, the steps of a start, or why the server ended."""

from __future__ import annotations

from typing import Protocol

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from ...core.server.record import Mode, ServerRecord, ServerState
from ...core.server.status import ServerStatus
from ..ansi import one_line, plain
from ..format import Glyphs, LocalTime, at, clock, seconds
from ..themes import Palette
from ..wrapping import Row, wrap_words
from .strips import StripWidget

_LOAD_MOST = 4
"""lines about partitions"""
_LABEL = 11
"""columns of the names of facts"""


def panel_title(state: ServerState | None, *, is_known: bool = True) -> str:
    match state:
        case None:
            return "No server" if is_known else "Server"
        case ServerState.PENDING:
            return "Queue"
        case ServerState.STARTING:
            return "Starting"
        case ServerState.READY:
            return "Running"
        case ServerState.STOPPING:
            return "Stopping"
        case ServerState.ENDED:
            return "Ended"
        case ServerState.ERROR:
            return "Failed"


def panel_rows(
    server: ServerStatus | None,
    width: int,
    now: float,
    palette: Palette,
    glyphs: Glyphs,
    local: LocalTime,
    used: str = "",
    *,
    is_told: bool = False,
    is_known: bool = True,
) -> list[Row]:
    """Return the rows of the panel: facts, sentences, what to do. `used`: what a job that is over used, if that is known;
    `is_told`: the server belongs to a story and ends with it; `is_known`: it was looked for."""
    text, muted = palette.style(), palette.style("muted")
    rows: list[Row] = []

    def say(sentence: str, hue: str = "text", bold: bool = False) -> None:
        rows.extend(
            [Segment(" "), *piece]
            for piece in wrap_words(one_line(sentence), palette.style(hue, bold=bold), width - 2)
        )

    if server is None and not is_known:
        say("Looking for the Jupyter server of this project ...")
    elif server is None:
        say("No Jupyter server is running for this project.", bold=True)
    else:
        _say_state(server, say)
        if server.state is ServerState.PENDING:
            rows += _queue(server, width, now, palette, local)
        elif server.state is ServerState.STARTING:
            rows += steps(server.record, palette, glyphs)
        sentences = server.details if server.is_over else (server.sentence, *server.details)
        for line in filter(None, sentences):
            rows.extend([Segment(" "), *piece] for piece in wrap_words(plain(line), muted, width - 2))
        if used and server.is_over and server.record.mode is Mode.SLURM:
            say(used)
        if server.hint:
            say(server.hint, "primary")
    keys: Row = [Segment(" ")]
    state = server.state if server else None
    for key, label in [("q", "leave")] if is_told or not is_known else state_keys(state):
        keys += [Segment(key, palette.style("accent", bold=True)), Segment(f" {label}   ", text)]
    rows.append([])
    rows.append(keys)
    return rows


class _Say(Protocol):
    def __call__(self, sentence: str, hue: str = "text", bold: bool = False) -> None: ...


def _say_state(server: ServerStatus, say: _Say) -> None:
    """Say how the server is; a queue and a start show their steps instead."""
    match server.state:
        case ServerState.PENDING | ServerState.STARTING:
            pass
        case ServerState.READY:
            silent = server.reachable is False
            say(
                "The server is running but does not answer." if silent else "The server is running.",
                bold=True,
            )
        case ServerState.STOPPING:
            say("The server is stopping.", bold=True)
        case ServerState.ENDED:
            say(server.sentence or "The server has ended.", bold=True)
        case ServerState.ERROR:
            say(server.sentence or "The server did not start.", "error", bold=True)


def state_keys(state: ServerState | None) -> list[tuple[str, str]]:
    """Return the keys that help in this state."""
    match state:
        case ServerState.PENDING:
            return [("Q", "cancel the job"), ("q", "leave it in the queue and quit")]
        case ServerState.STARTING | ServerState.READY:
            return [("Q", "stop it"), ("q", "leave it running and quit")]
        case ServerState.STOPPING:
            return [("q", "quit")]
        case _:
            return [("q", "quit, then `jlab-mcp start` starts a new one")]


def _queue(server: ServerStatus, width: int, now: float, palette: Palette, local: LocalTime) -> list[Row]:
    queue, record = server.queue, server.record
    facts: list[tuple[str, str, str]] = []
    facts.append(("job", record.job_id or "being submitted", "text"))
    if queue is not None:
        facts.append(("reason", queue.reason or "unknown so far", "warning"))
        if queue.position is not None:
            facts.append(("position", str(queue.position), "text"))
        if queue.estimated_start:
            day = "%H:%M" if queue.estimated_start - now < 43200 else "%a %d %b %H:%M"
            wait = seconds(queue.estimated_start - now)
            facts.append(("starts", f"about {at(queue.estimated_start, local, day)} (in {wait})", "text"))
        else:
            facts.append(("starts", "SLURM gives no estimate", "muted"))
        if queue.partition:
            facts.append(("partition", queue.partition, "text"))
    since = queue.queued_since if queue and queue.queued_since else record.started
    if since:
        facts.append(("queued", f"{clock(now - since)} (since {at(since, local, '%H:%M')})", "text"))
    lines = [] if queue is None else [plain(line) for line in queue.load[:_LOAD_MOST]]
    muted = palette.style("muted")
    is_beside = width >= 100 and all(_LABEL + cell_len(value) < width // 2 for _, value, _ in facts)
    left: list[Row] = []
    for name, value, hue in facts:
        pieces = wrap_words(one_line(value), palette.style(hue), width - _LABEL - 1)
        for number, piece in enumerate(pieces):
            label = "" if number else name
            left.append([Segment(f" {label:<{_LABEL - 1}}", palette.style("muted")), *piece])
    room = width - width // 2 if is_beside else width
    load = [piece for line in lines for piece in wrap_words(line, muted, room - 1)]
    if not is_beside:
        return [*left, *([Segment(" "), *piece] for piece in load)]
    rows = []
    for number in range(max(len(left), len(load))):
        begin = Strip(left[number] if number < len(left) else []).adjust_cell_length(width // 2)
        rows.append([*begin, *(load[number] if number < len(load) else [])])
    return rows


def steps(record: ServerRecord, palette: Palette, glyphs: Glyphs) -> list[Row]:
    """Return the steps of a start, with finished ones marked."""
    where = one_line(record.hostname)
    done: list[tuple[str, bool]] = []
    if record.mode is Mode.SLURM:
        job = f"job {record.job_id}" if record.job_id else "job"
        done.append((f"{job} submitted", bool(record.job_id)))
        done.append((f"running on {where}" if where else "waiting for a node", bool(where)))
    else:
        pid = f" (PID {record.pid})" if record.pid else ""
        done.append((f"JupyterLab launched{pid}", bool(record.pid)))
    where = f"on port {record.port}" if record.port else "at its socket"
    done.append(
        (f"listening {where}" if record.is_published else "JupyterLab opens its port", record.is_published)
    )
    done.append(("JupyterLab answers", False))
    rows: list[Row] = []
    is_current = True
    for text, is_done in done:
        if is_done:
            mark, hue, text_hue = glyphs.done, "success", "text"
        elif is_current:
            mark, hue, text_hue, is_current = glyphs.starting, "primary", "text", False
        else:
            mark, hue, text_hue = glyphs.unrun, "faint", "faint"
        rows.append(
            [Segment(f" {mark} ", palette.style(hue, bold=True)), Segment(text, palette.style(text_hue))]
        )
    return rows


class StatePanel(StripWidget):
    """Queue, start or end."""

    server: ServerStatus | None = None
    now = 0.0
    local: LocalTime | None = None
    """None before the first look"""
    used = ""
    is_told = False
    is_known = False

    def show(
        self, server: ServerStatus | None, now: float, local: LocalTime, used: str = "", *, is_known: bool
    ) -> None:
        state = server.state if server else None
        moves = state in (ServerState.PENDING, ServerState.STARTING) and int(now) != int(self.now)
        if self.local is None or (server, is_known) != (self.server, self.is_known) or moves:
            self.server, self.now, self.local, self.used = server, now, local, used
            self.is_known = is_known
            self.border_title = panel_title(state, is_known=is_known)
            self.set_class(state is ServerState.ERROR, "-error")
            self.rebuild()
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._rows(width))

    def _rows(self, width: int) -> list[Row]:
        if self.local is None:
            return []
        looks = self.palette, self.glyphs, self.local
        is_told, is_known = self.is_told, self.is_known
        return panel_rows(self.server, width, self.now, *looks, self.used, is_told=is_told, is_known=is_known)

    def build(self, width: int, height: int) -> list[Strip]:
        rows = self._rows(width)
        if len(rows) > height:  # keep the keys, which come last and matter most
            rows = [*rows[: height - 1], rows[-1]]
        return [Strip(r) for r in rows]
