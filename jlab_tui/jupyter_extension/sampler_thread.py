"""Samples the node each second and keeps the last ten minutes."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

from .gpu import GpuWatch
from .usage import Sampler, import_psutil

HISTORY_S = 600
STALE_S = 15.0
"""Older samples do not describe the present."""

log = logging.getLogger("jlab_mcp_extension")

Take = Callable[[Mapping[str, int], GpuWatch], Dict[str, Any]]


class SamplerThread:
    """Measures in its own thread, so that a slow file system or tool blocks nobody."""

    def __init__(
        self,
        period: float = 1.0,
        take: Optional[Take] = None,
        clock: Callable[[], float] = time.monotonic,
        on_sample: Callable[[Dict[str, Any]], object] = lambda sample: None,
    ) -> None:
        """`take` returns one sample; by default `Sampler.sample`. `on_sample` is called with each, in the thread."""
        self.kernel_pids: Mapping[str, int] = {}
        """Set by the event loop, read by the thread."""
        self._period = period
        self._samples: Deque[Dict[str, Any]] = deque(maxlen=int(HISTORY_S / period))
        self._gpus = GpuWatch(os.environ)
        self._take = take
        self._on_sample = on_sample
        self._clock = clock
        self._taken_at = 0.0
        self._has_failed = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jlab-mcp-sampler", daemon=True)

    def start(self) -> None:
        self._gpus.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._gpus.stop()

    def read(self, seconds: float) -> Tuple[Optional[Dict[str, Any]], List[Dict[str, Any]]]:
        """Return the newest sample and those of the last `seconds`, oldest first."""
        samples = list(self._samples)
        since = time.time() - seconds
        is_fresh = bool(samples) and self._clock() - self._taken_at < STALE_S
        return (samples[-1] if is_fresh else None), [sample for sample in samples if sample["t"] >= since]

    def gpu_of(self, kernel_id: str) -> Dict[str, Optional[float]]:
        """Return the GPU memory that a kernel holds (MiB), and the use of the busiest GPU (percent)."""
        now, _ = self.read(0)
        use = now["kernels"].get(kernel_id, {}) if now is not None else {}
        known = [gpu["utilization_percent"] for gpu in now["gpu"]] if now is not None else []
        return {
            "memory_mb": use.get("gpu_memory_mb"),
            "percent": max((percent for percent in known if percent is not None), default=None),
        }

    def _run(self) -> None:
        take = self._take or _sampler()
        due = time.monotonic()
        while not self._stopped.is_set():
            try:
                sample = take(self.kernel_pids, self._gpus)
                self._samples.append(sample)
                self._taken_at = self._clock()
                self._on_sample(sample)
            except Exception:
                # The next sample may succeed.
                if not self._has_failed:
                    log.exception("jlab-mcp: measuring CPU, memory and GPUs failed")
                self._has_failed = True
            due = max(due + self._period, time.monotonic())
            self._stopped.wait(due - time.monotonic())


def _sampler() -> Take:
    return Sampler(os.environ, import_psutil()).sample
