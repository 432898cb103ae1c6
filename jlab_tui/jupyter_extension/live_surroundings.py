"""Draws what stands around the feed of the page: the list of sessions, the job, graphs of what is used. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence
from urllib.parse import urlencode

from .live_markup import escaped


@dataclass(frozen=True)
class SessionLine:
    """One row of the list."""

    session: str
    name: str
    notebook: str
    state: str
    """running, idle, held, bad, or closed"""
    memory_mb: Optional[float] = None
    gpu_memory_mb: Optional[float] = None


def sessions_html(lines: Sequence[SessionLine], chosen: str) -> str:
    rows = []
    for line in lines:
        words = [{"running": "busy", "bad": "error"}.get(line.state, line.state)]
        words += ["RAM " + mebibytes(line.memory_mb)] if line.memory_mb else []
        words += ["GPU " + mebibytes(line.gpu_memory_mb)] if line.gpu_memory_mb else []
        glyph = {"running": "▶", "bad": "✗", "held": "⏸"}.get(line.state, "●")
        current = ' aria-current="page"' if line.session == chosen else ""
        rows.append(
            '<li><a class="%s" href="live?%s"%s title="%s"><span class="glyph">%s</span><b>%s</b><small>%s</small></a></li>'
            % (
                line.state,
                escaped(urlencode({"session": line.session})),
                current,
                escaped(line.notebook),
                glyph,
                escaped(line.name),
                escaped(" · ".join(word.replace(" ", "\u00a0") for word in words)),
            )
        )
    empty = '<li class="empty">No session yet. It appears here when the agent opens one.</li>'
    return '<ul id="sessions">%s</ul>' % ("".join(rows) or empty)


def job_html(facts: Dict[str, Any]) -> str:
    """Return where the server runs. `facts`: host, and of a job its id, partition and end (epoch seconds)."""
    shown = ["<b>%s</b>" % escaped(str(facts["host"]))]
    if facts.get("job"):
        shown.insert(0, "job %s" % escaped(str(facts["job"])))
    if facts.get("partition"):
        shown.append(escaped(str(facts["partition"])))
    if facts.get("end"):
        shown.append('<span data-until="%d"></span>' % facts["end"])
    return '<div id="job">%s</div>' % " <i>·</i> ".join(shown)


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
