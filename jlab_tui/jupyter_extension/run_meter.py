"""What one run of a kernel uses, from its beginning to its end: CPU time, memory, GPUs. Pure.

The kernel's process is read when a run begins and when it ends; between them the node's samples are taken in, which are
read anyway. A short run has no sample, so its GPU is unknown.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Set, Tuple

from .cgroup import MIB

USE = "jlab_mcp_use"
"""Where the idle that ends a run tells it: `cpu_s`, `peak_mb`, `gpu_peak_mb` (MiB) and `gpu_percent`, each only if known."""
GROWN_MB = 256.0
WORKED_PERCENT = 5.0
"""From these on GPUs whose processes no tool lists are taken to work for the run."""

ProcessUse = Optional[Tuple[float, int]]
"""CPU seconds, with those of children that have ended, and resident bytes of the kernel's own process."""


class RunMeter:
    """The run in progress on one kernel."""

    def __init__(self) -> None:
        self._msg_id = ""
        self._children_s = 0.0
        """CPU time of the living children, at the last sample"""
        self._gpus_mb = 0.0
        """used on all GPUs, at the last sample before the run"""
        self._clear()

    def _clear(self) -> None:
        self._cpu_s: Optional[float] = None
        self._peak_mb = 0.0
        self._gpu_peak_mb: Optional[float] = None
        self._used_gpus: Set[int] = set()
        self._unlisted_mb: Optional[float] = None
        self._samples = 0
        self._busy: Dict[int, float] = {}
        """sum of each GPU's percentages"""

    def begin(self, msg_id: str, use: ProcessUse) -> None:
        self._clear()
        self._msg_id = msg_id
        if use is not None:
            self._cpu_s = use[0] + self._children_s
            self._peak_mb = use[1] / MIB

    def add(self, kernel: Mapping[str, Any], sample: Mapping[str, Any]) -> None:
        """Take in a sample, and the kernel's part of it (usage.py)."""
        self._children_s = kernel.get("children_cpu_s", 0.0)
        memory = sum(gpu["memory_used_mb"] or 0.0 for gpu in sample["gpu"])
        if not self._msg_id:
            self._gpus_mb = memory
            return
        self._peak_mb = max(self._peak_mb, kernel["rss_mb"] or 0.0)
        known = [gpu for gpu in sample["gpu"] if gpu["utilization_percent"] is not None]
        if known:
            self._samples += 1
        for gpu in known:
            self._busy[gpu["index"]] = self._busy.get(gpu["index"], 0.0) + gpu["utilization_percent"]
        if kernel["gpu_memory_mb"] is not None:
            self._gpu_peak_mb = max(self._gpu_peak_mb or 0.0, kernel["gpu_memory_mb"])
            self._used_gpus.update(kernel.get("gpus", ()))
        elif sample["gpu"] and not sample.get("gpu_processes"):
            self._unlisted_mb = max(self._unlisted_mb or 0.0, memory)

    def end(self, msg_id: str, use: ProcessUse) -> Dict[str, float]:
        """Return what the run used, as far as it is known; nothing if it is not the one in progress."""
        if not msg_id or msg_id != self._msg_id:
            return {}
        self._msg_id = ""
        found: Dict[str, float] = {}
        if use is not None:
            self._peak_mb = max(self._peak_mb, use[1] / MIB)
            if self._cpu_s is not None:
                found["cpu_s"] = round(max(0.0, use[0] + self._children_s - self._cpu_s), 2)
        if self._peak_mb:
            found["peak_mb"] = round(self._peak_mb, 1)
        return {**found, **self._gpu()}

    @property
    def running(self) -> str:
        """The request in progress; empty if there is none."""
        return self._msg_id

    def _gpu(self) -> Dict[str, float]:
        used = [self._busy[index] for index in self._busy if index in self._used_gpus or not self._used_gpus]
        percent = sum(used) / len(used) / self._samples if used else None
        peak = self._gpu_peak_mb
        if peak is None and self._unlisted_mb is not None:
            has_grown = self._unlisted_mb - self._gpus_mb >= GROWN_MB
            if has_grown or (percent is not None and percent >= WORKED_PERCENT):
                peak = self._unlisted_mb
        if peak is None:
            return {}
        found = {"gpu_peak_mb": round(peak, 1)}
        return found if percent is None else {**found, "gpu_percent": round(percent, 1)}
