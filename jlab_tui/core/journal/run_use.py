"""What a run used of the node, as the Jupyter extension measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ..json_values import mapping, number

USE: Final = "jlab_mcp_use"
"""the Jupyter extension's name for it in the messages that end a run"""
_SHORT_S: Final = 5.0
"""of a shorter run nothing is said"""
_MEMORY_MB: Final = 1024.0
_GPU_MB: Final = 100.0
_CORES: Final = 1.5


@dataclass(frozen=True, slots=True)
class RunUse:
    """None: unknown."""

    cpu_s: float | None = None
    """seconds of all cores together"""
    peak_mb: float | None = None
    """MiB, of the kernel and its processes"""
    gpu_peak_mb: float | None = None
    gpu_percent: float | None = None
    """mean use of the GPUs on which it held memory"""


_NAMES: Final = tuple(known.name for known in fields(RunUse))
NO_USE: Final = RunUse()


def run_use(raw: Any) -> RunUse:
    """Read it from JSON; what is no number is unknown."""
    known = mapping(raw)
    return RunUse(*(number(known.get(name)) for name in _NAMES))


def use_json(use: RunUse) -> Mapping[str, float]:
    values = ((name, getattr(use, name)) for name in _NAMES)
    return {name: value for name, value in values if value is not None}


def use_words(use: RunUse, seconds: float) -> str:
    """Return what is worth saying of a run of so many seconds: `peak 61 GiB GPU, GPU 93%`; mostly nothing."""
    if seconds < _SHORT_S:
        return ""
    parts = []
    if use.gpu_peak_mb is not None and use.gpu_peak_mb >= _GPU_MB:
        parts.append(f"peak {_gib(use.gpu_peak_mb)} GPU")
    if use.gpu_percent is not None:
        parts.append(f"GPU {use.gpu_percent:.0f}%")
    if use.peak_mb is not None and use.peak_mb >= _MEMORY_MB:
        parts.append(f"peak {_gib(use.peak_mb)} memory")
    if use.cpu_s is not None and use.cpu_s >= _CORES * seconds:
        parts.append(f"{use.cpu_s / seconds:.1f} CPU cores")
    return ", ".join(parts)


def _gib(mb: float) -> str:
    if mb < 1000:
        return f"{mb:.0f} MiB"
    return f"{mb / 1024:.0f} GiB" if mb >= 9.95 * 1024 else f"{mb / 1024:.1f} GiB"
