"""Formats numbers, times and states for the screen; glyphs with their ASCII equivalents."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..core.feed.items import FeedCell
from ..core.journal.events import RunStatus
from ..core.server.record import ServerState
from ..services.dashboard.overview import SessionState

LocalTime = Callable[[float], time.struct_time]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One sign for each state, so that colour is never the only mark."""

    busy: str = "▶"
    idle: str = "●"
    done: str = "✓"
    failed: str = "✗"
    starting: str = "◌"
    pending: str = "◐"
    gone: str = "○"
    dead: str = "✖"
    unrun: str = "·"
    note: str = "◆"
    bar: str = "▌"
    thin: str = "▏"
    full: str = "━"
    half: str = "╸"
    dots: str = "┄┄"
    separator: str = "·"
    follow: str = "▼"
    ellipsis: str = "…"
    times: str = "×"
    folded: str = "▸"
    unfolded: str = "▾"
    line: str = "─"
    edge: str = "│"
    is_ascii: bool = False
    """no character outside ASCII"""


UNICODE = Glyphs()
ASCII = Glyphs(
    busy=">",
    idle="*",
    done="v",
    failed="x",
    starting="o",
    pending="~",
    gone="-",
    dead="X",
    unrun=".",
    note="!",
    bar="|",
    thin="|",
    full="=",
    half="-",
    dots="--",
    separator="-",
    follow="v",
    ellipsis="...",
    times="x",
    folded="+",
    unfolded="-",
    line="-",
    edge="|",
    is_ascii=True,
)


def session_mark(state: SessionState, glyphs: Glyphs) -> tuple[str, str]:
    """Return glyph and hue of a session's state."""
    return {
        SessionState.BUSY: (glyphs.busy, "warning"),
        SessionState.IDLE: (glyphs.idle, "success"),
        SessionState.FAILED: (glyphs.failed, "error"),
        SessionState.STARTING: (glyphs.starting, "primary"),
        SessionState.DEAD: (glyphs.dead, "error"),
        SessionState.ENDED: (glyphs.gone, "muted"),
        SessionState.CLOSED: (glyphs.gone, "faint"),
        SessionState.HELD: (glyphs.pending, "accent"),
        SessionState.UNKNOWN: (glyphs.unrun, "muted"),
    }[state]


def run_mark(status: RunStatus | None, glyphs: Glyphs) -> tuple[str, str]:
    """Return glyph and hue of a run's status."""
    match status:
        case None:
            return glyphs.unrun, "muted"
        case RunStatus.RUNNING:
            return glyphs.busy, "warning"
        case RunStatus.OK:
            return glyphs.done, "success"
        case RunStatus.INTERRUPTED:
            return glyphs.gone, "accent"
        case RunStatus.HELD:
            return glyphs.pending, "accent"
        case RunStatus.ABORTED | RunStatus.DECLINED:
            return glyphs.unrun, "accent"
        case _:
            return glyphs.failed, "error"


def server_mark(state: ServerState | None, reachable: bool | None, glyphs: Glyphs) -> tuple[str, str, str]:
    """Return glyph, hue and word of the server's state."""
    match state:
        case None:
            return glyphs.gone, "muted", "no server"
        case ServerState.PENDING:
            return glyphs.pending, "warning", "pending"
        case ServerState.STARTING:
            return glyphs.starting, "primary", "starting"
        case ServerState.READY if reachable is False:
            return glyphs.dead, "error", "not answering"
        case ServerState.READY:
            return glyphs.idle, "success", "running"
        case ServerState.STOPPING:
            return glyphs.pending, "warning", "stopping"
        case ServerState.ENDED:
            return glyphs.gone, "muted", "ended"
        case ServerState.ERROR:
            return glyphs.failed, "error", "failed"


def seconds(value: float) -> str:
    """Format a duration briefly: 310ms, 1.8s, 42s, 2m13s, 3h05m, 2d04h."""
    value = max(0.0, value)
    if value < 0.9995:
        return f"{value * 1000:.0f}ms"
    if value < 9.95:
        return f"{value:.1f}s"
    whole = int(value)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def span(value: float) -> str:
    """Format a duration for a sentence: 45 s, 38 min, 2 h 5 min, 3 d."""
    whole = max(0, int(value))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        minutes = whole // 60 % 60
        return f"{whole // 3600} h" + (f" {minutes} min" if minutes else "")
    return f"{whole // 86400} d"


def age(value: float) -> str:
    """Format how long ago something was, in one unit: 45s, 12m, 5h, 3d."""
    whole = max(0, int(value))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def percent(value: float | None) -> str:
    """Format as `94%`; a question mark if unknown."""
    return "?" if value is None else f"{value:.0f}%"


def clock(value: float) -> str:
    """Format a duration as H:MM:SS with days in front: 3:41:12, 1-03:00:00."""
    whole = max(0, int(value))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    body = f"{hours:02d}" if days else f"{hours}"
    return (f"{days}-" if days else "") + f"{body}:{rest // 60:02d}:{rest % 60:02d}"


def at(when: float, local: LocalTime, form: str = "%H:%M:%S") -> str:
    """Format epoch seconds as time of day; empty if unknown or out of range."""
    if not 0 < when < 1e11:
        return ""
    return time.strftime(form, local(when))


def gib(mb: float | None, *, unit: bool = True) -> str:
    """Format megabytes as GiB or MiB with few digits: 88 GiB, 3.1 GiB, 900 MiB."""
    if mb is None:
        return "?"
    if unit and mb < 1000:
        return f"{mb:.0f} MiB"
    value = mb / 1024
    text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
    return f"{text} GiB" if unit else text


def counted(count: int, word: str) -> str:
    """`1 cell`, `4 cells`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def left_out(cell: FeedCell) -> str:
    """Say how much of a cell's output the model did not get; empty if it got all."""
    parts = []
    if cell.cut_chars:
        parts.append(counted(cell.cut_chars, "character"))
    if cell.cut_images:
        parts.append(counted(cell.cut_images, "image"))
    return f"Not in the model's reply: {' and '.join(parts)}." if parts else ""


def shortened(text: str, width: int, ellipsis: str = "…") -> str:
    """Shorten `text` to at most `width` characters."""
    if len(text) <= width:
        return text
    return text[: max(0, width - len(ellipsis))] + ellipsis if width > 0 else ""


def short_gpu(name: str) -> str:
    """Return the common name: `NVIDIA A100-SXM4-40GB` -> `A100`."""
    words = [
        w for w in name.replace("-", " ").split() if w.upper() not in ("NVIDIA", "AMD", "TESLA", "GEFORCE")
    ]
    return shortened(
        " ".join(words[:2]) if words and words[0].isalpha() else (words[0] if words else "GPU"), 14
    )
