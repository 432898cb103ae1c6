"""The first line: state, job, node, resources, walltime, kernels, time. Omits parts that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.strip import Strip

from ...core.server.record import ServerState
from ...core.server.resources import Sample
from ...core.server.status import ServerStatus
from ...services.dashboard.overview import SessionRow, SessionState
from ..ansi import one_line
from ..format import Glyphs, clock, counted, gib, server_mark, short_gpu, shortened
from ..selection import live as with_kernels
from ..themes import Palette
from ..wrapping import Row
from .strips import StripWidget


@dataclass(frozen=True, slots=True)
class HeaderState:
    """The header's content."""

    server: ServerStatus | None
    rows: Sequence[SessionRow] = ()
    sample: Sample | None = None
    now: float = 0.0
    time: str = ""
    flag: str = ""
    """`read-only`"""
    gpu_idle_min: int = 0
    """a kernel holds an idle GPU for so long, and a site may end the job"""
    is_known: bool = True
    """False before the server was looked for"""


def header_row(state: HeaderState, width: int, palette: Palette, glyphs: Glyphs) -> Row:
    """Return the header at a width: as many whole parts as fit, the most useful ones first."""
    server = state.server
    mark, hue, word = server_mark(
        server.state if server else None, server.reachable if server else None, glyphs
    )
    title = Segment(" jlab-mcp ", palette.style("primary", reverse=True, bold=True))
    if server is not None:
        word = one_line(server.phase) or word
    elif not state.is_known:
        mark, word = glyphs.starting, "looking"
    left: Row = [title, Segment(f" {mark} {word}", palette.style(hue, bold=True))]
    used = _length(left)
    parts: list[tuple[int, str, Row]] = []
    muted, text = palette.style("muted"), palette.style()
    if state.gpu_idle_min:
        parts.append(
            (0, "left", [Segment(f"GPU idle {state.gpu_idle_min} min", palette.style("warning", bold=True))])
        )
    if state.flag:
        parts.append((1, "left", [Segment(state.flag, palette.style("accent", bold=True))]))
    if server is not None:
        record = server.record
        where = record.hostname or ("local" if record.pid else "")
        ident = record.job_id or record.inside_job or (f"pid {record.pid}" if record.pid else "")
        if ident:
            parts.append((5, "left", [Segment(one_line(ident), muted)]))
        if where:
            parts.append((3, "left", [Segment(shortened(one_line(where), 24, glyphs.ellipsis), text)]))
        if resources := _resources(state.sample, glyphs):
            parts.append((7, "left", [Segment(resources, muted)]))
        if record.ends and server.state is ServerState.READY:
            left_s = record.ends - state.now
            bar = _bar(
                left_s,
                record.ends - record.started,
                14 if width >= 140 else 12 if width >= 100 else 8,
                palette,
                glyphs,
            )
            hue = "error" if left_s < 300 else "warning" if left_s < 1800 else "text"
            walltime = [Segment(clock(left_s), palette.style(hue, bold=True)), Segment(" left", muted)]
            parts.append((2, "left", walltime))
            parts.append((6, "bar", bar))
    live = with_kernels(state.rows)
    if server is not None and server.state is ServerState.READY:
        busy = sum(row.state is SessionState.BUSY for row in live)
        kernels = [Segment(counted(len(live), "kernel"), muted)]
        if busy:
            kernels.append(Segment(f" {busy} busy", palette.style("warning")))
        if needy := sum(bool(row.needs) for row in live):
            kernels.append(
                Segment(
                    f" {needy} {'needs' if needy == 1 else 'need'} you", palette.style("accent", bold=True)
                )
            )
        if failed := sum(row.state is SessionState.FAILED for row in live):
            kernels.append(Segment(f" {failed} failed", palette.style("error", bold=True)))
        parts.append((4, "right", kernels))
    if state.time:
        parts.append((8, "right", [Segment(state.time, muted)]))
    chosen: set[int] = set()
    room = width - used - 1
    for priority, side, part in sorted(parts, key=lambda p: p[0]):
        need = _length(part) + (1 if side == "bar" else 2 if side == "left" else 3)
        if need <= room:
            chosen.add(priority)
            room -= need
    right: Row = []
    for priority, side, part in parts:
        if priority not in chosen:
            continue
        if side == "right":
            right += [Segment("   "), *part]
        else:
            left += [Segment(" " if side == "bar" else "  "), *part]
    gap = max(0, width - _length(left) - _length(right) - 1)
    return [*left, Segment(" " * gap), *right]


def _length(parts: Row) -> int:
    return sum(part.cell_length for part in parts)


def _resources(sample: Sample | None, glyphs: Glyphs) -> str:
    """`2×H200 · 16 CPU · 128G`"""
    if sample is None:
        return ""
    parts = []
    if sample.gpus:
        name = short_gpu(sample.gpus[0].name)
        parts.append(f"{len(sample.gpus)}{glyphs.times}{name}")
    parts.append(f"{sample.cpu_count} CPU")
    if sample.memory_total_mb:
        parts.append(f"{gib(sample.memory_total_mb, unit=False)}G")
    return f" {glyphs.separator} ".join(parts)


def _bar(left_s: float, whole_s: float, width: int, palette: Palette, glyphs: Glyphs) -> Row:
    part = min(1.0, max(0.0, left_s / whole_s)) if whole_s > 0 else 0.0
    hue = "error" if left_s < 300 else "warning" if left_s < 1800 else "success"
    halves = round(part * width * 2)
    text = glyphs.full * (halves // 2) + (glyphs.half if halves % 2 else "")
    return [
        Segment(text, palette.style(hue)),
        Segment(glyphs.full * (width - len(text)), palette.style("line")),
    ]


class Header(StripWidget):
    """The header line."""

    state = HeaderState(None)

    def show(self, state: HeaderState) -> None:
        if state != self.state:
            self.state = state
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        return [Strip(header_row(self.state, width, self.palette, self.glyphs))]
