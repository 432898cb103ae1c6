"""CPU, memory, GPU and GPU memory over time: bordered panels, or one-row meters where there is little room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip

from ...core.resources import GpuSample, Sample
from ..plots import area, binned
from ..themes import Palette
from ..wording import Glyphs, gib, seconds
from .header import short_gpu
from .strips import StripWidget


@dataclass(frozen=True, slots=True)
class Reading:
    """What one panel shows."""

    label: str
    values: tuple[float | None, ...]
    """percent, oldest first"""
    times: tuple[float, ...]
    """epoch seconds of the values"""
    now: str
    note: str
    hue: str
    warns: bool = False


def readings(
    samples: Sequence[Sample],
    idle_since: Callable[[int], float | None],
    names: dict[str, str],
    separator: str,
) -> list[Reading]:
    """CPU and memory, and for nodes with GPUs their utilisation and memory (the mean over several)."""
    if not samples:
        waiting = "waiting for a reading"
        return [Reading("CPU", (), (), "", waiting, "success"), Reading("MEM", (), (), "", "", "primary")]
    times = tuple(s.at for s in samples)
    last = samples[-1]
    dot = f" {separator} "
    load = f"load {last.load_1m:.1f}" if last.load_1m is not None else ""
    cores = f"{last.cpu_count} core" + ("" if last.cpu_count == 1 else "s")
    found = [
        Reading(
            "CPU",
            tuple(s.cpu_percent for s in samples),
            times,
            _percent(last.cpu_percent),
            dot.join(part for part in (cores, load) if part),
            "success",
            True,
        ),
        Reading(
            "MEM",
            tuple(s.memory_percent for s in samples),
            times,
            f"{gib(last.memory_used_mb, unit=False)}/{gib(last.memory_total_mb)}",
            _largest(last, names, lambda use: use.rss_mb),
            "primary",
            True,
        ),
    ]
    if last.gpus:
        found += _gpu_readings(samples, times, idle_since, names, dot)
    return found


def _gpu_readings(
    samples: Sequence[Sample],
    times: tuple[float, ...],
    idle_since: Callable[[int], float | None],
    names: dict[str, str],
    dot: str,
) -> list[Reading]:
    last = samples[-1]
    count = len(last.gpus)
    first = last.gpus[0]
    idle = [idle_since(gpu.index) for gpu in last.gpus]
    note = _gpu_note(last.gpus, dot)
    since = max((i for i in idle if i is not None), default=None)
    if all(i is not None for i in idle) and since is not None and last.at - since >= 60:
        note = f"idle for {seconds(last.at - since)}"
    now = _percent(_mean([gpu.utilization_percent for gpu in last.gpus]))
    used, total = (
        _sum(gpu.memory_used_mb for gpu in last.gpus),
        _sum(gpu.memory_total_mb for gpu in last.gpus),
    )
    vram = f"{gib(used, unit=False)}/{gib(total)}" if used is not None else "?"
    label = "GPU" if count == 1 else f"GPU {'×' if '·' in dot else 'x'}{count}"
    largest = _largest(last, names, lambda use: use.gpu_memory_mb)
    return [
        Reading(
            label,
            tuple(_mean([g.utilization_percent for g in s.gpus]) for s in samples),
            times,
            now,
            note,
            "secondary",
        ),
        Reading(
            "VRAM",
            tuple(_mean([memory_percent(g) for g in s.gpus]) for s in samples),
            times,
            vram,
            largest or (short_gpu(first.name) if count == 1 else ""),
            "accent",
        ),
    ]


def _gpu_note(gpus: Sequence[GpuSample], dot: str) -> str:
    if len(gpus) > 1:
        return dot.join(f"{g.index}: {_percent(g.utilization_percent)}" for g in gpus[:8])
    gpu = gpus[0]
    parts = [short_gpu(gpu.name)]
    if gpu.temperature_c is not None:
        parts.append(f"{gpu.temperature_c:.0f}{'°' if '·' in dot else ' '}C")
    if gpu.power_w is not None:
        parts.append(f"{gpu.power_w:.0f} W")
    return dot.join(parts)


def memory_percent(gpu: GpuSample) -> float | None:
    if gpu.memory_used_mb is None or not gpu.memory_total_mb:
        return None
    return 100 * gpu.memory_used_mb / gpu.memory_total_mb


def _largest(sample: Sample, names: dict[str, str], value: Callable[..., float | None]) -> str:
    """The kernel that takes most of it, by its session's name."""
    uses = [(value(use) or 0.0, kernel_id) for kernel_id, use in (sample.kernels or {}).items()]
    if not uses or max(uses)[0] <= 0:
        return ""
    most, kernel_id = max(uses)
    name = names.get(kernel_id)
    return f"{name[:16]} {gib(most)}" if name else ""


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}%"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _sum(values: object) -> float | None:
    known = [v for v in values if v is not None]  # type: ignore[attr-defined]
    return sum(known) if known else None


class GraphPanel(StripWidget):
    """One reading with a border; its numbers stand in the border."""

    reading = Reading("", (), (), "", "", "text")

    def show(self, reading: Reading) -> None:
        if reading != self.reading:
            self.reading = reading
            self.border_title = Content.assemble(
                Content.styled(reading.label, "bold $foreground"),
                " ",
                Content.styled(reading.now, "$foreground 60%"),
            )
            self.border_subtitle = Content.styled(reading.note, "$foreground 60%") if reading.note else ""
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        reading = self.reading
        colors = self.palette.gradient(reading.hue, height, warns=reading.warns)
        grid = self.palette.style("line")
        is_ascii = self.glyphs.bar == "|"
        values = binned(reading.values, reading.times, width if is_ascii else width * 2)
        return area(values, width, height, colors, grid, ascii_only=is_ascii)


class Meters(StripWidget):
    """All readings as one-row graphs, two in a row."""

    shown: tuple[Reading, ...] = ()

    def show(self, shown: Sequence[Reading]) -> None:
        if tuple(shown) != self.shown:
            self.shown = tuple(shown)
            self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        column = width // 2
        rows = []
        for start in range(0, len(self.shown), 2):
            parts: list[Segment] = []
            for reading in self.shown[start : start + 2]:
                parts += meter(reading, column, self.palette, self.glyphs)
            rows.append(Strip(parts))
        return rows


def meter(reading: Reading, width: int, palette: Palette, glyphs: Glyphs) -> list[Segment]:
    """` CPU  ⣄⣤⣤⣤⣴⣶⣶⣶    55%` in `width` columns."""
    value = next((v for v in reversed(reading.values) if v is not None), None)
    number = _percent(value).rjust(5)
    room = max(4, width - 6 - len(number) - 2)
    graph = area(
        binned(reading.values, reading.times, room * 2),
        room,
        1,
        palette.gradient(reading.hue, 1, warns=False),
        palette.style("line"),
        ascii_only=glyphs.bar == "|",
    )
    return [
        Segment(f" {reading.label[:4]:<4} ", palette.style(bold=True)),
        *graph[0],
        Segment(f"{number}  ", palette.style("text")),
    ]
