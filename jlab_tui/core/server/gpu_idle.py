"""Warns before a site ends a job for its idle GPUs: a kernel that holds GPU memory and computes nothing, once a stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .resources import KernelUse, Sample


def idle_minutes(use: KernelUse, warn_min: float) -> int:
    """Return for how many minutes a kernel has held an idle GPU; 0 before `warn_min` (0: never)."""
    minutes = (use.gpu_idle_s or 0.0) / 60
    return max(1, int(minutes)) if warn_min and minutes >= warn_min else 0


def longest_idle(sample: Sample | None, warn_min: float) -> int:
    """Return the minutes of the kernel that has been idle longest; 0 if no warning is due."""
    uses = (sample.kernels if sample is not None else None) or {}
    return max((idle_minutes(use, warn_min) for use in uses.values()), default=0)


def idle_sentence(who: str, use: KernelUse) -> str:
    """Say it for a kernel that `who` names."""
    held = (use.gpu_memory_mb or 0.0) / 1024
    return (
        f"{who} has held {held:.1f} GiB of GPU memory for {(use.gpu_idle_s or 0.0) / 60:.0f} min while the GPU was idle. Many sites "
        "end such jobs."
    )


@dataclass(slots=True)
class GpuIdleWarnings:
    """Gives each kernel's warning once, until its GPU has worked again."""

    warn_min: float
    """minutes; 0: never"""
    _said: set[str] = field(default_factory=set)

    def due(self, uses: Mapping[str, KernelUse]) -> list[str]:
        """Return the kernels whose warning is due now."""
        over = {kernel_id for kernel_id, use in uses.items() if idle_minutes(use, self.warn_min)}
        new = sorted(over - self._said)
        # A stretch that begins anew is seen while it is short; in between nothing may be known.
        self._said = over | {k for k in self._said if k in uses and uses[k].gpu_idle_s is None}
        return new
