"""Draws what stands around the feed of the page: the list of sessions, graphs of what is used. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence
from urllib.parse import urlencode

from .live_markup import escaped

FRESH_S = 15.0
"""after it was opened a session counts as alive, whatever is known of its kernel"""
_WORDS = {"running": "busy", "bad": "error", "left": "no client"}
_ENDS = {"left": "its client left", "culled": "idle for too long", "shutdown": "shut down"}
_GLYPHS = {"running": "▶", "bad": "✗", "held": "⏸", "left": "○", "ended": "■", "closed": "■"}


@dataclass(frozen=True)
class SessionLine:
    """One row of the list."""

    session: str
    name: str
    notebook: str
    state: str
    """running, idle, held, bad or closed, as its record has it; left or ended, as its kernel is"""
    cause: str = ""
    """why it is closed, or its kernel ended"""
    opened_at: float = 0.0
    """epoch seconds"""
    ends_at: Optional[float] = None
    """when its kernel ends, which has no client any more"""
    memory_mb: Optional[float] = None
    gpu_memory_mb: Optional[float] = None

    @property
    def is_over(self) -> bool:
        return self.state in ("ended", "closed")


class KernelNow(NamedTuple):
    """The kernel of a session, as the server knows it."""

    kernel: str
    is_busy: bool = False
    left: Optional[Mapping[str, Any]] = None
    """how long it stays without a client (`ended_kernels.describe`); None while it has one"""
    end: Optional[Mapping[str, Any]] = None
    """how it ended (`exit_cause`); None while it lives"""


def as_it_is(line: SessionLine, kernel: Optional[KernelNow], now: float) -> SessionLine:
    """Correct what a session's record says by what its kernel does: who would have recorded more may be gone."""
    if line.state == "closed" or (kernel is None and now < line.opened_at + FRESH_S):
        return line
    if kernel is None or kernel.end is not None:
        end = (kernel.end if kernel is not None else None) or {}
        words = _ENDS.get(str(end.get("cause")), str(end.get("detail") or "its kernel is gone"))
        return replace(line, state="ended", cause=words)
    if kernel.left is None:
        return line
    if kernel.is_busy:
        return replace(line, state="running", cause="its client is gone")
    return replace(line, state="left", ends_at=kernel.left.get("ends_at"))


def sessions_html(lines: Sequence[SessionLine], chosen: str) -> str:
    """Return the list: live sessions by their names, then those whose kernel is gone, then the closed ones as they come."""
    live = sorted((line for line in lines if not line.is_over), key=lambda line: (line.name, line.session))
    over = sorted((line for line in lines if line.is_over), key=lambda line: line.state == "closed")
    empty = '<li class="empty">No session yet. It appears here when the agent opens one.</li>'
    return '<ul id="sessions">%s</ul>' % ("".join(_row(line, chosen) for line in [*live, *over]) or empty)


def _row(line: SessionLine, chosen: str) -> str:
    words = [_WORDS.get(line.state, line.state), *([line.cause] if line.cause else [])]
    words += ["RAM " + mebibytes(line.memory_mb)] if line.memory_mb else []
    words += ["GPU " + mebibytes(line.gpu_memory_mb)] if line.gpu_memory_mb else []
    said = escaped(" · ".join(word.replace(" ", "\u00a0") if word != line.cause else word for word in words))
    if line.ends_at is not None:
        said += ' · <span data-until="%d"></span>' % line.ends_at
    return (
        '<li><a class="%s" href="live?%s"%s title="%s"><span class="glyph">%s</span><b>%s</b><small>%s</small></a></li>'
        % (
            line.state,
            escaped(urlencode({"session": line.session})),
            ' aria-current="page"' if line.session == chosen else "",
            escaped("\n".join(filter(None, (line.notebook, line.cause)))),
            _GLYPHS.get(line.state, "●"),
            escaped(line.name),
            said,
        )
    )


def meters_html(samples: Sequence[Dict[str, Any]]) -> str:
    """Return the graphs of the last ten minutes. `samples`: of usage.py, oldest first."""
    now = samples[-1] if samples else {}
    cpu, memory = dict(now.get("cpu") or {}), dict(now.get("memory") or {})
    gpus = [list(sample.get("gpu") or []) for sample in samples]
    meters = [
        _meter("cpu", "CPU", _percent(cpu.get("percent")), "%s cores" % cpu.get("count", "?"),
               [(s.get("cpu") or {}).get("percent") for s in samples]),
        _meter("mem", "MEM", _of(memory.get("used_mb"), memory.get("total_mb")), "",
               [(s.get("memory") or {}).get("percent_used") for s in samples]),
    ]  # fmt: skip
    if gpus and gpus[-1]:
        used, total = _sum(gpus[-1], "memory_used_mb"), _sum(gpus[-1], "memory_total_mb")
        name = str(gpus[-1][0].get("name", "")) if len(gpus[-1]) == 1 else "%d GPUs" % len(gpus[-1])
        use = [_mean(one, "utilization_percent") for one in gpus]
        held = [_share(_sum(one, "memory_used_mb"), _sum(one, "memory_total_mb")) for one in gpus]
        meters += [
            _meter("gpu", "GPU", _percent(use[-1]), name, use),
            _meter("vram", "VRAM", _of(used, total), "", held),
        ]
    return '<div id="meters">%s</div>' % "".join(meters)


def _meter(name: str, title: str, value: str, aside: str, points: Sequence[Optional[float]]) -> str:
    return (
        '<figure class="meter %s"><figcaption><b>%s</b> %s <small>%s</small></figcaption>'
        '<svg viewBox="0 0 120 40" preserveAspectRatio="none" aria-hidden="true"><path class="grid" d="M0 20H120M0 0.5H120"/>'
        '<path class="area" d="%s"/></svg></figure>'
    ) % (name, title, escaped(value), escaped(aside), _area(points))


def _area(points: Sequence[Optional[float]]) -> str:
    """Return the outline of a filled graph of at most 120 points; the newest stands at the right."""
    step = 5
    means = []
    for end in range(len(points), 0, -step):
        known = [point for point in points[max(0, end - step) : end] if point is not None]
        means.append(sum(known) / len(known) if known else 0.0)
    if not means:
        return ""
    tops = [
        "%d %.1f" % (120 - number, 40 - 0.4 * min(100.0, max(0.0, mean)))
        for number, mean in enumerate(means[:121])
    ]
    return "M120 40L%sV40Z" % "L".join(tops)


def _percent(value: Optional[float]) -> str:
    return "?" if value is None else "%d%%" % value


def _of(used: Optional[float], total: Optional[float]) -> str:
    return "?" if used is None or not total else "%s of %s" % (mebibytes(used), mebibytes(total))


def _sum(gpus: Sequence[Dict[str, Any]], key: str) -> Optional[float]:
    known = [gpu[key] for gpu in gpus if gpu.get(key) is not None]
    return sum(known) if known else None


def _mean(gpus: Sequence[Dict[str, Any]], key: str) -> Optional[float]:
    known = [gpu[key] for gpu in gpus if gpu.get(key) is not None]
    return sum(known) / len(known) if known else None


def _share(used: Optional[float], total: Optional[float]) -> Optional[float]:
    return None if used is None or not total else 100 * used / total


def mebibytes(value: Optional[float]) -> str:
    if value is None:
        return "?"
    gib = value / 1024
    return "%d MiB" % value if gib < 1 else "%.1f GiB" % gib if gib < 10 else "%d GiB" % gib
