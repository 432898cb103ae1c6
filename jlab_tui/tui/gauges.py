"""Computes the graphs: CPU, memory, GPU and GPU memory over time, with their labels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..core.server.resources import GpuSample, Sample
from .format import gib, percent, short_gpu, span

IDLE_TOLD_S = 60.0
"""seconds after which the dashboard shows a GPU as idle"""


@dataclass(frozen=True, slots=True)
class Lane:
    """One GPU of several."""

    label: str
    values: tuple[float | None, ...]
    """percent, oldest first"""
    now: str
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of one panel."""

    label: str
    values: tuple[float | None, ...]
    """percent, oldest first; the mean of several GPUs"""
    times: tuple[float, ...]
    """epoch seconds of the values"""
    now: str
    note: str
    hue: str
    warns: bool = False
    lanes: tuple[Lane, ...] = ()
    """one for each of several GPUs"""


def readings(
    samples: Sequence[Sample],
    idle_since: Callable[[int], float | None],
    names: dict[str, str],
    separator: str,
) -> list[Reading]:
    """Return CPU and memory, and the utilisation and memory of GPUs. `names`: kernel id -> session's name."""
    if not samples:
        waiting = "waiting for a reading"
        return [Reading("CPU", (), (), "", waiting, "success"), Reading("MEM", (), (), "", "", "primary")]
    times = tuple(s.at for s in samples)
    last = samples[-1]
    dot = f" {separator} "
    load = f"load {last.load_1m:.1f}" if last.load_1m is not None else ""
    cores = f"{last.cpu_count} core" + ("" if last.cpu_count == 1 else "s")
    cpu = Reading(
        "CPU",
        tuple(s.cpu_percent for s in samples),
        times,
        percent(last.cpu_percent),
        dot.join(part for part in (cores, load) if part),
        "success",
    )
    memory = Reading(
        "MEM",
        tuple(s.memory_percent for s in samples),
        times,
        f"{gib(last.memory_used_mb, unit=False)}/{gib(last.memory_total_mb)}",
        _largest(last, names, lambda use: use.rss_mb),
        "primary",
        True,
    )
    if not last.gpus:
        return [cpu, memory]
    return [cpu, memory, *_gpu_readings(samples, times, idle_since, names, dot)]


def _gpu_readings(
    samples: Sequence[Sample],
    times: tuple[float, ...],
    idle_since: Callable[[int], float | None],
    names: dict[str, str],
    dot: str,
) -> list[Reading]:
    last = samples[-1]
    gpus = last.gpus
    idle = {gpu.index: _idle_for(last.at, idle_since(gpu.index)) for gpu in gpus}
    used, total = _sum(gpu.memory_used_mb for gpu in gpus), _sum(gpu.memory_total_mb for gpu in gpus)
    times_sign = "×" if "·" in dot else "x"
    label = "GPU"
    use_lanes: tuple[Lane, ...] = ()
    memory_lanes: tuple[Lane, ...] = ()
    if len(gpus) > 1:
        label = f"GPU {times_sign}{len(gpus)}"
        use_lanes = _lanes(samples, _utilization, lambda gpu: percent(_utilization(gpu)), idle)
        memory_lanes = _lanes(
            samples, memory_percent, lambda gpu: f"{gib(gpu.memory_used_mb, unit=False)}G", {}
        )
    name = short_gpu(gpus[0].name)
    use = Reading(
        label,
        tuple(_mean([_utilization(g) for g in s.gpus]) for s in samples),
        times,
        percent(_mean([_utilization(gpu) for gpu in gpus])),
        _idle_note(idle) or _gpu_note(gpus, dot),
        "secondary",
        lanes=use_lanes,
    )
    memory = Reading(
        "VRAM",
        tuple(_mean([memory_percent(g) for g in s.gpus]) for s in samples),
        times,
        f"{gib(used, unit=False)}/{gib(total)}" if used is not None else "?",
        _largest(last, names, lambda kernel: kernel.gpu_memory_mb) or (name if len(gpus) == 1 else ""),
        "accent",
        lanes=memory_lanes,
    )
    return [use, memory]


def _lanes(
    samples: Sequence[Sample],
    value: Callable[[GpuSample], float | None],
    now: Callable[[GpuSample], str],
    idle: dict[int, float],
) -> tuple[Lane, ...]:
    return tuple(
        Lane(str(gpu.index), of_gpu(samples, number, value), now(gpu), idle.get(gpu.index, 0.0) > 0)
        for number, gpu in enumerate(samples[-1].gpus)
    )


def of_gpu(
    samples: Sequence[Sample], number: int, value: Callable[[GpuSample], float | None]
) -> tuple[float | None, ...]:
    """Return a value of the GPU at place `number` over time; None where it is missing."""
    return tuple(value(s.gpus[number]) if number < len(s.gpus) else None for s in samples)


def _idle_for(now: float, since: float | None) -> float:
    """Return the idle seconds; 0 while it works or has just paused."""
    return now - since if since is not None and now - since >= IDLE_TOLD_S else 0.0


def _idle_note(idle: dict[int, float]) -> str:
    """Return `0% for 38 min`; for several GPUs, how many of them."""
    resting = [seconds for seconds in idle.values() if seconds]
    if not resting:
        return ""
    if len(idle) == 1:
        return f"0% for {span(resting[0])}"
    many = "all" if len(resting) == len(idle) else f"{len(resting)} of {len(idle)}"
    return f"{many} at 0% for {span(min(resting))}"


def _gpu_note(gpus: Sequence[GpuSample], dot: str) -> str:
    degree = "°" if "·" in dot else " "
    parts = [short_gpu(gpus[0].name)]
    hottest = max((gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None), default=None)
    if hottest is not None:
        parts.append(f"{hottest:.0f}{degree}C")
    power = _sum(gpu.power_w for gpu in gpus)
    if power is not None:
        parts.append(f"{power:.0f} W")
    return dot.join(parts)


def memory_percent(gpu: GpuSample) -> float | None:
    """Return the device's used memory in percent; None if unknown."""
    if gpu.memory_used_mb is None or not gpu.memory_total_mb:
        return None
    return 100 * gpu.memory_used_mb / gpu.memory_total_mb


def _utilization(gpu: GpuSample) -> float | None:
    return gpu.utilization_percent


def _largest(sample: Sample, names: dict[str, str], value: Callable[..., float | None]) -> str:
    """Return the kernel that uses most of it, by its session's name."""
    uses = [(value(use) or 0.0, kernel_id) for kernel_id, use in (sample.kernels or {}).items()]
    if not uses or max(uses)[0] <= 0:
        return ""
    most, kernel_id = max(uses)
    name = names.get(kernel_id)
    return f"{name[:16]} {gib(most)}" if name else ""


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None
