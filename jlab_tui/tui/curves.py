"""Turns samples into the curves of the full-screen graphs: one graph, or separate ones for several GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..core.server.resources import GpuSample, Sample
from .format import short_gpu
from .gauges import memory_percent, of_gpu
from .plots import Line

GPU_HUES = ("secondary", "accent", "success", "primary", "warning", "error", "text", "muted")
"""one for each GPU; they repeat after the eighth"""
SAMPLES_SHOWN = 600


@dataclass(frozen=True, slots=True)
class Graph:
    """Curves that share their axes."""

    title: str
    lines: tuple[Line, ...]


def shown_samples(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples of the last ten minutes, one a second."""
    return list(samples)[-SAMPLES_SHOWN:]


def curves_of(samples: Iterable[Sample]) -> tuple[list[Graph], list[float]]:
    """Return the graphs of the last ten minutes and the epoch seconds of their values."""
    shown = shown_samples(samples)
    return graphs_of(shown), [sample.at for sample in shown]


def graphs_of(samples: Sequence[Sample]) -> list[Graph]:
    """Return CPU and memory with a single GPU's curves, or separate graphs for several GPUs."""
    common = (
        Line("CPU", [s.cpu_percent for s in samples], "success"),
        Line("MEM", [s.memory_percent for s in samples], "primary"),
    )
    gpus = samples[-1].gpus if samples else ()
    if not gpus:
        return [Graph("CPU and memory", common)]
    if len(gpus) == 1:
        use = Line(f"GPU {short_gpu(gpus[0].name)}", of_gpu(samples, 0, _utilization), GPU_HUES[0])
        memory = Line("VRAM", of_gpu(samples, 0, memory_percent), GPU_HUES[1])
        return [Graph("CPU, memory and GPU", (*common, use, memory))]
    return [
        Graph("CPU and memory", common),
        Graph("GPUs", _lines("GPU", samples, gpus, _utilization)),
        Graph("GPU memory", _lines("VRAM", samples, gpus, memory_percent)),
    ]


def _lines(
    name: str,
    samples: Sequence[Sample],
    gpus: Sequence[GpuSample],
    value: Callable[[GpuSample], float | None],
) -> tuple[Line, ...]:
    return tuple(
        Line(f"{name} {gpu.index}", of_gpu(samples, number, value), GPU_HUES[number % len(GPU_HUES)])
        for number, gpu in enumerate(gpus)
    )


def _utilization(gpu: GpuSample) -> float | None:
    return gpu.utilization_percent
