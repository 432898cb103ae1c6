"""Parses a reading of the node's CPU, memory and GPUs, as the Jupyter extension's sampler sends it (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..json_values import items, mapping, number, text, whole
from .record import KernelInfo


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU; None for what the driver does not say."""

    index: int
    name: str
    memory_used_mb: float | None = None
    memory_total_mb: float | None = None
    utilization_percent: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class KernelUse:
    """The usage of one kernel and its child processes."""

    pid: int
    rss_mb: float | None = None
    cpu_percent: float | None = None
    gpu_memory_mb: float | None = None
    gpu_idle_s: float | None = None
    """since when it has held GPU memory while its GPU did nothing; None if it works, or holds none"""


@dataclass(frozen=True, slots=True)
class GpuHours:
    """Hours of all GPUs of the job so far."""

    held: float
    used: float
    """the same, counted by utilisation"""

    def __str__(self) -> str:
        return f"{self.held:.1f} GPU hours held, {self.used:.1f} of them in use"


@dataclass(frozen=True, slots=True)
class IdleEndPlan:
    """When a job that nobody uses ends itself."""

    hours: float
    """without use"""
    ends_at: float | None
    """epoch seconds; None until that is near"""
    kept_by: str
    """what used it last, or keeps it"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The usage of the allocation (cgroup limit, Slurm's numbers), not of the whole node; None if unknown."""

    at: float
    """epoch seconds"""
    cpu_count: int
    cpu_percent: float | None
    load_1m: float | None
    memory_used_mb: float | None
    memory_total_mb: float | None
    gpus: tuple[GpuSample, ...] = ()
    kernels: Mapping[str, KernelUse] | None = None
    """by kernel id"""
    note: str = ""
    """why something is unknown, and what to install"""
    load_5m: float | None = None
    load_15m: float | None = None
    gpu_hours: GpuHours | None = None
    idle_end: IdleEndPlan | None = None
    """None if the server does not end itself"""

    @property
    def memory_percent(self) -> float | None:
        if self.memory_used_mb is None or not self.memory_total_mb:
            return None
        return 100 * self.memory_used_mb / self.memory_total_mb


@dataclass(frozen=True, slots=True)
class Measured:
    """What one look at the node found."""

    samples: Sequence[Sample] = ()
    """oldest first; empty where nothing is measured"""
    kernels: tuple[KernelInfo, ...] | None = None
    """None: they were not asked for"""


def parse_sample(raw: Any) -> Sample:
    """Parse the sampler's JSON value. Raises ValueError if a mandatory part is missing."""
    match raw:
        case {"t": t, "cpu": dict(cpu), "memory": dict(memory), **rest} if (at := number(t)) is not None:
            return Sample(
                at=at,
                cpu_count=whole(cpu.get("count")),
                cpu_percent=number(cpu.get("percent")),
                load_1m=number(cpu.get("load_1m")),
                load_5m=number(cpu.get("load_5m")),
                load_15m=number(cpu.get("load_15m")),
                memory_used_mb=number(memory.get("used_mb")),
                memory_total_mb=number(memory.get("total_mb")),
                gpus=tuple(_gpu(gpu) for gpu in items(rest.get("gpu")) if isinstance(gpu, dict)),
                kernels={
                    kernel_id: _use(use)
                    for kernel_id, use in mapping(rest.get("kernels")).items()
                    if isinstance(use, dict)
                },
                note=text(rest.get("note")),
                gpu_hours=_hours(mapping(rest.get("gpu_hours"))),
                idle_end=_idle_end(rest.get("idle_end")),
            )
        case _:
            raise ValueError("not a resource sample")


def _idle_end(raw: Any) -> IdleEndPlan | None:
    if not isinstance(raw, dict):
        return None
    return IdleEndPlan(number(raw.get("hours")) or 0.0, number(raw.get("ends_at")), text(raw.get("kept_by")))


def _gpu(raw: Mapping[str, Any]) -> GpuSample:
    return GpuSample(
        index=whole(raw.get("index")),
        name=text(raw.get("name")) or "GPU",
        memory_used_mb=number(raw.get("memory_used_mb")),
        memory_total_mb=number(raw.get("memory_total_mb")),
        utilization_percent=number(raw.get("utilization_percent")),
        temperature_c=number(raw.get("temperature_c")),
        power_w=number(raw.get("power_w")),
    )


def _use(raw: Mapping[str, Any]) -> KernelUse:
    return KernelUse(
        pid=whole(raw.get("pid")),
        rss_mb=number(raw.get("rss_mb")),
        cpu_percent=number(raw.get("cpu_percent")),
        gpu_memory_mb=number(raw.get("gpu_memory_mb")),
        gpu_idle_s=number(raw.get("gpu_idle_s")),
    )


def _hours(raw: Mapping[str, Any]) -> GpuHours | None:
    held, used = number(raw.get("held")), number(raw.get("used"))
    return GpuHours(held, used or 0.0) if held is not None else None


def resources_json(sample: Sample) -> dict[str, Any]:
    """Format a sample for `check_resources`."""
    used, total, percent = sample.memory_used_mb, sample.memory_total_mb, sample.memory_percent
    return {
        "cpu": {
            "count": sample.cpu_count,
            "percent": sample.cpu_percent,
            "load_1m": sample.load_1m,
            "load_5m": sample.load_5m,
            "load_15m": sample.load_15m,
        },
        "memory": {
            "total_mb": None if total is None else round(total),
            "used_mb": None if used is None else round(used),
            "available_mb": None if total is None or used is None else round(max(0.0, total - used)),
            "percent_used": None if percent is None else round(percent, 1),
        },
        "gpu": [
            {
                "index": g.index,
                "name": g.name,
                "memory_used_mb": g.memory_used_mb,
                "memory_total_mb": g.memory_total_mb,
                "utilization_percent": g.utilization_percent,
                "temperature_c": g.temperature_c,
            }
            for g in sample.gpus
        ],
        "kernels": {
            kernel_id: {
                "rss_mb": use.rss_mb,
                "cpu_percent": use.cpu_percent,
                "gpu_memory_mb": use.gpu_memory_mb,
                **({"gpu_idle_min": round(use.gpu_idle_s / 60)} if use.gpu_idle_s else {}),
            }
            for kernel_id, use in (sample.kernels or {}).items()
        },
        **({"gpu_hours": hours_json(sample.gpu_hours)} if sample.gpu_hours else {}),
        **({"note": sample.note} if sample.note else {}),
    }


def hours_json(hours: GpuHours) -> dict[str, float]:
    return {"held": round(hours.held, 2), "used": round(hours.used, 2)}
