"""One reading of the node's CPU, memory and GPUs, as the node extension's sampler sends it (JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU; None where the driver does not say."""

    index: int
    name: str
    memory_used_mb: float | None = None
    memory_total_mb: float | None = None
    utilization_percent: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class KernelUse:
    """What one kernel and its child processes use."""

    pid: int
    rss_mb: float | None = None
    cpu_percent: float | None = None
    gpu_memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Of the allocation (cgroup limit, SLURM's numbers), not of the whole node; None where nobody says."""

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

    @property
    def memory_percent(self) -> float | None:
        if self.memory_used_mb is None or not self.memory_total_mb:
            return None
        return 100 * self.memory_used_mb / self.memory_total_mb


def parse_sample(raw: Mapping[str, Any]) -> Sample:
    """Sample of the sampler's JSON object. Raises ValueError when a mandatory part is missing."""
    try:
        cpu, memory = raw["cpu"], raw["memory"]
        return Sample(
            at=float(raw["t"]),
            cpu_count=int(cpu["count"]),
            cpu_percent=_number(cpu.get("percent")),
            load_1m=_number(cpu.get("load_1m")),
            memory_used_mb=_number(memory["used_mb"]),
            memory_total_mb=_number(memory["total_mb"]),
            gpus=tuple(
                GpuSample(
                    index=int(gpu["index"]),
                    name=str(gpu.get("name") or "GPU"),
                    memory_used_mb=_number(gpu.get("memory_used_mb")),
                    memory_total_mb=_number(gpu.get("memory_total_mb")),
                    utilization_percent=_number(gpu.get("utilization_percent")),
                    temperature_c=_number(gpu.get("temperature_c")),
                    power_w=_number(gpu.get("power_w")),
                )
                for gpu in raw.get("gpu") or ()
            ),
            kernels={
                str(kernel_id): KernelUse(
                    pid=int(use["pid"]),
                    rss_mb=_number(use["rss_mb"]),
                    cpu_percent=_number(use.get("cpu_percent")),
                    gpu_memory_mb=_number(use.get("gpu_memory_mb")),
                )
                for kernel_id, use in (raw.get("kernels") or {}).items()
            },
            note=str(raw.get("note") or ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a resource sample: {error!r}") from None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def resources_json(sample: Sample) -> dict[str, Any]:
    """A sample as `check_resources` gives it."""
    used, total, percent = sample.memory_used_mb, sample.memory_total_mb, sample.memory_percent
    return {
        "cpu": {"count": sample.cpu_count, "percent": sample.cpu_percent, "load_1m": sample.load_1m},
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
            }
            for kernel_id, use in (sample.kernels or {}).items()
        },
        **({"note": sample.note} if sample.note else {}),
    }
